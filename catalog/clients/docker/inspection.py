"""Reading an engine's description of an image, in the forms of Docker's two stores and of podman.

An image ID of the containerd store is the digest of a manifest, or of an index of several platforms; ``Manifests`` (API 1.48)
states for each whether all its content is there. Content can be absent although the image runs: a layer that was loaded
uncompressed is not downloaded again when another image on top of it is pulled, so that image cannot be exported (Docker 29).
"""

from collections.abc import Iterator, Mapping
from typing import Any

from catalog.clients.docker.values import EngineImage, StoreKind, familiar, whole
from catalog.errors import InvalidDigestError, InvalidPlatformError
from catalog.model.digest import DiffID
from catalog.model.platform import Platform, read_platform
from catalog.model.release import is_registry_reference

Described = Mapping[str, Any]

_SHAPE: dict[str, Any] = {
    "Id": str,
    "RepoTags": [str],
    "RepoDigests": [str],
    "Os": str,
    "Architecture": str,
    "Variant": str,
    "Size": int,
    "RootFS": {"Layers": [str]},
    "Manifests": [
        {
            "ID": str,
            "Kind": str,
            "Available": bool,
            "ImageData": {
                "Platform": {"os": str, "architecture": str, "variant": str},
                "Size": {"Unpacked": int},
            },
        }
    ],
    "Identity": {"Pull": [{"Repository": str}]},
}


def is_description(value: object) -> bool:
    """Return whether an answer has the form of an image's description: an engine may be anything that answers on a socket."""
    return isinstance(value, Mapping) and isinstance(value.get("Id"), str) and has_shape(value, _SHAPE)


def has_shape(value: object, shape: Any) -> bool:
    """Return whether JSON has the types of ``shape``: a type, a list of one shape, or a dict. Anything may be absent or null.

    An integer has at most 64 bits, so that it can be reckoned with.
    """
    if value is None:
        return True
    if isinstance(shape, dict):
        return isinstance(value, Mapping) and all(has_shape(value.get(key), part) for key, part in shape.items())
    if isinstance(shape, list):
        return isinstance(value, list) and all(entry is not None and has_shape(entry, shape[0]) for entry in value)
    return isinstance(value, shape) and (not isinstance(value, int) or abs(value) < 1 << 63)


def read_image(described: Described, store: StoreKind) -> EngineImage:
    """Return the `EngineImage` of a description. ``missing`` is left empty: it depends on the other images."""
    platform = read_platform(
        described.get("Os") or "linux", described.get("Architecture") or "unknown", described.get("Variant") or ""
    )
    entries = list(manifests(described))
    platforms = {entry: available for _, entry, available in entries} or {platform: True}
    return EngineImage(
        id=str(described["Id"]),
        tags=read_tags(described),
        diff_ids=read_diff_ids(described),
        platform=platform,
        registry=_registry_references(described, store),
        platforms=platforms,
        complete=platforms.get(platform, True),
        manifest=next((digest for digest, entry, _ in entries if entry == platform), ""),
        size=int(described.get("Size") or 0),
    )


def read_tags(described: Described) -> tuple[str, ...]:
    """Return the tags, short and sorted; an old engine lists ``<none>:<none>`` for none."""
    return tuple(sorted(familiar(tag) for tag in described.get("RepoTags") or () if "<none>" not in tag))


def read_diff_ids(described: Described) -> tuple[DiffID, ...]:
    """Return the layers, base first; none if one of them is not a sha256 digest."""
    try:
        return tuple(DiffID.parse(text) for text in (described.get("RootFS") or {}).get("Layers") or ())
    except InvalidDigestError:
        return ()


def manifests(described: Described) -> Iterator[tuple[str, Platform, bool]]:
    """Yield digest, platform and completeness of each image manifest of which the engine holds something.

    A manifest of another platform that is part of an index, without content and never unpacked, is left out.
    """
    for manifest in described.get("Manifests") or ():
        data = manifest.get("ImageData")
        if manifest.get("Kind") != "image" or not data:
            continue
        available = bool(manifest.get("Available"))
        if not available and not (data.get("Size") or {}).get("Unpacked"):
            continue
        fields = data.get("Platform") or {}
        try:
            platform = read_platform(fields.get("os", ""), fields.get("architecture", ""), fields.get("variant", ""))
        except InvalidPlatformError:
            continue
        yield str(manifest.get("ID")), platform, available


def _registry_references(described: Described, store: StoreKind) -> tuple[str, ...]:
    """Return the manifest references that exist in a registry.

    A classic engine lists only those. The containerd store and podman list one for each tag, whether it is in a registry or not. Of
    the containerd store those count whose repository is among the recorded pulls (API 1.53; recorded without the port), of podman
    none.
    """
    references = {whole(reference) for reference in described.get("RepoDigests") or () if "<none>" not in reference}
    references = {reference for reference in references if is_registry_reference(reference)}  # not with other digests than sha256
    if store == "podman":
        return ()
    if store == "containerd":
        pulls = (described.get("Identity") or {}).get("Pull") or ()
        pulled = {_without_port(str(pull.get("Repository"))) for pull in pulls}
        references = {reference for reference in references if _without_port(reference.partition("@")[0]) in pulled}
    return tuple(sorted(references))


def _without_port(repository: str) -> str:
    host, slash, path = whole(repository).partition("/")
    return host.partition(":")[0] + slash + path
