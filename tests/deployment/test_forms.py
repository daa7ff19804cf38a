import json

import pytest
import yaml

from catalog.deployment.forms import FORMS, Pinned, format_locked
from catalog.deployment.mention import ImageName, LockedName
from catalog.errors import InvalidInputError

DIGEST = "sha256:" + "ab" * 32


def pinned(name: str, tag: str, label: str = "", kind: str = "") -> Pinned:
    return Pinned(ImageName("", name, tag), LockedName(f"localhost:5078/{name}", tag, DIGEST), f"{name}:{tag}", label, kind)


IMAGES = [
    pinned("web", "1.0", "front", "compose"),
    pinned("ann/api", "2", "api", "compose"),
    pinned("web", "1.0", "back", "compose"),
]


def test_compose() -> None:
    services = yaml.safe_load(format_locked("compose", IMAGES))["services"]
    assert services == {
        "front": {"image": f"localhost:5078/web:1.0@{DIGEST}"},
        "api": {"image": f"localhost:5078/ann/api:2@{DIGEST}"},
        "back": {"image": f"localhost:5078/web:1.0@{DIGEST}"},
    }


def test_kustomize() -> None:
    document = yaml.safe_load(format_locked("kustomize", [*IMAGES, pinned("new", "3", "old", "kustomization")]))
    assert document["kind"] == "Component"
    assert document["images"][0] == {"name": "ann/api", "newName": "localhost:5078/ann/api", "newTag": "2", "digest": DIGEST}
    assert [entry["name"] for entry in document["images"]] == ["ann/api", "old", "web"]


def test_buildkit() -> None:
    document = json.loads(format_locked("buildkit", IMAGES))
    assert [(rule["selector"]["identifier"], rule["updates"]["identifier"]) for rule in document["rules"]] == [
        ("docker-image://docker.io/ann/api:2", f"docker-image://localhost:5078/ann/api:2@{DIGEST}"),
        ("docker-image://docker.io/library/web:1.0", f"docker-image://localhost:5078/web:1.0@{DIGEST}"),
    ]


def test_kbld() -> None:
    """As Carvel documents it: apiVersion, kind, and for each image the digest and, as an annotation, what it replaces."""
    document = yaml.safe_load(format_locked("kbld", IMAGES))
    assert (document["apiVersion"], document["kind"]) == ("imgpkg.carvel.dev/v1alpha1", "ImagesLock")
    assert document["images"][1] == {
        "image": f"localhost:5078/web@{DIGEST}",
        "annotations": {"kbld.carvel.dev/id": "web:1.0"},
    }


def test_two_versions_of_a_name_that_a_tool_cannot_tell_apart() -> None:
    images = [pinned("web", "1.0"), pinned("web", "1.1")]
    with pytest.raises(InvalidInputError, match="two images of web"):
        format_locked("kustomize", images)
    for form in set(FORMS) - {"kustomize", "compose"}:
        format_locked(form, images)


def test_an_override_needs_services() -> None:
    with pytest.raises(InvalidInputError, match="no service"):
        format_locked("compose", [pinned("web", "1.0")])
