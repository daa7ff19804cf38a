"""``dcat verify``: hash all that is stored again; look whether archives, snapshots and the home's files are whole; repair them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from catalog.blockstores.base import BlockSource, Blockstore
from catalog.blockstores.holding import is_whole
from catalog.blockstores.leasing import refuse_others
from catalog.blockstores.writing import BlockWriter
from catalog.delivery import open_store
from catalog.errors import (
    BlockMismatchError,
    BlockNotFoundError,
    CodecError,
    CorruptHomeError,
    DcatError,
    UnavailableError,
    VerificationError,
)
from catalog.home import BLOCKS_FILE, INDEX_FILE, TRUST_FILE, Home
from catalog.image.walk import walk
from catalog.index.lookup import open_lookup
from catalog.index.subscriptions import list_catalogues
from catalog.intake import ImageSource, Wanted
from catalog.ipld.cid import Cid, parse_cid
from catalog.ipns.name import parse_ipns_name
from catalog.ipns.record import check_record
from catalog.keeping import Root, list_roots
from catalog.network import NO_NETWORK, Network
from catalog.progress import Progress, Step, silent
from catalog.reference import parse_reference
from catalog.sharing.share import renew_own_snapshot
from catalog.snapshot.reader import open_snapshot
from catalog.soundness import DamagedFile, find_damaged_files, salvage_blocks
from catalog.trust.store import get_floor

_SNAPSHOT = "snapshot of"
_OWN_SNAPSHOT = f"{_SNAPSHOT} mine"


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

    ``files`` are those of the home that were made anew.
    """

    blocks: int
    bytes: int
    archives: int
    rotten: int
    damage: tuple[Damage, ...]
    repaired: int
    files: tuple[str, ...] = ()


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
    first, and gives back every block that it holds. Rotten blocks count as missing. A damaged index is made anew, and so is the
    file of blocks, with what of it can still be read. Raises `CorruptHomeError` where a file of the home is damaged and stays so.
    """
    files = _check_files(home, repair=repair or repair_from is not None, progress=progress)
    roots = _roots_of(home, reference)
    rotten: list[Cid] = []
    progress(Step("phase", "Reading every block" if reference is None else f"Reading {reference}"))
    blocks = size = 0
    for cid, length in _read_all(home.blocks, roots if reference is not None else None, progress):
        blocks += 1
        size += length
        if length == 0 and home.blocks.missing([cid]):
            rotten.append(cid)
    damage = _find_damage(home, roots, snapshots=reference is None)
    archives = len(roots)
    if not (repair or repair_from is not None) or not (damage or rotten):
        return Verified(blocks, size, archives, len(rotten), tuple(damage), 0, files)
    with home.lease("verify"):
        _repair(home, damage, network or NO_NETWORK, repair_from, wanted, progress)
        home.blocks.delete(home.blocks.missing(rotten))  # what is still rotten is of no use to anybody
    left = _find_damage(home, roots, snapshots=reference is None)
    repaired = sum(entry.blocks for entry in damage) - sum(entry.blocks for entry in left)
    return Verified(blocks, size, archives, len(rotten), tuple(left), repaired, files)


def _check_files(home: Home, *, repair: bool, progress: Progress) -> tuple[str, ...]:
    """Look at the files of the home, and where one is damaged make it anew or raise `CorruptHomeError`."""
    damaged = {found.path.name: found for found in find_damaged_files(home)}
    if not damaged:
        return ()
    if TRUST_FILE in damaged or not repair:
        raise _corrupt(next(iter(damaged.values())))
    with home.editing():
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


def _read_all(store: Blockstore, roots: Sequence[Root] | None, progress: Progress) -> Iterator[tuple[Cid, int]]:
    """Read blocks and give the size of each, 0 for those that rotted or are gone."""
    cids = store.cids() if roots is None else _blocks_under(store, roots)
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


def _find_damage(home: Home, roots: Sequence[Root], *, snapshots: bool) -> list[Damage]:
    """Give the archives and ``snapshots`` that are not whole.

    An archive that was pulled may be held in part: its engine had the other layers.
    """
    store = home.blocks
    found = [
        Damage(label, cid, "snapshot", 1, held_in_part=False)
        for label, cid, shown in (_list_snapshots(home) if snapshots else ())
        if not shown or not _is_readable(cid, store)
    ]
    return found + [
        Damage(root.label, root.cid, root.reason, _count_missing(store, root.cid), root.reason == "pulled")
        for root in roots
        if not is_whole(root.cid, store)
    ]


def _list_snapshots(home: Home) -> list[tuple[str, Cid, bool]]:
    """Give the newest snapshot of every catalogue that has one, and whether the index shows its releases."""
    found = []
    with home.index.read() as index, home.trust.read() as trust:
        for row in list_catalogues(index):
            if row.root is not None:
                found.append((f"{_SNAPSHOT} {row.label}", parse_cid(row.root), True))
            elif (held := get_floor(trust, row.catalogue)) is not None and (
                encoded := held.shown_record or held.record
            ) is not None:
                record = check_record(parse_ipns_name(row.catalogue), encoded)
                if not record.revoked:
                    found.append((f"{_SNAPSHOT} {row.label}", record.snapshot_cid, False))
    return found


def _is_readable(snapshot_cid: Cid, store: BlockSource) -> bool:
    try:
        for _ in open_snapshot(snapshot_cid, store).read():
            pass
    except (UnavailableError, VerificationError):
        return False
    return True


def _count_missing(store: Blockstore, archive_cid: Cid) -> int:
    try:
        return max(1, len(store.missing([block.cid for block in walk(archive_cid, store)])))
    except (BlockNotFoundError, BlockMismatchError, CodecError):
        return 1


def _repair(
    home: Home,
    damage: Sequence[Damage],
    network: Network,
    repair_from: ImageSource | None,
    wanted: Wanted | None,
    progress: Progress,
) -> None:
    if repair_from is not None and wanted is not None:
        with BlockWriter(home.blocks) as writer:
            repair_from.take(wanted, writer, progress)
    store = open_store(home, network)
    for entry in damage:
        try:
            if entry.reason == "snapshot":
                _repair_snapshot(home, network, store, entry, progress)
            elif network.sources:
                store.fetch_dag([entry.archive], progress=progress)
        except DcatError as error:
            progress(Step("warning", f"{entry.label}: {error.message}"))


def _repair_snapshot(home: Home, network: Network, store: BlockSource, entry: Damage, progress: Progress) -> None:
    """Have a snapshot whole again and its releases in the index: from a source, or else, the own one, by writing its successor."""
    if _is_readable(entry.archive, store):  # which keeps every block that it had to fetch
        if any(cid == entry.archive and not shown for _, cid, shown in _list_snapshots(home)):
            home.rebuild_index()
    elif entry.label == _OWN_SNAPSHOT:
        renew_own_snapshot(home, network, progress=progress)
