"""Parse the documents of an export: OCI index and manifest, docker's ``manifest.json``.

They are read only to find configs and layers and are not kept. ``mediaType`` may be absent (podman, skopeo); present and wrong, or
the fields of two shapes in one document, is refused (CVE-2021-41190). Entries of an index with digests other than sha256 are
skipped, as the image-spec asks. Source: OCI image-spec, manifest.md, image-index.md, descriptor.md; moby's image/spec
("manifest.json").
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from catalog.errors import ArchiveError, InvalidDigestError, InvalidPlatformError
from catalog.image.canonical import CONFIG_TYPE, INDEX_TYPE, MANIFEST_TYPE
from catalog.image.document import (
    JsonObject,
    as_object,
    decode_document,
    decode_object,
    get_field,
    get_list,
    get_object,
    get_text,
    get_text_map,
    get_texts,
)
from catalog.limits import MAX_INDEX_ENTRIES
from catalog.model.digest import Digest
from catalog.model.platform import Platform, read_platform

INDEX_TYPES: Final = frozenset({INDEX_TYPE, "application/vnd.docker.distribution.manifest.list.v2+json"})
MANIFEST_TYPES: Final = frozenset({MANIFEST_TYPE, "application/vnd.docker.distribution.manifest.v2+json"})
CONFIG_TYPES: Final = frozenset({CONFIG_TYPE, "application/vnd.docker.container.image.v1+json"})
_OCI_LAYERS = ("application/vnd.oci.image.layer.v1.tar", "application/vnd.oci.image.layer.nondistributable.v1.tar")
_DOCKER_LAYERS = ("application/vnd.docker.image.rootfs.diff.tar", "application/vnd.docker.image.rootfs.foreign.diff.tar")
LAYER_TYPES: Final = frozenset(
    [base + suffix for base in _OCI_LAYERS for suffix in ("", "+gzip", "+zstd")]
    + [base + suffix for base in _DOCKER_LAYERS for suffix in ("", ".gzip", ".zstd")]
)
CONTAINERD_NAME: Final = "io.containerd.image.name"
NAME_ANNOTATIONS: Final = (CONTAINERD_NAME, "org.opencontainers.image.ref.name")
_ATTESTATION_ANNOTATION = "vnd.docker.reference.type"
ATTESTED_ANNOTATION: Final = "vnd.docker.reference.digest"
"""Names the manifest that an attestation of BuildKit is about."""
_OTHER_DIGEST: Final = re.compile(r"([a-z0-9]+(?:[+._-][a-z0-9]+)*):[a-zA-Z0-9=_-]+", re.ASCII)
_HELM: Final = "application/vnd.cncf.helm."
_ONLY_IMAGES: Final = "dcat publishes container images only"


class UnsupportedDigestError(ArchiveError):
    """A digest of another algorithm than sha256."""


class OtherContent(NamedTuple):
    """Content of an export that is not an image that dcat reads: what it is, and what to do."""

    what: str
    hint: str


@dataclass(frozen=True, slots=True)
class Descriptor:
    """A descriptor of a blob. ``platform`` is None if absent, or if dcat cannot name it; ``names`` are from annotations."""

    media_type: str
    digest: Digest
    size: int
    platform: Platform | None
    annotations: Mapping[str, str] = field(hash=False)
    artifact_type: str

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self.annotations[key] for key in NAME_ANNOTATIONS if self.annotations.get(key)))

    @property
    def is_withheld(self) -> bool:
        """Whether this is a layer that must not be distributed; its ``urls`` are never fetched."""
        return "nondistributable" in self.media_type or "foreign" in self.media_type

    @property
    def is_attestation(self) -> bool:
        """Whether this is an attachment of BuildKit or a signer, which is never an image."""
        unknown = self.platform is not None and (self.platform.os, self.platform.architecture) == ("unknown", "unknown")
        return unknown or not _is_image_type(self.artifact_type) or _ATTESTATION_ANNOTATION in self.annotations


@dataclass(frozen=True, slots=True)
class ImageManifest:
    """An image manifest: the descriptors of the config and the layers, base first."""

    config: Descriptor
    layers: tuple[Descriptor, ...]
    artifact_type: str

    @property
    def is_image(self) -> bool:
        """Whether this is an image, not an artifact that has the shape of an image manifest."""
        if not _is_image_type(self.artifact_type) or not _is_image_type(self.config.media_type) or self.is_encrypted:
            return False
        return not self.layers or any(layer.media_type in LAYER_TYPES for layer in self.layers)

    @property
    def is_encrypted(self) -> bool:
        """Whether a layer is encrypted (ocicrypt)."""
        return any(layer.media_type.endswith("+encrypted") for layer in self.layers)

    def describe(self) -> OtherContent:
        """Return what a manifest is that is not of a readable image."""
        types = [self.artifact_type, self.config.media_type, *(layer.media_type for layer in self.layers)]
        if self.is_encrypted:
            return OtherContent("an image with encrypted layers", "decrypt it first: skopeo copy --decryption-key KEY …")
        if any(text.startswith(_HELM) for text in types):
            return OtherContent("a Helm chart", f"{_ONLY_IMAGES}; charts are kept by helm push")
        if any("wasm" in text for text in types):
            return OtherContent("a WebAssembly module", _ONLY_IMAGES)
        shown = next((text for text in types if text and not _is_image_type(text)), "unknown")
        return OtherContent(f"an artifact of the type {shown[:100]}", _ONLY_IMAGES)


@dataclass(frozen=True, slots=True)
class DockerItem:
    """One image of ``manifest.json``: member names of its config and layers, and the tags it had."""

    config: str
    layers: tuple[str, ...]
    tags: tuple[str, ...]


class ImageIndex(NamedTuple):
    """The descriptors of an index, and the digest algorithms of entries that are skipped because of them."""

    entries: tuple[Descriptor, ...]
    unsupported: tuple[str, ...] = ()


def parse_manifest(data: bytes) -> ImageManifest:
    """Read an image manifest; raise `ArchiveError` for anything else."""
    what = "the image manifest"
    document = decode_object(data, what)
    _check_shape(document, what, MANIFEST_TYPES, ("manifests", "fsLayers", "signatures"))
    if get_field(document, "config", what) is None or get_field(document, "layers", what) is None:
        raise ArchiveError(f"{what} names no config or no layers")
    layers = (as_object(entry, f"a layer of {what}") for entry in get_list(document, "layers", what))
    return ImageManifest(
        config=_read_descriptor(get_object(document, "config", what), f"the config of {what}"),
        layers=tuple(_read_descriptor(layer, f"a layer of {what}") for layer in layers),
        artifact_type=get_text(document, "artifactType", what),
    )


def parse_index(data: bytes) -> ImageIndex:
    """Read an image index; raise `ArchiveError` for anything else."""
    what = "the image index"
    document = decode_object(data, what)
    _check_shape(document, what, INDEX_TYPES, ("layers", "config", "fsLayers", "signatures"))
    if get_field(document, "manifests", what) is None:
        raise ArchiveError(f"{what} lists no manifests")
    entries = get_list(document, "manifests", what)
    if len(entries) > MAX_INDEX_ENTRIES:
        raise ArchiveError(f"{what} has {len(entries)} entries", why=f"at most {MAX_INDEX_ENTRIES} are read")
    read: list[Descriptor] = []
    unsupported: list[str] = []
    for entry in entries:
        try:
            read.append(_read_descriptor(as_object(entry, f"an entry of {what}"), f"an entry of {what}"))
        except UnsupportedDigestError as error:
            unsupported.append(error.message)
    return ImageIndex(tuple(read), tuple(unsupported))


def parse_docker_manifest(data: bytes) -> tuple[DockerItem, ...]:
    """Read ``manifest.json``; raise `ArchiveError` for anything else."""
    what = "manifest.json"
    document = decode_document(data, what)
    if not isinstance(document, list):
        is_manifest = isinstance(document, Mapping) and ("layers" in document or "manifests" in document)
        hint = "skopeo's dir: form is not read: skopeo copy dir:FOLDER oci-archive:FILE" if is_manifest else ""
        raise ArchiveError(f"{what} is not a list of images", hint=hint)
    if len(document) > MAX_INDEX_ENTRIES:
        raise ArchiveError(f"{what} lists {len(document)} images", why=f"at most {MAX_INDEX_ENTRIES} are read")
    items = []
    for entry in document:
        item = as_object(entry, f"an entry of {what}")
        config = get_text(item, "Config", what)
        if not config:
            raise ArchiveError(f"an image in {what} has no config")
        items.append(DockerItem(config, tuple(get_texts(item, "Layers", what)), tuple(get_texts(item, "RepoTags", what))))
    return tuple(items)


def check_layout(data: bytes) -> None:
    """Raise `ArchiveError` unless ``data`` is an ``oci-layout`` file of a version that is read."""
    version = get_text(decode_object(data, "oci-layout"), "imageLayoutVersion", "oci-layout")
    if version != "1.0.0":
        raise ArchiveError(f'OCI layout version "{version[:40]}" is not read', why="1.0.0 is the only one")


def _is_image_type(media_type: str) -> bool:
    """Return whether a type is that of an image's config; go-containerregistry writes it as ``artifactType`` too."""
    return media_type in CONFIG_TYPES or not media_type


