"""``dcat verify``: hash everything that is stored again, look whether archives are whole, and repair from where the bytes are."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from catalog.blockstores.base import Blockstore
from catalog.blockstores.holding import is_whole
from catalog.blockstores.writing import BlockWriter
from catalog.delivery import open_store
from catalog.errors import BlockMismatchError, BlockNotFoundError, CodecError, UnavailableError
from catalog.home import Home
from catalog.image.walk import walk
from catalog.index.lookup import open_lookup
from catalog.intake import ImageSource, Wanted
from catalog.ipld.cid import Cid
from catalog.keeping import Root, list_roots
from catalog.network import Network
from catalog.progress import Progress, Step, silent
from catalog.reference import parse_reference


@dataclass(frozen=True, slots=True)
class Damage:
    """An archive that is kept here and not whole: how many of its blocks are missing or rotten (at least one)."""

    label: str
    archive: Cid
    reason: str
    blocks: int
    held_in_part: bool


@dataclass(frozen=True, slots=True)
class Verified:
    """What was looked at, what was found, and what a repair brought back. Without damage everything that is kept matches."""

    blocks: int
    bytes: int
    archives: int
    rotten: int
    damage: tuple[Damage, ...]
    repaired: int


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
    first, and gives back every block that it holds. Rotten blocks count as missing.
    """
    roots = _roots_of(home, reference)
    rotten: list[Cid] = []
    progress(Step("phase", "Reading every block" if reference is None else f"Reading {reference}"))
    blocks = size = 0
    for cid, length in _read_all(home.blocks, roots if reference is not None else None, progress):
        blocks += 1
        size += length
        if length == 0 and home.blocks.missing([cid]):
            rotten.append(cid)
    damage = _find_damage(home.blocks, roots)
    if not (repair or repair_from is not None) or not (damage or rotten):
        return Verified(blocks, size, len(roots), len(rotten), tuple(damage), 0)
    with home.lease("verify"):
        _repair(home, damage, network, repair_from, wanted, progress)
        home.blocks.delete(home.blocks.missing(rotten))  # what is still rotten is of no use to anybody
    left = _find_damage(home.blocks, roots)
    repaired = sum(entry.blocks for entry in damage) - sum(entry.blocks for entry in left)
    return Verified(blocks, size, len(roots), len(rotten), tuple(left), repaired)


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


def _find_damage(store: Blockstore, roots: Sequence[Root]) -> list[Damage]:
    """Give the archives that are not whole. One that was pulled may be held in part: its engine had the other layers."""
    return [
        Damage(root.label, root.cid, root.reason, _count_missing(store, root.cid), root.reason == "pulled")
        for root in roots
        if not is_whole(root.cid, store)
    ]


def _count_missing(store: Blockstore, archive_cid: Cid) -> int:
    try:
        return max(1, len(store.missing([block.cid for block in walk(archive_cid, store)])))
    except (BlockNotFoundError, BlockMismatchError, CodecError):
        return 1


def _repair(
    home: Home,
    damage: Sequence[Damage],
    network: Network | None,
    repair_from: ImageSource | None,
    wanted: Wanted | None,
    progress: Progress,
) -> None:
    if repair_from is not None and wanted is not None:
        with BlockWriter(home.blocks) as writer:
            repair_from.take(wanted, writer, progress)
    if network is not None and network.sources:
        store = open_store(home, network)
        for entry in damage:
            try:
                store.fetch_dag([entry.archive], progress=progress)
            except UnavailableError as error:
                progress(Step("warning", f"{entry.label}: {error.message}"))
