"""``dcat gc``: find blocks that nothing keeps and, if wanted, delete them and return their space."""

from dataclasses import dataclass

from catalog.blockstores.layers import forget_layers
from catalog.blockstores.leasing import COLLECTING, refuse_others, sweep
from catalog.blockstores.moved import list_moved
from catalog.blockstores.provenance import forget_provenances
from catalog.blockstores.staging import delete_left_stages
from catalog.followed.arriving import count_arriving, delete_arriving
from catalog.home.deltas import delete_left_deltas, open_delta_cache
from catalog.home.home import Home
from catalog.home.reserve import keep_reserve, release_reserve
from catalog.home.roots import list_described, list_roots, mark, mark_metadata
from catalog.ipld.cid import Cid
from catalog.own.signing import offer_accepted
from catalog.progress import Progress, Step, silent

_SIZES_A_QUERY = 5000


@dataclass(frozen=True, slots=True)
class Kept:
    """Blocks and bytes that one reason keeps, and no reason before it in the list.

    The last reason, ``metadata``, is that of the other platforms of kept releases.
    """

    reason: str
    roots: int
    blocks: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Swept:
    """What is kept, each block counted once; what is or was garbage; and the size of the file before and after.

    ``cached`` are the bytes of deltas that were made for others; they are deleted first, since they can be made again.
    """

    kept: tuple[Kept, ...]
    blocks: int
    bytes: int
    deleted: bool
    file_before: int
    file_after: int
    cached: int = 0


_REASONS = ("own", "pinned", "pulled", "mirrored", "fetched", "snapshot")


def collect_garbage(home: Home, *, delete: bool, progress: Progress = silent) -> Swept:
    """Count the blocks that nothing keeps, and with ``delete`` delete them.

    Raise `LockedError` while another command runs that may rely on a block: nothing, or less, is deleted then.
    """
    if delete:
        release_reserve(home.path)
        home.blocks.file.keep_log()
    before = home.blocks.size()
    cache = open_delta_cache(home)
    cached = cache.clear() if delete else cache.size()
    with home.lease(COLLECTING) if delete else home.reading("gc") as own:
        if own is not None:
            refuse_others(home.blocks, home.now, own)
            offer_accepted(home)  # an offered record keeps no snapshot: only the newest ones are kept
        progress(Step("phase", "Finding what is kept"))
        marked: set[bytes] = set()
        kept = _mark_all(home, marked)
        garbage = [cid for cid in home.blocks.cids() if cid.digest not in marked]
        size = sum(
            sum(home.blocks.sizes(garbage[at : at + _SIZES_A_QUERY]).values()) for at in range(0, len(garbage), _SIZES_A_QUERY)
        )
        arriving, arriving_size = count_arriving(home)
        if own is not None and arriving:
            delete_arriving(home, own)
        if own is not None and garbage:
            progress(Step("phase", f"Deleting {len(garbage)} blocks"))
            sweep(home.blocks, garbage, home.now, own=own)
            home.blocks.shrink()
        gone = [cid for cid in list_moved(home.blocks) if cid.digest not in marked] if delete else []
        if own is not None and gone:
            sweep(home.blocks, gone, home.now, own=own)
        if own is not None:
            forget_layers(home.blocks)
            forget_provenances(home.blocks)
            delete_left_stages(home.path)
            delete_left_deltas(home)
    if delete:
        keep_reserve(home.path)
    after = home.blocks.size().file_size if delete else before.file_size
    number = len(garbage) + arriving
    return Swept(tuple(kept), number, size + arriving_size, delete and bool(number or cached), before.file_size, after, cached)


def _mark_all(home: Home, marked: set[bytes]) -> list[Kept]:
    by_reason: dict[str, list[int]] = {}

    def count(reason: str, cids: list[Cid]) -> None:
        sizes = home.blocks.sizes(cids)
        figures = by_reason.setdefault(reason, [0, 0, 0])
        figures[0] += 1
        figures[1] += len(sizes)
        figures[2] += sum(sizes.values())

    for root in sorted(list_roots(home), key=lambda root: _REASONS.index(root.reason)):
        count(root.reason, list(mark(root, home.blocks, marked)))
    for archive_cid in list_described(home):  # last: a root that is marked here is not followed to its layers
        if cids := list(mark_metadata(archive_cid, home.blocks, marked)):
            count("metadata", cids)
    return [Kept(reason, *figures) for reason, figures in by_reason.items()]
