"""List the images that an export names in docker's ``manifest.json``, in the OCI index, or in both.

For an image in both, docker's list of layers is used (docker 25.0.0 wrote the OCI one in random order), and the names of both.
Attestations, signatures and other artifacts are skipped; a manifest, config or layer that is named but absent is not an error here:
engines export indexes of platforms that they never had. Each document is read once, however often it is named.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol

from catalog.errors import ArchiveError
from catalog.image.config import ImageConfig, parse_config
from catalog.image.dag import StoredLayer
from catalog.image.document import decode_object, get_text
from catalog.image.oci import (
    CONTAINERD_NAME,
    INDEX_TYPES,
    MANIFEST_TYPES,
    Descriptor,
    ImageManifest,
    OtherContent,
    UnsupportedDigestError,
    check_layout,
    parse_docker_manifest,
    parse_index,
    parse_manifest,
)
from catalog.limits import MAX_INDEX_DEPTH, MAX_INDEX_ENTRIES
from catalog.model.digest import ConfigDigest, DiffID, Digest, ManifestDigest
from catalog.model.platform import Platform
from catalog.model.text import quote

_SCHEMA_1: Final = "application/vnd.docker.distribution.manifest.v1"
_CONFIG_NAME: Final = re.compile(r"(?:.*/)?([0-9a-f]{64})(?:\.json)?", re.ASCII)


class Members(Protocol):
    """The contents of an export by member name; links are followed, absent members are None."""

    @property
    def remarks(self) -> Sequence[str]:
        """What is unusual about the export, for people."""
        ...

    def find_inside(self) -> str:
        """Return the folder that holds ``index.json`` or ``manifest.json``, if it is not the top one; else an empty text."""
        ...

    def find_archive(self) -> str:
        """Return the one member, where that is an archive by its name; else an empty text."""
        ...

    def document(self, name: str) -> bytes | None:
        """Return a small member's bytes; one under ``blobs/sha256/`` matched its name."""
        ...

    def layer(self, name: str, diff_id: DiffID) -> StoredLayer | None:
        """Return the member as a layer whose blocks are in the sink, inflated if it was compressed; it should have that diffID."""
        ...


class _Config(NamedTuple):
    """A config, or the reason why it cannot be used; all fields are None if it is absent."""

    data: bytes | None = None
    image: ImageConfig | None = None
    failure: ArchiveError | None = None


@dataclass(slots=True)
class Candidate:
    """An image that an export names; ``layers`` are member names.

    ``config`` is None if its bytes are absent or wrong (``failure``). ``platform`` is what the config states, completed by the
    claim of the index; None if neither states one. ``withheld`` are layers that must not be distributed, so exports omit them.
    """

    config: bytes | None
    image: ImageConfig | None
    layers: tuple[str, ...]
    platform: Platform | None
    manifest: ManifestDigest | None = None
    names: list[str] = field(default_factory=list)
    failure: ArchiveError | None = None
    withheld: frozenset[str] = frozenset()

    @property
    def label(self) -> str:
        """Its name in messages."""
        if self.image is not None:
            return str(self.image.digest)
        return str(self.manifest) if self.manifest else "without a config"


class Listing(NamedTuple):
    """The images that an export names, complete or not, and its other content.

    ``may_be_converted``: the export has the form of skopeo and podman, which rewrite the configs of Docker images for it. Other
    tools keep the config, and write ``manifest.json``, the media type of the index or containerd's names.
    """

    candidates: list[Candidate]
    others: list[OtherContent]
    may_be_converted: bool


def list_candidates(members: Members) -> Listing:
    """Return every image that the export names; raise `ArchiveError` if its documents are malformed."""
    docker, index = members.document("manifest.json"), members.document("index.json")
    if docker is None and index is None:
        if members.document("repositories") is not None:
            raise ArchiveError(
                "this export was written by Docker before 1.10",
                why="it has no manifest.json, and its images have no configuration of today's form",
                hint="load it into an engine and save it again: docker load, docker save",
            )
        hint = "docker save IMAGE writes one"
        if folder := members.find_inside():
            hint = f"pack the contents of the folder, not the folder: tar -C {quote(folder)} -cf FILE ."
        elif name := members.find_archive():
            hint = f"unpack the archive that it holds: tar -xf FILE {quote(name)}"
        raise ArchiveError("this is not an image export", why="it has neither manifest.json nor index.json", hint=hint)
    lister = _Lister(members)
    if docker is not None:
        lister.add_docker(docker)
    if index is not None:
        layout = members.document("oci-layout")
        if layout is not None:
            check_layout(layout)
        lister.add_index(index)
    return Listing(lister.candidates, lister.others, docker is None and lister.index_is_bare)


