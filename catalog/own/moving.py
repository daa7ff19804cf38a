"""Archives that live in the Kubo node only: once a snapshot is pinned there, the leaves of its archives are deleted from the home.

Inner nodes and the snapshot's own blocks stay in the home: they are small, and tell the structure of an archive without the node.
Deltas, which this home makes and serves, stay too, and so does what the user pulled or pinned. The trust store remembers the node,
and up to which snapshot the archives moved; the file of blocks remembers which blocks did (`catalog.blockstores.moved`). A crash
leaves both copies, and the next share continues.

A publish relies on moved blocks only while the node answers and still pins that snapshot; else it compresses and stores everything
in the home, as without a node.
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
from catalog.ipld.cid import DAG_PB, RAW, Cid, parse_cid
from catalog.own.linked import ARCHIVES, list_linked
from catalog.own.nodes import ArchivePlace, distrust, moved_to, remember_place
from catalog.sources.kubo import KuboBlockstore
from catalog.trust.store import list_pins

if TYPE_CHECKING:
    from catalog.clients.kubo import KuboClient


@dataclass(frozen=True, slots=True)
class Moved:
    """Moved blocks: how many live in the node only, which of them it lost, and why the node could not be asked (``failure``)."""

    blocks: int = 0
    lost: tuple[Cid, ...] = ()
    failure: UnavailableError | None = None


def open_held(home: Home, kubo: "KuboClient | None") -> FrameStore:
    """Return the home's blocks, with those that moved to the node where it still pins them."""
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
    """Delete the leaves of the archives under snapshot ``root`` from the home, if the node pins it.

    Archives that the user pulled or pinned stay. While another command runs nothing is deleted; the next share tries again.
    """
    place = moved_to(home)
    up_to_date = place == ArchivePlace(kubo.url, str(root))
    if up_to_date and not list_copies(home.blocks):
        return
    if not kubo.is_pinned(root):
        distrust(home, kubo.url)
        return
    if not up_to_date:
        last = parse_cid(place.root) if place.url == kubo.url and place.root else None
        archives = [cid for cid in list_linked(home.blocks, root, last, ARCHIVES) if cid.codec == DAG_PB]
        for archive in archives:
            try:
                note_moved(home.blocks, [block.cid for block in walk(archive, home.blocks) if block.cid.codec == RAW])
            except (BlockNotFoundError, CodecError):
                continue  # the archive is incomplete here, or of an unknown format
        remember_place(home, ArchivePlace(kubo.url, str(root)))
    with contextlib.suppress(LockedError), home.lease(COLLECTING) as own:  # refused while a pull runs that began meanwhile
        refuse_others(home.blocks, home.now, own)
        held = _find_held(home)
        copies = [cid for cid in list_copies(home.blocks) if cid.digest not in held]
        if copies:
            drop_copies(home.blocks, copies, home.now, own)


def check_moved(home: Home, kubo: "KuboClient | None") -> Moved:
    """Ask the node for every block that moved; blocks that it lost no longer count as moved."""
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
    """Raise an error that names the node in which the archives' blocks live, where a share through another node failed."""
    place = moved_to(home)
    if place.url in {"", kubo.url} or not home.blocks.missing(list_moved(home.blocks)):
        return
    raise UnavailableError(
        f"the blocks of your archives live in the Kubo node at {place.url}, and the one at {kubo.name} lacks some",
        why=error.message,
        hint="name that node again, or pull your releases from a source that has them",
    ) from error


def _find_held(home: Home) -> set[bytes]:
    """Return the digests of all blocks of images that the user pulled, pinned or mirrored."""
    with home.trust.read() as connection:
        pins = list_pins(connection)
    held: set[bytes] = set()
    for pin in pins:
        for _ in mark(Root(parse_cid(pin.archive), pin.reason, pin.name), home.blocks, held):
            pass
    return held


def _explain(place: ArchivePlace, why: str) -> UnavailableError:
    return UnavailableError(f"the blocks of your archives live in the Kubo node at {place.url}, which was not asked", why=why)
