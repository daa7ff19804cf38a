"""Which images an export holds, and the one that is meant.

An export says it twice, in docker's ``manifest.json`` and in the OCI index: of an image that both name, docker's list of layers is
taken (docker 25.0.0 wrote the OCI one in random order) and the names of both. Whatever they say, an image counts only if its
config's bytes match the digest they are named by, and its layers match the config.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, NoReturn, Protocol

from catalog.digest import ConfigDigest, DiffID, ManifestDigest
from catalog.errors import (
    AmbiguousReferenceError,
    ArchiveError,
    ImageIncompleteError,
    ImageNotFoundError,
    PlatformNotFoundError,
)
from catalog.image.config import ImageConfig, parse_config
from catalog.image.dag import StoredLayer
from catalog.image.document import decode_object
from catalog.image.oci import (
    INDEX_TYPES,
    MANIFEST_TYPES,
    Descriptor,
    check_layout,
    parse_docker_manifest,
    parse_index,
    parse_manifest,
)
from catalog.limits import MAX_INDEX_DEPTH, MAX_INDEX_ENTRIES
from catalog.platform import Platform

_CONFIG_NAME: Final = re.compile(r"(?:.*/)?([0-9a-f]{64})(?:\.json)?", re.ASCII)
_LISTED: Final = 8  # how many names, layers or platforms a message lists


class Members(Protocol):
    """What an export holds, by member name; links are followed, absent members are None."""

    def document(self, name: str) -> bytes | None:
        """Give a small member's bytes; one under ``blobs/sha256/`` matched its name."""
        ...

    def layer(self, name: str, diff_id: DiffID) -> StoredLayer | None:
        """Give the member as a layer whose blocks are in the sink, inflated where it was compressed; it should have that diffID."""
        ...


@dataclass(frozen=True, slots=True)
class ExportedImage:
    """One complete image of an export: its layers (one for each diffID, in order) are stored and match the config.

    ``names`` are the tags the export gave it, never applied to anything; ``source_manifest`` is the digest of the manifest in the
    export, where it has one: not canonical, and of use only as provenance. ``is_oci_only`` tells of an export without docker's
    ``manifest.json``: podman and skopeo rewrite the config of a docker image when they make one.
    """

    config: bytes
    image: ImageConfig
    layers: tuple[StoredLayer, ...]
    names: tuple[str, ...]
    source_manifest: ManifestDigest | None
    is_oci_only: bool

    @property
    def config_digest(self) -> ConfigDigest:
        return self.image.digest


@dataclass(slots=True)
class _Candidate:
    """An image that the export names. ``config`` is None where its bytes are absent; ``platform`` is then as the index claims."""

    config: bytes | None
    image: ImageConfig | None
    layers: tuple[str, ...]
    platform: Platform | None
    manifest: ManifestDigest | None = None
    names: list[str] = field(default_factory=list)
    failure: ArchiveError | None = None

    @property
    def label(self) -> str:
        if self.image is not None:
            return str(self.image.digest)
        return str(self.manifest) if self.manifest else "an image without a config"