class _Lister:
    def __init__(self, members: Members) -> None:
        self.candidates: list[Candidate] = []
        self.others: list[OtherContent] = []
        self.index_is_bare = False
        self._members = members
        # By what they are, not only by how they are named: one document of 4 MiB may have a thousand names or descriptors.
        self._configs: dict[str, _Config] = {}
        self._images: dict[ConfigDigest, ImageConfig] = {}
        self._failures: dict[ConfigDigest, ArchiveError] = {}
        self._manifests: dict[tuple[Digest, int], ImageManifest | None] = {}
        self._indexes: dict[tuple[Digest, int, str], tuple[Descriptor, ...] | None] = {}

    def add_docker(self, document: bytes) -> None:
        for item in parse_docker_manifest(document):
            self._add(self._read_config(item.config, None), item.layers, item.tags)

    def add_index(self, document: bytes) -> None:
        top = self._parse_index(document)
        has_type = get_text(decode_object(document, "index.json"), "mediaType", "index.json")
        self.index_is_bare = not has_type and not any(CONTAINERD_NAME in entry.annotations for entry in top)
        for descriptor, names in self._walk(top):
            try:
                manifest = self._read_manifest(descriptor)
            except UnsupportedDigestError as error:
                self._add_unsupported(error.message)
                continue
            if manifest is None:
                self._add(_Config(), (), names, descriptor)
            elif manifest.is_image:
                config = self._read_config(blob_name(manifest.config), manifest.config)
                layers = tuple(blob_name(layer) for layer in manifest.layers)
                withheld = frozenset(blob_name(layer) for layer in manifest.layers if layer.is_withheld)
                self._add(config, layers, names, descriptor, withheld)
            else:
                self.others.append(manifest.describe())

    def _parse_index(self, document: bytes) -> tuple[Descriptor, ...]:
        index = parse_index(document)
        for message in index.unsupported:
            self._add_unsupported(message)
        return index.entries

    def _add_unsupported(self, message: str) -> None:
        self.others.append(OtherContent(f"content whose {message}", "export the image with sha256 digests"))

    def _add(
        self,
        found: _Config,
        layers: tuple[str, ...],
        names: Iterable[str],
        descriptor: Descriptor | None = None,
        withheld: frozenset[str] = frozenset(),
    ) -> None:
        manifest = ManifestDigest(descriptor.digest.raw) if descriptor else None
        platform = descriptor.platform if descriptor else None
        if found.image is not None:
            platform = found.image.complete_platform(platform) if platform else found.image.platform
        for known in self.candidates:
            if found.image is not None and known.image is not None and known.image.digest == found.image.digest:
                known.names += [name for name in names if name not in known.names]
                known.manifest = known.manifest or manifest
                known.platform = known.platform or platform
                known.withheld |= withheld
                return
        if len(self.candidates) == MAX_INDEX_ENTRIES:
            raise ArchiveError(f"the export names more than {MAX_INDEX_ENTRIES} images")
        self.candidates.append(Candidate(found.data, found.image, layers, platform, manifest, list(names), found.failure, withheld))

    def _walk(self, top: tuple[Descriptor, ...]) -> Iterator[tuple[Descriptor, tuple[str, ...]]]:
        """Yield the descriptors of manifests in an index and those inside it, each with the names of all that lead to it."""
        stack: list[tuple[tuple[Descriptor, ...], tuple[str, ...], int]] = [(top, (), 1)]
        visited = 0
        while stack:
            descriptors, inherited, depth = stack.pop()
            visited += len(descriptors)
            if visited > MAX_INDEX_ENTRIES:
                raise ArchiveError(f"the export's indexes have more than {MAX_INDEX_ENTRIES} entries")
            for descriptor in descriptors:
                if descriptor.is_attestation:
                    continue
                names = tuple(dict.fromkeys((*inherited, *descriptor.names)))
                nested = self._read_index(descriptor)
                if nested is not None:
                    if depth == MAX_INDEX_DEPTH:
                        raise ArchiveError(f"the export's indexes are nested more than {MAX_INDEX_DEPTH} deep")
                    stack.append((nested, names, depth + 1))
                elif descriptor.media_type in MANIFEST_TYPES | {""}:
                    yield descriptor, names
                elif descriptor.media_type.startswith(_SCHEMA_1):
                    self.others.append(OtherContent("an image in Docker's schema 1", "save it again with a current engine"))

    def _read_index(self, descriptor: Descriptor) -> tuple[Descriptor, ...] | None:
        """Return the entries of a nested index; None for anything else, and if it is absent."""
        key = descriptor.digest, descriptor.size, descriptor.media_type
        if key not in self._indexes:
            self._indexes[key] = None
            if descriptor.media_type in INDEX_TYPES | {""}:
                document = self._read_blob(descriptor)
                if document is not None and (descriptor.media_type or "manifests" in decode_object(document, "an index")):
                    self._indexes[key] = self._parse_index(document)
        return self._indexes[key]

    def _read_manifest(self, descriptor: Descriptor) -> ImageManifest | None:
        key = descriptor.digest, descriptor.size
        if key not in self._manifests:
            document = self._read_blob(descriptor)
            self._manifests[key] = None if document is None else parse_manifest(document)
        return self._manifests[key]

    def _read_config(self, name: str, descriptor: Descriptor | None) -> _Config:
        """Return a config's bytes and meaning; a failure is kept, because it matters only if this image is selected."""
        if name not in self._configs:
            try:
                data = self._read_blob(descriptor) if descriptor else self._members.document(name)
                self._configs[name] = _Config() if data is None else _Config(data, self._parse_config(name, data))
            except ArchiveError as error:
                self._configs[name] = _Config(failure=error)
        return self._configs[name]

    def _parse_config(self, name: str, data: bytes) -> ImageConfig:
        digest = ConfigDigest.of(data)
        match = _CONFIG_NAME.fullmatch(name)
        if match and digest.hex != match[1]:
            raise ArchiveError(f"the config {name} does not match its name", why=f"it has {digest}")
        failure = self._failures.get(digest)
        if failure is not None:
            raise failure
        if digest not in self._images:
            try:
                self._images[digest] = parse_config(data)
            except ArchiveError as error:
                self._failures[digest] = error
                raise
        return self._images[digest]

    def _read_blob(self, descriptor: Descriptor) -> bytes | None:
        document = self._members.document(blob_name(descriptor))
        if document is not None and len(document) != descriptor.size:
            raise ArchiveError(f"{blob_name(descriptor)} has {len(document)} bytes", why=f"its descriptor says {descriptor.size}")
        return document


def blob_name(descriptor: Descriptor) -> str:
    """Return the member name of a descriptor's blob."""
    return f"blobs/sha256/{descriptor.digest.hex}"
