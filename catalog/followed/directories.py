"""The directories of a followed snapshot's ``images/``.

A publisher may link anything in them: an archive of somebody else, a private file of this user's Kubo node. So they are fetched on
trial, one level after the other, and only what is a directory that leads to archives of the catalogue is kept, and served.
"""

from sqlalchemy import Connection

from catalog.blockstores.staging import stage_in_file
from catalog.errors import CodecError
from catalog.home.home import Home
from catalog.index.releases import is_listed
from catalog.ipld.cid import DAG_PB, Cid
from catalog.ipld.dag_pb import PBLink, decode_node
from catalog.limits import MAX_SNAPSHOT_SIZE
from catalog.snapshot.images import ARCHIVE_ENDING, FILE_ENDINGS
from catalog.sources.store import FetchingBlockstore
from catalog.unixfs.directory import is_directory


def fetch_directories(home: Home, store: FetchingBlockstore, catalogue: str, images: Cid) -> int:
    """Fetch the nodes of a snapshot's ``images/`` as far as they lead to archives of the catalogue; return the bytes that came.

    Raise `UnavailableError` where one could not be fetched, `CodecError` for more than a snapshot may have.
    """
    size = 0
    links: dict[Cid, list[PBLink]] = {}
    with stage_in_file(store.local, home.path) as staged:
        over = store.over(staged)
        pending = [images]
        while pending:
            size += over.fetch_many(pending, size=MAX_SNAPSHOT_SIZE - size).size
            links |= {block.cid: _links(block.cid, block.data) for block in staged.get_many(pending)}
            below = (link.cid for cid in pending for link in links.get(cid, ()) if not _is_file(link))
            pending = [cid for cid in dict.fromkeys(below) if cid not in links]
        with home.index.read() as connection:
            staged.accept(_leading_to_archives(connection, catalogue, links))
    return size


def _leading_to_archives(connection: Connection, catalogue: str, links: dict[Cid, list[PBLink]]) -> set[Cid]:
    """Return the directories that link an archive of the catalogue, or such a directory."""
    kept = {
        cid
        for cid, below in links.items()
        if any(
            (link.name or b"").endswith(ARCHIVE_ENDING) and is_listed(connection, link.cid, catalogue=catalogue) for link in below
        )
    }
    while found := {cid for cid in links.keys() - kept if any(link.cid in kept for link in links[cid])}:
        kept |= found
    return kept


def _links(cid: Cid, block: bytes) -> list[PBLink]:
    """Return the links of a directory; none of what is not one."""
    try:
        return list(decode_node(block).links) if is_directory(cid, block) else []
    except CodecError:
        return []


def _is_file(link: PBLink) -> bool:
    return link.cid.codec != DAG_PB or (link.name or b"").endswith(FILE_ENDINGS)
