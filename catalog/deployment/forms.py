"""What was locked, in the form that a tool takes as it is.

- ``compose``: an override of the images, as ``docker compose config --lock-image-digests`` writes it;
- ``kustomize``: a component whose ``images`` set name, tag and digest (kustomize, api/types/image.go);
- ``buildkit``: a source policy (BuildKit, sourcepolicy/pb/policy.proto);
- ``kbld``: an ImagesLock (Carvel, imgpkg: "ImagesLock").

Text in JSON's syntax is YAML as well; what stands in these files is of the grammar of references, or is quoted.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from catalog.deployment.mention import ImageName, LockedName
from catalog.errors import InvalidInputError

FORMS = ("compose", "kustomize", "buildkit", "kbld")


@dataclass(frozen=True, slots=True)
class Pinned:
    """An image as something names it, and as it is locked. ``label`` is that of its `Mention`, ``kind`` that of its file."""

    image: ImageName
    locked: LockedName
    text: str
    label: str = ""
    kind: str = ""


def format_locked(form: str, images: Sequence[Pinned]) -> str:
    """Return the file for a tool; raise `InvalidInputError` where its form cannot hold these images."""
    return {"compose": _compose, "kustomize": _kustomize, "buildkit": _buildkit, "kbld": _kbld}[form](images)


def _compose(images: Sequence[Pinned]) -> str:
    services = {image.label: image.locked for image in images if image.kind == "compose"}
    if not services:
        raise InvalidInputError("no service of a Compose file is locked", hint="name a Compose file")
    lines = [f"  {json.dumps(service)}:\n    image: {locked.reference}\n" for service, locked in services.items()]
    return "services:\n" + "".join(lines)


def _kustomize(images: Sequence[Pinned]) -> str:
    entries = _distinct(images, "kustomize", lambda image: image.label if image.kind == "kustomization" else image.image.familiar)
    head = "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nimages:\n"
    return head + "".join(
        f"- name: {json.dumps(name)}\n  newName: {locked.name}\n  newTag: {json.dumps(locked.tag)}\n  digest: {locked.digest}\n"
        for name, locked in entries
    )


def _buildkit(images: Sequence[Pinned]) -> str:
    rules = [
        {
            "action": "CONVERT",
            "selector": {"identifier": f"docker-image://{name}", "matchType": "EXACT"},
            "updates": {"identifier": f"docker-image://{locked.reference}"},
        }
        for name, locked in _distinct(images, "BuildKit", lambda image: image.image.canonical)
    ]
    return json.dumps({"version": 1, "rules": rules}, indent=2) + "\n"


def _kbld(images: Sequence[Pinned]) -> str:
    head = "apiVersion: imgpkg.carvel.dev/v1alpha1\nkind: ImagesLock\nimages:\n"
    return head + "".join(
        f"- image: {locked.name}@{locked.digest}\n  annotations:\n    kbld.carvel.dev/id: {json.dumps(name)}\n"
        for name, locked in _distinct(images, "kbld", lambda image: image.text)
    )


def _distinct(images: Sequence[Pinned], tool: str, name_of: Callable[[Pinned], str]) -> list[tuple[str, LockedName]]:
    """Return what the tool looks for with what it becomes, each once; raise an error where one name would become two images."""
    found: dict[str, LockedName] = {}
    for image in images:
        name = name_of(image)
        if found.setdefault(name, image.locked) != image.locked:
            raise InvalidInputError(
                f"{tool} cannot tell two images of {name} apart",
                why=f"{found[name].tag} and {image.locked.tag} are both used, and it replaces an image by its name",
                hint="lock them in place",
            )
    return sorted(found.items())
