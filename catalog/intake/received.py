"""Images out of an inbox, as a manifest that was pushed names them."""

from dataclasses import replace
from typing import Protocol

from catalog.blockstores.layers import KnownBlob
from catalog.errors import ArchiveError, ImageIncompleteError
from catalog.image.archive import Export
from catalog.image.compression import CompressionError
from catalog.image.dag import ChunkSink, StoredLayer
from catalog.image.document import decode_object
from catalog.image.encoder import check_encoder
from catalog.image.oci import parse_index, parse_manifest
from catalog.image.provenance import Provenance, trace_provenance
from catalog.image.stream import Budget
from catalog.intake.blobs import BlobReader, LooseMembers, blob_member, index_tagged, member_digest
from catalog.intake.inbox import Inbox, PushedManifest
from catalog.intake.intake import TakenImage, Wanted, take_chosen
from catalog.model.digest import DiffID, Digest
from catalog.progress import Progress


class HeldImages(Protocol):
    """What clients find in the registry besides what they pushed, so that they do not push it."""

    def find_document(self, name: str, digest: Digest) -> bytes | None:
        """Return a manifest or a config under ``name``."""
        ...

    def find_layer(self, name: str, digest: Digest) -> StoredLayer | None:
        """Return a layer under ``name``, compared with its diffID."""
        ...


class PushedSource(LooseMembers):
    """The image that a manifest names, or the images of an index, out of an inbox.

    ``name`` is the repository that they were pushed to, where ``held`` finds what was not sent because it is there. ``verified``
    are the layers by their blobs, once the images were taken.
    """

    def __init__(self, inbox: Inbox, name: str, manifest: PushedManifest, held: HeldImages) -> None:
        self._inbox = inbox
        self._name = name
        self._manifest = manifest
        self._held = held
        self._sink: ChunkSink | None = None
        self._budget = Budget(inbox.max_size)
        self.verified: dict[Digest, KnownBlob] = {}

    def take(self, wanted: Wanted, sink: ChunkSink, progress: Progress) -> list[TakenImage]:  # noqa: ARG002
        """Store the metadata of all its images, whose layers are stored already; raise what is wrong with one."""
        check_encoder()
        check_image(self._manifest)
        self._inbox.flush()
        self._sink = sink
        export = Export(self)
        absent = export.absent_platforms()
        if absent:
            raise ImageIncompleteError(
                f"the index names {', '.join(map(str, absent))}, which was not pushed",
                why="a release has every image that its index names",
                hint="push all platforms, or one of them by --platform",
            )
        try:
            taken = take_chosen(export, replace(wanted, all_platforms=True), sink)
        except ImageIncompleteError as error:
            why, hint = error.why, "push it again: what is missing is asked for"
            raise ImageIncompleteError("the image that was pushed is not whole", why=why, hint=hint) from error
        size = sum(entry.archive.unpacked for entry in taken)
        if size > wanted.max_size:
            why = f"at most {wanted.max_size} are taken"
            raise ArchiveError(f"the images have {size} bytes", why=why, hint="--max-size of the server sets another limit")
        return [replace(entry, provenance=self._trace(entry)) for entry in taken]

    def _trace(self, taken: TakenImage) -> Provenance | None:
        return trace_provenance(taken.archive.config, self._manifest.data, lambda digest: self.document(blob_member(digest)))

    def list_manifests(self) -> list[PushedManifest]:
        """Return the manifest, or the index and every manifest that it names and that was pushed."""
        found = [self._manifest]
        for digest in self._manifest.digests():
            manifest = self._inbox.find_manifest(digest)
            if manifest is not None:
                found.append(manifest)
        return found

    def document(self, name: str) -> bytes | None:
        if name == "index.json":
            return index_tagged([(self._manifest.media_type, self._manifest.digest, len(self._manifest.data))])
        digest = member_digest(name)
        if digest is None:
            return None
        if digest == self._manifest.digest:
            return self._manifest.data
        content = self._inbox.content_of(digest)
        return content if isinstance(content, bytes) else self._held.find_document(self._name, digest)

    def layer(self, name: str, diff_id: DiffID) -> StoredLayer | None:
        digest = member_digest(name)
        if digest is None or self._sink is None:
            return None
        content = self._inbox.content_of(digest)
        is_plain = digest.raw == diff_id.raw
        size = self._inbox.size_of(digest)
        if isinstance(content, CompressionError):
            raise ArchiveError(f"layer {digest} cannot be read", why=content.message) from content
        if isinstance(content, bytes):
            layer = BlobReader(self._sink, self._budget).read_kept(name, content, plain=is_plain)
        elif content is not None:
            layer = content
        elif (known := self._inbox.find_stored(digest)) is not None:
            layer, size = known.layer, known.size
        elif (held := self._held.find_layer(self._name, digest)) is not None:
            layer = held
        else:
            return None
        if not isinstance(content, bytes) and not self._inbox.is_held(digest, layer):
            return None
        if layer.diff_id == diff_id:
            self.verified[digest] = KnownBlob(digest, layer, layer.size if is_plain else size)
        return layer


def check_image(manifest: PushedManifest) -> None:
    """Raise `ArchiveError` unless a manifest is one of an image, or an index."""
    if _is_index(manifest):
        parse_index(manifest.data)
        return
    parsed = parse_manifest(manifest.data)
    if not parsed.is_image:
        other = parsed.describe()
        raise ArchiveError(f"this is {other.what}, not an image", hint=other.hint)


def check_attached(manifest: PushedManifest) -> None:
    """Raise `ArchiveError` unless a manifest may belong to an index: an image's, an index, or what BuildKit attests of an image."""
    if not _is_index(manifest):
        layers = parse_manifest(manifest.data).layers
        if layers and all(layer.media_type.startswith("application/vnd.in-toto") for layer in layers):
            return
    check_image(manifest)


def _is_index(manifest: PushedManifest) -> bool:
    return "manifests" in decode_object(manifest.data, "the manifest")