def _check_shape(document: JsonObject, what: str, media_types: frozenset[str], foreign: tuple[str, ...]) -> None:
    version = get_field(document, "schemaVersion", what)
    if version != 2 or not isinstance(version, int):
        raise ArchiveError(f"{what} has no schema version 2")
    media_type = get_text(document, "mediaType", what)
    if media_type and media_type not in media_types:
        raise ArchiveError(f'{what} has the media type "{media_type[:100]}"')
    for key in foreign:
        if get_field(document, key, what) is not None:
            raise ArchiveError(f'{what} has the field "{key}" of another kind of document')


def _read_descriptor(document: JsonObject, what: str) -> Descriptor:
    text = get_text(document, "digest", what)
    try:
        digest = Digest.parse(text)
    except InvalidDigestError as error:
        other = _OTHER_DIGEST.fullmatch(text)
        if other and other[1] != "sha256":
            raise UnsupportedDigestError(f"{other[1][:40]} digests are not supported", why=f"{what} has one") from error
        raise ArchiveError(f"{what} has no sha256 digest", why=error.message) from error
    size = get_field(document, "size", what)
    if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size < 1 << 63:
        raise ArchiveError(f"{what} states no size")
    return Descriptor(
        media_type=get_text(document, "mediaType", what),
        digest=digest,
        size=size,
        platform=_read_platform(get_object(document, "platform", what), what),
        annotations=get_text_map(document, "annotations", what),
        artifact_type=get_text(document, "artifactType", what),
    )


def _read_platform(document: JsonObject, what: str) -> Platform | None:
    os, architecture = get_text(document, "os", what), get_text(document, "architecture", what)
    try:
        return read_platform(os, architecture, get_text(document, "variant", what))
    except InvalidPlatformError:  # dcat would refuse to publish this platform; the config decides
        return None
