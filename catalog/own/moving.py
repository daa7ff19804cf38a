"""Archives that live in the Kubo node only: once a snapshot is pinned there, the leaves of its archives are deleted from the home.

With an IPFS Cluster, that is once the wanted number of its nodes pin it (`catalog.own.cluster`).

Inner nodes and the snapshot's own blocks stay in the home: they are small, and tell the structure of an archive without the node.
Deltas, which this home makes and serves, stay too, and so does what the user pulled or pinned. The trust store remembers the place,
and up to which snapshot the archives moved; the file of blocks remembers which blocks did (`catalog.blockstores.moved`). A crash
leaves both copies, and the next share continues.

A publish relies on moved blocks only while the node answers and still pins that snapshot; else it compresses and stores everything
in the home, as without a node.
"""

import contextlib
from dataclasses import dataclass

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
from catalog.own.places import Place, describe_place, open_place
from catalog.sources.network import Network
from catalog.trust.store import list_pins


@dataclass(frozen=True, slots=True)
class Moved:
    """Moved blocks: how many live in the place only, which of them it lost, and why it could not be asked (``failure``).

    ``kept`` says that the snapshot is still pinned there, in a cluster by as many nodes as wanted.
    """

    blocks: int = 0
    lost: tuple[Cid, ...] = ()
    failure: UnavailableError | None = None
    kept: bool = True


def open_held(home: Home, network: Network) -> FrameStore:
    """Return the home's blocks, with those that moved to the configured place where it still pins them."""
    held = moved_to(home)
    if network.kubo is None or not held.root:
        return home.blocks
    try:
        place = open_place(home, network)
        if place is None or place.key != held.url or not _look_up(place, held.root)[0]:
            return home.blocks
    except UnavailableError:
        return home.blocks
    return ReachableBlocks(home.blocks, place.blocks)


def move_archives(home: Home, place: Place, root: Cid) -> None:
    """Delete the leaves of the archives under snapshot ``root`` from the home, if the place's node pins it.

    Archives that the user pulled or pinned stay. While another command runs nothing is deleted; the next share tries again.
    """
    held = moved_to(home)
    up_to_date = held == ArchivePlace(place.key, str(root))
    if up_to_date and not list_copies(home.blocks):
        return
    if not place.node.is_pinned(root):
        distrust(home, place.key)
        return
    if not up_to_date:
        last = parse_cid(held.root) if held.url == place.key and held.root else None
        archives = [cid for cid in list_linked(home.blocks, root, last, ARCHIVES) if cid.codec == DAG_PB]
        for archive in archives:
            try:
                note_moved(home.blocks, [block.cid for block in walk(archive, home.blocks) if block.cid.codec == RAW])
            except (BlockNotFoundError, CodecError):
                continue  # the archive is incomplete here, or of an unknown format
        remember_place(home, ArchivePlace(place.key, str(root)))
    with contextlib.suppress(LockedError), home.lease(COLLECTING) as own:  # refused while a pull runs that began meanwhile
        refuse_others(home.blocks, home.now, own)
        kept = _find_held(home)
        copies = [cid for cid in list_copies(home.blocks) if cid.digest not in kept]
        if copies:
            drop_copies(home.blocks, copies, home.now, own)


def check_moved(home: Home, network: Network) -> Moved:
    """Ask the place for every block that moved; blocks that it lost no longer count as moved.

    The snapshot, and so every archive under it, must be pinned there too: where no node pins it, nothing counts as moved until it
    is shared again. What cannot be found while peers of a cluster are down does not count as lost.
    """
    blocks = home.blocks.missing(list_moved(home.blocks))
    held = moved_to(home)
    if not blocks and (network.cluster is None or not held.root):
        return Moved()
    if network.kubo is None:
        return Moved(len(blocks), failure=_explain(held, "no Kubo node is configured"))
    try:
        place = open_place(home, network)
        if place is None or place.key != held.url:
            return Moved(len(blocks), failure=_explain(held, "it is not the configured one"))
        lost = place.blocks.missing(blocks)
        pinned, absent = _look_up(place, held.root)
    except UnavailableError as error:
        return Moved(len(blocks), failure=_explain(held, error.message))
    if lost and absent:
        why = f"{len(lost)} of them are not found while some of its peers do not keep them: {'; '.join(absent)}"
        return Moved(len(blocks), failure=_explain(held, why))
    if lost or not pinned:
        distrust(home, place.key)
        forget_moved(home.blocks, lost)
    kept = pinned >= (network.rule.least if place.cluster is not None else 1) or not held.root
    return Moved(len(blocks) - len(lost), tuple(lost), kept=kept)


def explain_place(home: Home, place: Place, error: UnavailableError) -> None:
    """Raise an error that names the place in which the archives' blocks live, where a share through another one failed."""
    held = moved_to(home)
    if held.url in {"", place.key} or not home.blocks.missing(list_moved(home.blocks)):
        return
    raise UnavailableError(
        f"the blocks of your archives live in {describe_place(held.url)}, and the one at {place.name} lacks some",
        why=error.message,
        hint="name that node again, or pull your releases from a source that has them",
    ) from error


def _look_up(place: Place, root: str) -> tuple[int, tuple[str, ...]]:
    """Return how many nodes of the place pin this snapshot, and what peers of a cluster say that failed to."""
    if not root:
        return 1, ()
    if place.cluster is None:
        return int(place.node.is_pinned(parse_cid(root))), ()
    found = place.cluster.replicas(parse_cid(root))
    return found.pinned, found.failures


def _find_held(home: Home) -> set[bytes]:
    """Return the digests of all blocks of images that the user pulled, pinned or mirrored."""
    with home.trust.read() as connection:
        pins = list_pins(connection)
    held: set[bytes] = set()
    for pin in pins:
        for _ in mark(Root(parse_cid(pin.archive), pin.reason, pin.name), home.blocks, held):
            pass
    return held


def _explain(held: ArchivePlace, why: str) -> UnavailableError:
    return UnavailableError(f"the blocks of your archives live in {describe_place(held.url)}, which was not asked", why=why)
