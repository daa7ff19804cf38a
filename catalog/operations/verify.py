"""``dcat verify``: hash all that is stored again; look whether archives, snapshots and the home's files are whole; repair them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from catalog.blockstores.holding import is_whole
from catalog.blockstores.leasing import refuse_others
from catalog.blockstores.moved import ReachableBlocks
from catalog.blockstores.writing import BlockWriter
from catalog.delivery import open_store
from catalog.errors import (
    BlockMismatchError,
    BlockNotFoundError,
    CodecError,
    CorruptHomeError,
    DcatError,
    UnavailableError,
)
from catalog.home.damage import DamagedFile, find_damaged_files, salvage_blocks
from catalog.home.home import BLOCKS_FILE, INDEX_FILE, TRUST_FILE, Home
from catalog.home.roots import Root, list_roots
from catalog.image.walk import walk
from catalog.intake.intake import ImageSource, Wanted
from catalog.ipld.block import Blockstore
from catalog.ipld.cid import Cid
from catalog.lookup.locate import open_lookup
from catalog.model.reference import parse_reference
from catalog.own.moving import check_moved
from catalog.own.repairing import (
    find_damaged_snapshots,
    find_uncanonical_snapshot,
    renew_damaged_snapshot,
    renew_uncanonical_snapshot,
    repair_snapshots,
)
from catalog.progress import Progress, Step, silent
from catalog.sources.network import NO_NETWORK, Network


@dataclass(frozen=True, slots=True)
class Damage:
    """An archive or snapshot that is kept here and not whole: how many of its blocks are missing or rotten (at least one)."""

    label: str
    archive: Cid
    reason: str
    blocks: int
    held_in_part: bool


@dataclass(frozen=True, slots=True)
class Verified:
    """What was looked at, what was found, and what a repair brought back. Without damage everything that is kept matches.

    ``files`` are those of the home that were made anew. ``moved`` blocks live in the Kubo node, ``unasked`` says why it could not
    be asked for them; those that it lacks are damage. ``uncanonical`` is the root of the own snapshot where its tree of releases is
    not the one that a whole build gives; ``renewed`` says that a repair signed it anew as that.
    """

    blocks: int
    bytes: int
    archives: int
    rotten: int
    damage: tuple[Damage, ...]
    repaired: int
    files: tuple[str, ...] = ()
    moved: int = 0
    unasked: str = ""
    uncanonical: Cid | None = None
    renewed: bool = False


def verify(
    home: Home,
    reference: str | None = None,
    *,
    network: Network | None = None,
    repair_from: ImageSource | None = None,
    wanted: Wanted | None = None,
    repair: bool = False,
    progress: Progress = silent,
) -> Verified:
    """Read every stored block (or, with ``reference``, those of one release) and check it against its CID.

    With ``repair``, what is missing comes from the sources of ``network``; an image or file given as ``repair_from`` is read anew
    first, and gives back every block that it holds. Rotten blocks count as missing; for what moved to the Kubo node, that is asked.
    A damaged index is made anew, and so is the file of blocks, with what of it can still be read; an own snapshot whose tree is not
    canonical is signed anew. Raises `CorruptHomeError` where a file of the home is damaged and stays so.
    """
    files = _check_files(home, repair=repair or repair_from is not None, progress=progress)
    rotten: list[Cid] = []
    progress(Step("phase", "Reading every block" if reference is None else f"Reading {reference}"))
    blocks = size = 0
    for cid, length in _read_all(home, reference, progress):
        blocks += 1
        size += length
        if length == 0 and home.blocks.missing([cid]):
            rotten.append(cid)
    network = network or NO_NETWORK
    moved = check_moved(home, network.kubo)
    unasked = f"{moved.failure.message}: {moved.failure.why}" if moved.failure is not None else ""
    held = ReachableBlocks(home.blocks)
    damage, archives = _find_damage(home, reference, held)
    uncanonical = find_uncanonical_snapshot(home) if reference is None else None
    if not (repair or repair_from is not None) or not (damage or rotten or uncanonical):
        return Verified(blocks, size, archives, len(rotten), tuple(damage), 0, files, moved.blocks, unasked, uncanonical)
    with home.lease("verify"):
        _repair(home, reference, network, repair_from, wanted, progress)
        home.blocks.delete(home.blocks.missing(rotten))  # what is still rotten is of no use to anybody
    left, archives = _find_damage(home, reference, held)
    repaired = max(0, sum(entry.blocks for entry in damage) - sum(entry.blocks for entry in left))
    uncanonical_left = find_uncanonical_snapshot(home) if reference is None else None
    renewed = uncanonical is not None and uncanonical_left is None
    return Verified(
        blocks, size, archives, len(rotten), tuple(left), repaired, files, moved.blocks, unasked, uncanonical_left, renewed
    )


def _check_files(home: Home, *, repair: bool, progress: Progress) -> tuple[str, ...]:
    """Look at the files of the home, and where one is damaged make it anew or raise `CorruptHomeError`."""
    damaged = {found.path.name: found for found in find_damaged_files(home)}
    if not damaged:
        return ()
    if TRUST_FILE in damaged or not repair:
        raise _corrupt(next(iter(damaged.values())))
    with home.lock("own"):
        if BLOCKS_FILE in damaged:
            progress(Step("phase", "Reading what is left of the stored blocks"))
            salvage_blocks(home)
        refuse_others(home.blocks, home.now)
        if INDEX_FILE in damaged:
            progress(Step("phase", "Making the index again"))
            home.rebuild_index()
    return tuple(damaged)


def _corrupt(found: DamagedFile) -> CorruptHomeError:
    hint = "put back a copy of it" if found.path.name == TRUST_FILE else ""
    return CorruptHomeError(f"{found.path} is damaged", why=found.problem, hint=hint)


def _roots_of(home: Home, reference: str | None) -> list[Root]:
    if reference is None:
        archives = {root.cid: root for root in reversed(list_roots(home)) if root.reason != "snapshot"}
        return list(reversed(archives.values()))
    with open_lookup(home.path) as lookup:
        resolved = lookup.resolve(parse_reference(reference), now=home.now)
    return [Root(image.archive, "named", resolved.release.reference) for image in resolved.release.images.values()]


def _read_all(home: Home, reference: str | None, progress: Progress) -> Iterator[tuple[Cid, int]]:
    """Read blocks and give the size of each, 0 for those that rotted or are gone."""
    store = home.blocks
    cids = store.cids() if reference is None else _blocks_under(store, _roots_of(home, reference))
    done = 0
    for cid in cids:
        try:
            length = len(store.get(cid))
        except (BlockMismatchError, BlockNotFoundError):
            length = 0
        done += length
        yield cid, length
        progress(Step("total", "read", done))


def _blocks_under(store: Blockstore, roots: Sequence[Root]) -> Iterator[Cid]:
    for root in roots:
        try:
            for block in walk(root.cid, store):
                yield block.cid
        except (BlockNotFoundError, BlockMismatchError):
            continue


def _find_damage(home: Home, reference: str | None, store: Blockstore) -> tuple[list[Damage], int]:
    """Give the archives and, without ``reference``, the snapshots that are not whole, and how many archives there are.

    An archive that was pulled may be held in part: its engine had the other layers.
    """
    roots = _roots_of(home, reference)
    found = [
        Damage(f"snapshot of {snapshot.label}", snapshot.root, "snapshot", 1, held_in_part=False)
        for snapshot in (find_damaged_snapshots(home) if reference is None else ())
    ]
    found += [
        Damage(root.label, root.cid, root.reason, _count_missing(store, root.cid), root.reason == "pulled")
        for root in roots
        if not is_whole(root.cid, store)
    ]
    return found, len(roots)


def _count_missing(store: Blockstore, archive_cid: Cid) -> int:
    try:
        return max(1, len(store.missing([block.cid for block in walk(archive_cid, store)])))
    except (BlockNotFoundError, BlockMismatchError, CodecError):
        return 1


def _repair(
    home: Home,
    reference: str | None,
    network: Network,
    repair_from: ImageSource | None,
    wanted: Wanted | None,
    progress: Progress,
) -> None:
    if repair_from is not None and wanted is not None:
        with BlockWriter(home.blocks) as writer:
            repair_from.take(wanted, writer, progress)
    if reference is None:
        repair_snapshots(home, network, progress)  # first: they say what else has to be here
    store = open_store(home, network)
    for entry in _find_damage(home, reference, ReachableBlocks(home.blocks))[0] if network.sources else ():
        try:
            if entry.reason != "snapshot":
                store.fetch_dag([entry.archive], progress=progress)
        except UnavailableError as error:
            progress(Step("warning", f"{entry.label}: {error.message}"))
    try:
        if reference is None:
            renew_damaged_snapshot(home, network, progress)
            renew_uncanonical_snapshot(home, network, progress)
    except DcatError as error:
        progress(Step("warning", f"your catalogue cannot be signed anew: {error.message}"))
