"""What engines write about images, in the forms that were seen and in some that were not."""

from typing import Any

import pytest

from catalog.clients.docker.events import failure_of, loaded_of, report
from catalog.clients.docker.holdings import split_reference
from catalog.clients.docker.inspection import manifests, read_image
from catalog.clients.docker.values import familiar, whole
from catalog.model.platform import parse_platform
from catalog.progress import Step

LAYER = "sha256:" + "2" * 64


def described(**more: Any) -> dict[str, Any]:
    return {"Id": "sha256:" + "1" * 64, "Os": "linux", "Architecture": "arm64", "RootFS": {"Layers": [LAYER]}, **more}


def manifest(platform: dict[str, str] | None, *, available: bool, unpacked: int = 1, kind: str = "image") -> dict[str, Any]:
    data = {"Platform": platform, "Size": {"Unpacked": unpacked}} if platform is not None else None
    return {"ID": "sha256:" + "3" * 64, "Kind": kind, "Available": available, "ImageData": data}


def test_old_engines_write_none_as_a_name() -> None:
    image = read_image(described(RepoTags=["<none>:<none>"], RepoDigests=["<none>@<none>"], Variant="v8"), "classic")
    assert (image.tags, image.registry, image.platform) == ((), (), parse_platform("linux/arm64"))
    assert read_image(described(RepoTags=None, RepoDigests=None, RootFS=None), "podman").diff_ids == ()
    assert read_image(described(RootFS={"Layers": ["sha512:" + "0" * 128]}), "classic").diff_ids == ()


def test_registries_count_where_the_store_really_asked_one() -> None:
    digest = "sha256:" + "4" * 64
    digests = [f"nginx@{digest}", f"localhost:5000/team/web@{digest}", f"quay.io/a/b@{digest}"]
    pulls = {"Pull": [{"Repository": "docker.io/library/nginx"}, {"Repository": "localhost/team/web"}]}
    whole_digests = (f"docker.io/library/nginx@{digest}", f"localhost:5000/team/web@{digest}", f"quay.io/a/b@{digest}")
    assert read_image(described(RepoDigests=digests), "classic").registry == whole_digests
    assert read_image(described(RepoDigests=digests, Identity=pulls), "containerd").registry == whole_digests[:2]
    assert read_image(described(RepoDigests=digests), "containerd").registry == ()
    assert read_image(described(RepoDigests=digests), "podman").registry == ()


@pytest.mark.parametrize(
    "reference",
    [
        "web@sha512:" + "4" * 128,
        "web@sha256:" + "4" * 63,
        "web",
        "w\neb@sha256:" + "4" * 64,
        "w\x1b[31meb@sha256:" + "4" * 64,
        "w\u00e4b@sha256:" + "4" * 64,
        "w" * 600 + "@sha256:" + "4" * 64,
        "<none>@sha256:" + "4" * 64,
    ],
)
def test_a_reference_that_no_release_may_state_is_left_out(reference: str) -> None:
    good = "quay.io/a/b@sha256:" + "4" * 64
    assert read_image(described(RepoDigests=[reference, good]), "classic").registry == (good,)


def test_only_images_that_the_engine_has_something_of_count() -> None:
    arm64 = {"os": "linux", "architecture": "arm64", "variant": "v8"}
    entries = [
        manifest(arm64, available=True),
        manifest({"os": "linux", "architecture": "amd64"}, available=False),
        manifest({"os": "linux", "architecture": "s390x"}, available=False, unpacked=0),
        manifest({"os": "unknown", "architecture": "unknown"}, available=True, kind="attestation"),
        manifest({"os": "Linux!", "architecture": ""}, available=True),
        manifest(None, available=True),
    ]
    found = [(platform, available) for _, platform, available in manifests(described(Manifests=entries))]
    assert found == [(parse_platform("linux/arm64"), True), (parse_platform("linux/amd64"), False)]
    assert read_image(described(Manifests=entries), "containerd").complete
    assert not read_image(described(Architecture="amd64", Manifests=entries), "containerd").complete


@pytest.mark.parametrize(
    ("short", "long"),
    [
        ("nginx:1", "docker.io/library/nginx:1"),
        ("team/web:1", "docker.io/team/web:1"),
        ("localhost/web:1", "localhost/web:1"),
        ("host:5000/web:1", "host:5000/web:1"),
        ("quay.io/a/b:1", "quay.io/a/b:1"),
    ],
)
def test_references_have_a_short_and_a_whole_form(short: str, long: str) -> None:
    assert whole(short) == long
    assert familiar(long) == short


def test_references_are_split_at_their_tag() -> None:
    assert split_reference("host:5000/web") == ("host:5000/web", "latest")
    assert split_reference("host:5000/web:1") == ("host:5000/web", "1")
    assert split_reference(f"web@{LAYER}") == ("web", LAYER)


def test_what_engines_say_while_they_load() -> None:
    assert loaded_of({"stream": "Loaded image ID: sha256:12\n"}) == ["sha256:12"]
    assert loaded_of({"stream": "Loaded image: a/b:1\n"}) == ["a/b:1"]
    assert failure_of({"stream": "Loaded image: a/b:1\n"}) is None
    assert failure_of({"errorDetail": {"message": "no"}, "error": "no"}) == "no"
    assert failure_of({"errorDetail": {}}) is None
    steps: list[Step] = []
    report({"status": "Loading layer", "id": "ab", "progressDetail": {"current": 3, "total": 5}}, steps.append)
    report({"status": "Extracting", "progressDetail": {"current": 3}}, steps.append)
    report({"status": "Pulling", "progressDetail": {}}, steps.append)
    assert steps == [Step("part", "Loading layer ab", 3, 5), Step("part", "Extracting", 3, None)]
