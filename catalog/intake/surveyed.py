"""The documents of images, as an engine pushes them where all other blobs count as known: indexes, manifests, and wanted configs.

An engine that is asked for one platform sends that manifest alone. Asked for the whole image it sends the index with all that it
names, and needs no layer to be there that counts as known.
"""

import hashlib
from collections.abc import Iterable
from typing import Final

from catalog.errors import ArchiveError, InvalidDigestError
from catalog.image.config import parse_config
from catalog.image.oci import parse_manifest
from catalog.image.provenance import Provenance, trace_provenance
from catalog.image.stream import Piece
from catalog.limits import MAX_EXPORT_MEMBERS, MAX_HELD_JSON_SIZE, MAX_JSON_SIZE
from catalog.model.digest import ConfigDigest, DiffID, Digest

_CONFIG: Final = ("application/vnd.oci.image.config.", "application/vnd.docker.container.image.")


class SurveyedImages:
    """The documents. ``root`` is what was pushed under the tag, None where nothing was.

    Without ``wants_configs`` manifests and indexes alone are sent: an engine may lack the configs of other platforms.
    """

    def __init__(self) -> None:
        self._documents: dict[Digest, bytes] = {}
        self._held = 0
        self.wants_configs = False
        self.root: Digest | None = None

    def has_blob(self, digest: Digest, media_type: str) -> bool:
        """Return whether a blob need not be sent: all but wanted configs. ``media_type`` is what the engine says that it is."""
        return digest in self._documents or not (self.wants_configs and media_type.startswith(_CONFIG))

    def add_blob(self, digest: Digest, size: int, pieces: Iterable[Piece]) -> None:
        """Keep a config; raise `InvalidDigestError` where the bytes do not match ``digest``."""
        if size > MAX_JSON_SIZE:
            raise ArchiveError("a document is too large", why=f"it has more than {MAX_JSON_SIZE} bytes")
        data = b"".join(pieces)
        if (found := Digest(hashlib.sha256(data).digest())) != digest:
            raise InvalidDigestError(f"a blob does not match {digest}", why=f"it has {found}")
        self._keep(digest, data)

    def add_manifest(self, data: bytes, media_type: str, *, tagged: bool) -> Digest:  # noqa: ARG002
        """Keep a manifest or index, byte for byte, and return its digest."""
        digest = Digest(hashlib.sha256(data).digest())
        self._keep(digest, data)
        if tagged:
            self.root = digest
        return digest

    def trace(self, config: ConfigDigest) -> Provenance | None:
        """Return the manifest of the image with this config, with its indexes and attestations; None where it was not sent."""
        root = None if self.root is None else self._documents.get(self.root)
        return None if root is None else trace_provenance(config, root, self._documents.get)

    def list_blobs(self, manifest: Digest, lacking: Iterable[DiffID]) -> dict[Digest, DiffID | None] | None:
        """Return config and layers of an image; those layers with their diffIDs that an engine may be ``lacking``.

        Return None where the documents of that image were not sent, or do not fit together.
        """
        data = self._documents.get(manifest)
        if data is None:
            return None
        try:
            parsed = parse_manifest(data)
            config = self._documents.get(parsed.config.digest)
            diff_ids = () if config is None else parse_config(config).diff_ids
        except ArchiveError:
            return None
        if len(diff_ids) != len(parsed.layers):
            return None
        absent = frozenset(lacking)
        blobs: dict[Digest, DiffID | None] = {parsed.config.digest: None}
        for layer, diff_id in zip(parsed.layers, diff_ids, strict=True):
            blobs[layer.digest] = diff_id if diff_id in absent else None
        return blobs

    def _keep(self, digest: Digest, data: bytes) -> None:
        if digest in self._documents:
            return
        self._held += len(data)
        if self._held > MAX_HELD_JSON_SIZE or len(self._documents) >= MAX_EXPORT_MEMBERS:
            raise ArchiveError("too many documents are pushed", why=f"at most {MAX_HELD_JSON_SIZE} bytes of them are held")
        self._documents[digest] = data