class Export:
    """All images of one export."""

    def __init__(self, members: Members) -> None:
        self._members = members
        docker, index = members.document("manifest.json"), members.document("index.json")
        if docker is None and index is None:
            raise ArchiveError("this is no image export", why="it has neither manifest.json nor index.json")
        self._is_oci_only = docker is None
        self._candidates: list[_Candidate] = []
        if docker is not None:
            for item in parse_docker_manifest(docker):
                self._add(_read_config(members, item.config, None), item.layers, item.tags, None)
        if index is not None:
            layout = members.document("oci-layout")
            if layout is not None:
                check_layout(layout)
            self._add_index(index)

    @property
    def names(self) -> tuple[str, ...]:
        """The tags of all images in it."""
        return tuple(dict.fromkeys(name for candidate in self._candidates for name in candidate.names))

    def platforms(self, reference: str | None = None) -> list[Platform]:
        """Give the platforms for which the export holds an image that ``reference`` means, sorted."""
        meant = [candidate for candidate in self._candidates if reference is None or _is_named(candidate, reference)]
        return sorted(
            {candidate.platform for candidate in meant if candidate.config is not None and candidate.platform is not None}
        )

    def choose(
        self, reference: str | None = None, platform: Platform | None = None, *, host: Platform | None = None
    ) -> ExportedImage:
        """Give the one image that ``reference`` (a tag, a config or manifest digest; None: any) and ``platform`` mean.

        ``host`` decides only among several platforms, where ``platform`` is None. Raises `ImageNotFoundError` (no such reference),
        `PlatformNotFoundError` (with those that exist), `AmbiguousReferenceError` (several images), `ImageIncompleteError` (the
        export lacks its config or layers, as a containerd store may give it), `ArchiveError` (config and layers do not match).
        """
        meant = self._candidates
        if reference is not None:
            meant = [candidate for candidate in meant if _is_named(candidate, reference)]
        if not meant:
            what = "holds no image" if reference is None else f'holds no image "{reference[:200]}"'
            raise ImageNotFoundError(f"the export {what}", hint=f"it holds {_list(self.names)}" if self.names else "")
        return self._complete(_choose_one(meant, platform, host))

    def _complete(self, candidate: _Candidate) -> ExportedImage:
        if candidate.failure is not None:
            raise candidate.failure
        if candidate.config is None or candidate.image is None:
            _refuse_incomplete(candidate, candidate.layers)
        image = candidate.image
        if len(candidate.layers) != len(image.diff_ids):
            raise ArchiveError(
                f"image {image.digest} does not match its layers",
                why=f"its config names {len(image.diff_ids)}, the export lists {len(candidate.layers)}",
            )
        layers = [self._members.layer(*pair) for pair in zip(candidate.layers, image.diff_ids, strict=True)]
        stored = [layer for layer in layers if layer is not None]
        if len(stored) != len(layers):
            _refuse_incomplete(candidate, [name for name, layer in zip(candidate.layers, layers, strict=True) if layer is None])
        for position, (layer, diff_id) in enumerate(zip(stored, image.diff_ids, strict=True), 1):
            if layer.diff_id != diff_id:
                raise ArchiveError(
                    f"layer {position} of image {image.digest} is not the one that its config names",
                    why=f"it has diffID {layer.diff_id}, not {diff_id}",
                )
        return ExportedImage(candidate.config, image, tuple(stored), tuple(candidate.names), candidate.manifest, self._is_oci_only)

    def _add(
        self,
        found: tuple[bytes | None, ImageConfig | None, ArchiveError | None],
        layers: tuple[str, ...],
        names: Iterable[str],
        descriptor: Descriptor | None,
    ) -> None:
        config, image, failure = found
        manifest = ManifestDigest(descriptor.digest.raw) if descriptor else None
        for known in self._candidates:
            if config is not None and known.config == config:
                known.names += [name for name in names if name not in known.names]
                known.manifest = known.manifest or manifest
                return
        platform = image.platform if image else (descriptor.platform if descriptor else None)
        if len(self._candidates) == MAX_INDEX_ENTRIES:
            raise ArchiveError(f"the export names more than {MAX_INDEX_ENTRIES} images")
        self._candidates.append(_Candidate(config, image, layers, platform, manifest, list(names), failure))

    def _add_index(self, index: bytes) -> None:
        for descriptor, names in _walk_index(index, self._members):
            blob = _blob_name(descriptor)
            document = _read_blob(descriptor, self._members)
            if document is None:
                self._add((None, None, None), (), names, descriptor)
                continue
            manifest = parse_manifest(document)
            if manifest.is_image:
                config = _read_config(self._members, _blob_name(manifest.config), manifest.config)
                self._add(config, tuple(_blob_name(layer) for layer in manifest.layers), names, descriptor)
            elif descriptor.platform is not None and names:
                raise ArchiveError(f"{blob} is named like an image and is none")


def _walk_index(index: bytes, members: Members) -> Iterator[tuple[Descriptor, tuple[str, ...]]]:
    """Give the descriptors of manifests in an index and those inside it, each with the names of all that lead to it."""
    stack: list[tuple[bytes, tuple[str, ...], int]] = [(index, (), 1)]
    visited = 0
    while stack:
        document, inherited, depth = stack.pop()
        descriptors = parse_index(document)
        visited += len(descriptors)
        if visited > MAX_INDEX_ENTRIES:
            raise ArchiveError(f"the export's indexes have more than {MAX_INDEX_ENTRIES} entries")
        for descriptor in descriptors:
            names = tuple(dict.fromkeys((*inherited, *descriptor.names)))
            if descriptor.is_attestation:
                continue
            if not _is_index(descriptor, members):
                if descriptor.media_type in MANIFEST_TYPES | {""}:
                    yield descriptor, names
                continue
            nested = _read_blob(descriptor, members)
            if nested is None:
                continue
            if depth == MAX_INDEX_DEPTH:
                raise ArchiveError(f"the export's indexes are nested more than {MAX_INDEX_DEPTH} deep")
            stack.append((nested, names, depth + 1))


