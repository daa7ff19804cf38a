"""Which stored layer a compressed or plain blob of a registry was, so that it need not be read again.

A row is written only after the layer was verified against its image's config and is durable. It is only a note: a layer counts as
known while every block of it is held. Rows of layers that are gone are deleted with the next garbage collection.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from catalog.blockstores.embedded import EmbeddedBlockstore
from catalog.blockstores.holding import is_whole
from catalog.image.dag import StoredLayer
from catalog.ipld.block import Blockstore
from catalog.ipld.cid import cid_from_digest
from catalog.model.digest import DiffID, Digest


@dataclass(frozen=True, slots=True)
class KnownBlob:
    """A blob of a registry that is a stored layer. ``size`` is the blob's, None where it was not noted."""

    blob: Digest
    layer: StoredLayer
    size: int | None


def find_layer(store: EmbeddedBlockstore, held: Blockstore, blob: Digest) -> KnownBlob | None:
    """Return the layer that a blob was when it was read, if ``held`` has all of it."""
    known = find_known(store, blob)
    return known if known is not None and is_whole(known.layer.cid, held) else None


def find_known(store: EmbeddedBlockstore, blob: Digest) -> KnownBlob | None:
    """Return the layer that a blob was when it was read, held or not."""
    with store.file.reading() as connection:
        row = connection.execute(
            "SELECT diff_id, size, root, codec, stored_size, dag_size, blob_size FROM layers WHERE blob = ?", (blob.raw,)
        ).fetchone()
    if row is None:
        return None
    diff_id, size, root, codec, stored_size, dag_size, blob_size = row
    layer = StoredLayer(DiffID(bytes(diff_id)), size, cid_from_digest(bytes(root), codec), stored_size, dag_size)
    return KnownBlob(blob, layer, blob_size)


def note_layers(store: EmbeddedBlockstore, blobs: Iterable[KnownBlob]) -> None:
    """Remember verified layers by the digests of their blobs."""
    rows = [
        (
            known.blob.raw,
            known.layer.diff_id.raw,
            known.layer.size,
            known.layer.cid.digest,
            known.layer.cid.codec,
            known.layer.stored_size,
            known.layer.dag_size,
            known.size,
        )
        for known in blobs
    ]
    if not rows:
        return
    with store.file.transaction() as connection:
        connection.executemany("INSERT OR REPLACE INTO layers VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)


def forget_layers(store: EmbeddedBlockstore) -> None:
    """Delete the notes of layers whose root is not here any more, nor moved elsewhere."""
    with store.file.transaction() as connection:
        connection.execute(
            "DELETE FROM layers WHERE root NOT IN (SELECT digest FROM blocks) AND root NOT IN (SELECT digest FROM moved)"
        )
