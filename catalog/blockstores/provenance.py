"""The manifests under which the archives of a home were pushed, as documents of ``dcat-provenance/1``.

They are kept beside the blocks, for as long as the archive is here: the newest few of each archive.
"""

from collections.abc import Mapping

from catalog.blockstores.embedded import EmbeddedBlockstore
from catalog.errors import CodecError
from catalog.image.provenance import Provenance, decode_provenance, encode_provenance
from catalog.ipld.cid import Cid
from catalog.limits import MAX_PROVENANCES

_OLD = """
DELETE FROM provenance WHERE archive = ? AND rowid NOT IN (
    SELECT rowid FROM provenance WHERE archive = ? ORDER BY rowid DESC LIMIT ?
)
"""


def note_provenance(store: EmbeddedBlockstore, provenances: Mapping[Cid, Provenance]) -> None:
    """Keep under which manifest each archive was pushed."""
    if not provenances:
        return
    with store.file.transaction() as connection:
        for archive, provenance in provenances.items():
            row = (archive.digest, provenance.manifest_digest.raw, encode_provenance(provenance))
            connection.execute("INSERT OR REPLACE INTO provenance VALUES (?, ?, ?)", row)
            connection.execute(_OLD, (archive.digest, archive.digest, MAX_PROVENANCES))


def find_provenances(store: EmbeddedBlockstore, archive: Cid) -> tuple[Provenance, ...]:
    """Return under which manifests an archive was pushed, the newest first; what cannot be read is left out."""
    with store.file.reading() as connection:
        rows = connection.execute(
            "SELECT document FROM provenance WHERE archive = ? ORDER BY rowid DESC", (archive.digest,)
        ).fetchall()
    found = []
    for (document,) in rows:
        try:
            found.append(decode_provenance(bytes(document)))
        except CodecError:
            continue  # damage on the disk, or a newer dcat
    return tuple(found)


def forget_provenances(store: EmbeddedBlockstore) -> None:
    """Delete those of archives whose root is not here any more, nor moved elsewhere."""
    with store.file.transaction() as connection:
        connection.execute(
            "DELETE FROM provenance WHERE archive NOT IN (SELECT digest FROM blocks) AND archive NOT IN (SELECT digest FROM moved)"
        )
