"""Archives live in the Kubo node only: once a snapshot is pinned there, the leaves of its archives are deleted here.

Inner nodes and the snapshot's own blocks stay, which are small, so that what an archive consists of is known without the node; so
do the deltas, which this home makes and serves. What the user pulled or pinned stays as well. A note of the trust store says which
node that is, and up to which snapshot the archives are noted as moved; the file of blocks knows which blocks
(`catalog.blockstores.moved`). A crash anywhere leaves both copies, and the next share goes on.

What moved is only counted on while the node answers and still pins that snapshot: else a publish compresses and keeps everything
here, as if there were no node.
"""

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from catalog.blockstores.leasing import COLLECTING, refuse_others
from catalog.blockstores.moved import ReachableBlocks, drop_copies, forget_moved, list_copies, list_moved, note_moved
from catalog.blockstores.writing import FrameStore
from catalog.errors import BlockNotFoundError, CodecError, LockedError, UnavailableError
from catalog.home.home import Home
from catalog.home.roots import Root, mark
from catalog.image.walk import walk
from catalog.ipld.block import BlockSource
from catalog.ipld.cid import DAG_PB, RAW, Cid, parse_cid
from catalog.ipld.dag_pb import PBLink, decode_node
from catalog.own.nodes import Place, distrust, moved_to, remember_place
from catalog.sources.kubo import KuboBlockstore
from catalog.trust.store import list_pins

if TYPE_CHECKING:
    from catalog.clients.kubo import KuboClient

_ARCHIVE_ENDING = b".tar.zst"


@dataclass(frozen=True, slots=True)
class Moved:
    """What moved: ``blocks`` that live in the node only, ``lost`` those that it lacks; ``failure`` says why that is unknown."""

    blocks: int = 0
    lost: tuple[Cid, ...] = ()
    failure: UnavailableError | None = None


def open_held(home: Home, kubo: "KuboClient | None") -> FrameStore:
    """Give the home's blocks, and as if they were here those that moved, where the node pins them still."""
    place = moved_to(home)
    if kubo is None or place.url != kubo.url or not place.root:
        return home.blocks
    try:
        if not kubo.is_pinned(parse_cid(place.root)):
            return home.blocks
    except UnavailableError:
        return home.blocks
    return ReachableBlocks(home.blocks, KuboBlockstore(kubo))


def move_archives(home: Home, kubo: "KuboClient", root: Cid) -> None:
    """Delete the leaves of the archives under snapshot ``root`` here, where the node pins it.

    Those that the user holds stay, and all do while another command runs; the next share tries again.
    """
    place = moved_to(home)
    up_to_date = place == Place(kubo.url, str(root))
    if up_to_date and not list_copies(home.blocks):
        return
    if not kubo.is_pinned(root):
        distrust(home, kubo.url)
        return
    if not up_to_date:
        last = parse_cid(place.root) if place.url == kubo.url and place.root else None
        for archive in find_archives(home.blocks, root, last):
            try:
                note_moved(home.blocks, [block.cid for block in walk(archive, home.blocks) if block.cid.codec == RAW])
            except (BlockNotFoundError, CodecError):
                continue  # it is not here, or in a form that is not known yet
        remember_place(home, Place(kubo.url, str(root)))
    with contextlib.suppress(LockedError), home.lease(COLLECTING) as own:  # a pull that began meanwhile ends this
        refuse_others(home.blocks, home.now, own)
        held = _find_held(home)
        copies = [cid for cid in list_copies(home.blocks) if cid.digest not in held]
        if copies:
            drop_copies(home.blocks, copies, home.now, own)


def check_moved(home: Home, kubo: "KuboClient | None") -> Moved:
    """Ask the node for every block that moved; what it lacks counts as moved no more."""
    blocks = home.blocks.missing(list_moved(home.blocks))
    place = moved_to(home)
    if not blocks:
        return Moved()
    if kubo is None or kubo.url != place.url:
        why = "it is not the configured one" if kubo is not None else "no Kubo node is configured"
        return Moved(len(blocks), failure=_explain(place, why))
    try:
        lost = KuboBlockstore(kubo).missing(blocks)
    except UnavailableError as error:
        return Moved(len(blocks), failure=_explain(place, error.message))
    if lost:
        distrust(home, place.url)
        forget_moved(home.blocks, lost)
    return Moved(len(blocks) - len(lost), tuple(lost))


def explain_place(home: Home, kubo: "KuboClient", error: UnavailableError) -> None:
    """Say of a share through one node that failed that the blocks live in another one, where they do: raises that."""
    place = moved_to(home)
    if place.url in {"", kubo.url} or not home.blocks.missing(list_moved(home.blocks)):
        return
    raise UnavailableError(
        f"the blocks of your archives live in the Kubo node at {place.url}, and the one at {kubo.name} lacks some",
        why=error.message,
        hint="name that node again, or pull your releases from a source that has them",
    ) from error


def find_archives(blocks: BlockSource, root: Cid, last: Cid | None) -> list[Cid]:
    """Give the archives under snapshot ``root`` that are not under ``last``; what both share is not entered."""
    new, old = [root], [last] if last is not None and last != root else []
    found: dict[Cid, None] = {}
    known: set[Cid] = set()
    seen = {root, *old}
    while new:
        before, after = _links(blocks, old), _links(blocks, new)
        known.update(link.cid for link in before if _is_archive(link))
        found.update(dict.fromkeys(link.cid for link in after if _is_archive(link)))
        old_nodes = dict.fromkeys(link.cid for link in before if not _is_archive(link))
        new_nodes = dict.fromkeys(link.cid for link in after if not _is_archive(link))
        old = [cid for cid in old_nodes if cid not in new_nodes]
        new = [cid for cid in new_nodes if cid not in old_nodes and cid not in seen]
        seen.update(new)
    return [cid for cid in found if cid not in known and cid.codec == DAG_PB]


def _links(blocks: BlockSource, cids: list[Cid]) -> list[PBLink]:
    nodes = [cid for cid in cids if cid.codec == DAG_PB]
    return [link for block in blocks.get_many(nodes) for link in decode_node(block.data).links]


def _is_archive(link: PBLink) -> bool:
    return (link.name or b"").endswith(_ARCHIVE_ENDING)


def _find_held(home: Home) -> set[bytes]:
    """Give the digests of all blocks that the user pulled, pinned or mirrored."""
    with home.trust.read() as connection:
        pins = list_pins(connection)
    held: set[bytes] = set()
    for pin in pins:
        for _ in mark(Root(parse_cid(pin.archive), pin.reason, pin.name), home.blocks, held):
            pass
    return held


def _explain(place: Place, why: str) -> UnavailableError:
    return UnavailableError(f"the blocks of your archives live in the Kubo node at {place.url}, which was not asked", why=why)
