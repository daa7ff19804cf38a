"""Images that are pushed blob by blob, as the members of an OCI layout: `Export` selects and verifies them as those of a file.

Layers are hashed, inflated by their first bytes, cut and stored as they come; small blobs and JSON are kept until a manifest tells
what they are. Memory is bounded whatever the sizes: two layers are read at a time, and what waits is not read.
"""

import hashlib
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from catalog.blockstores.layers import KnownBlob
from catalog.errors import ArchiveError, InvalidDigestError
from catalog.image.archive import Export
from catalog.image.compression import CompressionError
from catalog.image.dag import ChunkSink, StoredLayer
from catalog.image.oci import parse_manifest
from catalog.image.provenance import Provenance, trace_provenance
from catalog.image.stream import Budget, Piece
from catalog.intake.blobs import BlobReader, LockedSink, LooseMembers, blob_member, index_tagged, member_digest
from catalog.intake.surveyed import SurveyedImages
from catalog.limits import MAX_EXPORT_MEMBERS, MAX_HELD_JSON_SIZE, MAX_INDEX_ENTRIES, MAX_JSON_SIZE
from catalog.model.digest import ConfigDigest, DiffID, Digest
from catalog.progress import Progress, Step

_LAYERS_AT_ONCE: Final = 2

KnownLayers = Callable[[Digest], KnownBlob | None]
"""Returns the blob with its stored layer that was verified before and is held whole, by the blob's digest."""