def _is_index(descriptor: Descriptor, members: Members) -> bool:
    if descriptor.media_type:
        return descriptor.media_type in INDEX_TYPES
    document = members.document(_blob_name(descriptor))
    return document is not None and "manifests" in decode_object(document, _blob_name(descriptor))


def _read_blob(descriptor: Descriptor, members: Members) -> bytes | None:
    document = members.document(_blob_name(descriptor))
    if document is not None and len(document) != descriptor.size:
        raise ArchiveError(f"{_blob_name(descriptor)} has {len(document)} bytes", why=f"its descriptor says {descriptor.size}")
    return document


def _read_config(
    members: Members, name: str, descriptor: Descriptor | None
) -> tuple[bytes | None, ImageConfig | None, ArchiveError | None]:
    """Give a config's bytes and meaning; a failure is kept, because it matters only if this image is the one that is wanted."""
    try:
        config = _read_blob(descriptor, members) if descriptor else members.document(name)
        if config is None:
            return None, None, None
        match = _CONFIG_NAME.fullmatch(name)
        if match and ConfigDigest.of(config).hex != match[1]:
            raise ArchiveError(f"the config {name} does not match its name", why=f"it has {ConfigDigest.of(config)}")
        return config, parse_config(config), None
    except ArchiveError as error:
        return None, None, error


def _blob_name(descriptor: Descriptor) -> str:
    return f"blobs/sha256/{descriptor.digest.hex}"


def _choose_one(meant: list[_Candidate], platform: Platform | None, host: Platform | None) -> _Candidate:
    """Narrow candidates down to one: by platform first, then there must be no other."""
    complete = [candidate for candidate in meant if candidate.config is not None]
    platforms = sorted({candidate.platform for candidate in complete if candidate.platform})
    if platform is None and len(platforms) > 1:
        if host is None:
            raise AmbiguousReferenceError(
                "the export holds images for several platforms", hint=f"choose one of {_list(map(str, platforms))}"
            )
        platform = host
    fitting = complete or meant
    if platform is not None:
        fitting = [candidate for candidate in fitting if candidate.platform in (platform, None)]
    if not fitting:
        listed = platforms or sorted({candidate.platform for candidate in meant if candidate.platform})
        raise PlatformNotFoundError(f"the export holds no image for {platform}", hint=f"it holds {_list(map(str, listed))}")
    if len(fitting) > 1 and complete:
        raise AmbiguousReferenceError(
            "the export holds several images",
            hint=f"choose one of {_list([name for candidate in fitting for name in candidate.names or [candidate.label]])}",
        )
    return fitting[0]


def _refuse_incomplete(candidate: _Candidate, missing: Iterable[str]) -> NoReturn:
    names = list(missing)
    what = "its config" if candidate.config is None else ""
    if names:
        layers = f"{len(names)} of its layers ({_list(names)})"
        what = f"{what} and {layers}" if what else layers
    raise ImageIncompleteError(
        f"the export lacks parts of image {candidate.label}",
        why=f"it does not hold {what or 'its manifest'}",
        hint="an engine with the containerd store gives such exports of images whose layers it shares with others",
    )


def _is_named(candidate: _Candidate, reference: str) -> bool:
    digests = [candidate.image.digest.hex] if candidate.image else []
    if candidate.manifest:
        digests.append(candidate.manifest.hex)
    if reference.removeprefix("sha256:") in digests:
        return True
    wanted = _familiar(reference)
    return any(_familiar(name) == wanted for name in candidate.names)


def _familiar(name: str) -> str:
    """Give a tag as docker shows it, `latest` where it has none; podman and containerd write more of it."""
    for prefix in ("docker.io/library/", "docker.io/", "localhost/"):
        if name.startswith(prefix):
            name = name[len(prefix) :]
            break
    return name if ":" in name.rpartition("/")[2] else f"{name}:latest"


def _list(names: Iterable[str]) -> str:
    listed = list(dict.fromkeys(names))
    more = f" and {len(listed) - _LISTED} more" if len(listed) > _LISTED else ""
    return ", ".join(name[:160] for name in listed[:_LISTED]) + more