class PushedImages(LooseMembers):
    """The blobs and manifests that were pushed. Blobs may be added from several threads at once.

    ``received`` counts bytes; ``verified`` are the layers that matched the config of a selected image, by their blobs.
    """

    def __init__(self, sink: ChunkSink, *, max_size: int, progress: Progress, known: KnownLayers | None = None) -> None:
        self._lock = threading.RLock()
        self._progress = progress
        self._known = known
        self._budget = _LockedBudget(max_size)
        self._reader = BlobReader(LockedSink(sink, self._lock), self._budget, self._report)
        self._slots = threading.BoundedSemaphore(_LAYERS_AT_ONCE)
        self._held: dict[str, bytes] = {}
        self._layers: dict[str, StoredLayer | CompressionError] = {}
        self._sizes: dict[str, int] = {}
        self._tagged: list[tuple[str, Digest, int]] = []
        self._needed: Mapping[Digest, DiffID | None] | None = None
        self._assumed: set[Digest] = set()
        self.surveyed = SurveyedImages()
        self.received = 0
        self.verified: dict[Digest, KnownBlob] = {}

    def need(self, blobs: Mapping[Digest, DiffID | None] | None) -> None:
        """From now on let only these blobs be sent; None: all.

        A blob with a diffID need not be sent where a layer with that diffID is held: the engine lacks it.
        """
        self._needed = blobs

    @contextmanager
    def exclusively(self) -> Iterator[None]:
        """Keep the sink and the progress to the caller meanwhile."""
        with self._lock:
            yield

    def has_blob(self, digest: Digest, media_type: str = "") -> bool:  # noqa: ARG002
        """Return whether the blob need not be sent: it was received, or is known from before."""
        name = blob_member(digest)
        if name in self._held or isinstance(self._layers.get(name), StoredLayer):
            return True
        if self._needed is not None and digest not in self._needed:
            return True
        known = self._known(digest) if self._known is not None else None
        if known is None and self._needed is not None and self._known is not None:
            diff_id = self._needed[digest]
            known = None if diff_id is None else self._known(Digest(diff_id.raw))
            if known is not None:
                self._assumed.add(digest)
                self._layers[name] = known.layer
                return True
        if known is None:
            return False
        self._layers[name] = known.layer
        if known.size is not None:
            self._sizes[name] = known.size
        return True

    def add_blob(self, digest: Digest, size: int, pieces: Iterable[Piece]) -> None:
        """Receive a blob of ``size`` bytes; raise `InvalidDigestError` where the bytes do not match ``digest``.

        Damaged compression is no error yet: the blob may be no layer.
        """
        name = blob_member(digest)
        with self._lock:
            self._make_room(0)
        with self._slots:
            read = self._reader.read(name, size, self._count(pieces), keeps=self._has_room(size))
        if read.digest != digest:
            raise InvalidDigestError(f"a blob does not match {digest}", why=f"it has {read.digest}")
        self._sizes[name] = read.size
        if isinstance(read.content, bytes):
            self._held[name] = read.content
        else:
            self._layers[name] = read.content

    def add_manifest(self, data: bytes, media_type: str, *, tagged: bool) -> Digest:
        """Keep a manifest or index, byte for byte, and return its digest; a ``tagged`` one is what `export` selects from."""
        if len(data) > MAX_JSON_SIZE:
            raise ArchiveError("a manifest is too large", why=f"it has more than {MAX_JSON_SIZE} bytes")
        digest = Digest(hashlib.sha256(data).digest())
        with self._lock:
            self._budget.spend(len(data))
            self._make_room(len(data))
            self._held[blob_member(digest)] = data
            if tagged:
                self._tagged.append((media_type, digest, len(data)))
                if len(self._tagged) > MAX_INDEX_ENTRIES:
                    raise ArchiveError("too many images are pushed", why=f"at most {MAX_INDEX_ENTRIES} are read")
        return digest

    def export(self) -> Export:
        """Return what was pushed, to select images from."""
        return Export(self)

    def trace(self, config: ConfigDigest) -> Provenance | None:
        """Return under which manifest the image with this config was pushed; None where not all of its blobs were seen."""
        for _, tagged, _ in self._tagged:
            root = self._held[blob_member(tagged)]
            found = trace_provenance(config, root, lambda digest: self._held.get(blob_member(digest)))
            if found is not None:
                if self._assumed.intersection(layer.digest for layer in parse_manifest(found.manifest).layers):
                    return None
                whole = self.surveyed.trace(config)
                return whole if whole is not None and whole.manifest == found.manifest else found
        return None

    def document(self, name: str) -> bytes | None:
        if name == "index.json":
            return index_tagged(self._tagged)
        return self._held.get(name)

    def layer(self, name: str, diff_id: DiffID) -> StoredLayer | None:
        layer = self._layers.get(name)
        if layer is None and name in self._held:
            data = self._held[name]
            plain = hashlib.sha256(data).digest() == diff_id.raw
            layer = self._layers[name] = self._reader.read_kept(name, data, plain=plain)
        if isinstance(layer, CompressionError):
            raise ArchiveError(f"layer {name} cannot be read", why=layer.message) from layer
        if layer is not None and layer.diff_id == diff_id:
            digest = member_digest(name)
            if digest is not None and digest not in self._assumed:
                self.verified[digest] = KnownBlob(digest, layer, self._sizes.get(name))
        return layer

    def _make_room(self, size: int) -> None:
        """Raise `ArchiveError` where a push has more members or more documents than an export may have."""
        if len(self._held) + len(self._layers) >= MAX_EXPORT_MEMBERS:
            raise ArchiveError("too much is pushed", why=f"at most {MAX_EXPORT_MEMBERS} blobs and manifests are read")
        if sum(map(len, self._held.values())) + size > MAX_HELD_JSON_SIZE + MAX_JSON_SIZE:
            raise ArchiveError("too many documents are pushed", why=f"at most {MAX_HELD_JSON_SIZE} bytes of them are held")

    def _has_room(self, size: int) -> bool:
        """Return whether a blob may be kept in memory until its role is known."""
        with self._lock:
            return sum(map(len, self._held.values())) + size <= MAX_HELD_JSON_SIZE

    def _count(self, pieces: Iterable[Piece]) -> Iterator[Piece]:
        for piece in pieces:
            with self._lock:
                self.received += len(piece)
            yield piece

    def _report(self, step: Step) -> None:
        with self._lock:
            self._progress(step)


class _LockedBudget(Budget):
    """One budget for all layers."""

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self._guard = threading.Lock()

    def spend(self, size: int) -> None:
        with self._guard:
            super().spend(size)
