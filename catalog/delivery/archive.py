"""Fetching what is missing of an archive, or of some of its layers: by a delta if one is smaller, then from every source."""

import shutil
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from catalog.blockstores.memory import MemoryBlockstore
from catalog.blockstores.staging import StagedBlockstore
from catalog.delivery.offers import PlannedDelta, TakenDelta
from catalog.delivery.savings import add_saving
from catalog.delivery.upgrade import plan_upgrade, take_upgrade
from catalog.errors import BlockMismatchError, BlockNotFoundError, UnavailableError, VerificationError
from catalog.home.home import Home
from catalog.image.encoder import frame_content_size
from catalog.image.reader import ArchivedLayer, ArchiveView, check_listed_archive, read_archive, read_listed_archive
from catalog.image.walk import walk
from catalog.ipld.block import Block, BlockSource
from catalog.ipld.cid import DAG_PB, RAW, Cid
from catalog.ipld.dag_pb import decode_node
from catalog.model.digest import DiffID
from catalog.model.platform import Platform
from catalog.model.release import IMAGE_FORMAT, Image
from catalog.progress import Progress, silent
from catalog.sources.kubo import KuboBlockstore
from catalog.sources.network import Network
from catalog.sources.store import FetchingBlockstore, SourceUse


@dataclass(frozen=True, slots=True)
class Need:
    """What an archive needs, in stored bytes: ``present`` are here or not needed, ``missing`` have to travel."""

    present: int
    missing: int
    missing_blocks: int


@dataclass(frozen=True, slots=True)
class Delivered:
    """What was fetched: ``blocks`` blocks, and ``size`` bytes in all, those of a delta included, for ``need.missing``."""

    need: Need
    blocks: int
    size: int
    sources: tuple[SourceUse, ...]
    delta: TakenDelta | None = None


def open_store(home: Home, network: Network, catalogue: str | None = None) -> FetchingBlockstore:
    """Return a block source over the home's store and every source of ``network``.

    With the ``catalogue`` that is fetched from, sources that were named for another one are in reserve.
    """
    foreign = [source for source in network.sources if network.is_foreign(source.name, catalogue)]
    return FetchingBlockstore(
        home.blocks,
        [source for source in network.sources if source not in foreign],
        timeouts=network.timeouts,
        free_space=lambda: _free_space(home.path),
        reserve=foreign,
    )


def open_archive(image: Image, platform: Platform, store: FetchingBlockstore) -> ArchiveView:
    """Return the archive of a release's image, of which root and metadata are fetched.

    Raise `VerificationError` for what is not an archive, `ArchiveError` for that of another image than the release lists: then
    nothing of it is kept.
    """
    store.expect([image.archive])
    staged = StagedBlockstore(MemoryBlockstore(), store.local)
    view = read_listed_archive(image, platform, store.over(staged))
    staged.accept()
    return view


def peek_archive(archive_cid: Cid, store: FetchingBlockstore) -> ArchiveView:
    """Return an archive, whatever image a release lists it as; nothing of it is kept. Raise what `read_archive` raises."""
    return read_archive(archive_cid, store.over(StagedBlockstore(MemoryBlockstore(), store.local)))


def count_need(view: ArchiveView, store: FetchingBlockstore, without: Collection[DiffID] = ()) -> Need:
    """Return what of an archive has to travel, without the layers ``without``. Inner nodes that are not here are fetched."""
    missing = blocks = 0
    for layer in view.layers:
        if layer.diff_id not in without:
            size, number = _count_missing(layer, store, store)
            missing += size
            blocks += number
    return Need(view.size - missing, missing, blocks)


def plan_delta(
    home: Home,
    view: ArchiveView,
    store: FetchingBlockstore,
    need: Need,
    progress: Progress,
    catalogue: str | None = None,
) -> PlannedDelta | None:
    """Return the delta by which `fetch_archive` would fetch what is needed; None where blocks are as good."""
    if not store.has_sources:
        return None
    return plan_upgrade(home, store, view, need.missing, progress, catalogue)


def fetch_archive(
    home: Home,
    view: ArchiveView,
    store: FetchingBlockstore,
    without: Collection[DiffID] = (),
    progress: Progress = silent,
    *,
    catalogue: str | None = None,
) -> Delivered:
    """Fetch an archive as `bring_archive` does, and count what a delta saved."""
    delivered = bring_archive(home, view, store, without, progress, catalogue=catalogue)
    if delivered.delta is not None:
        add_saving(home, delivered.delta)
    return delivered


def bring_archive(
    home: Home,
    view: ArchiveView,
    store: FetchingBlockstore,
    without: Collection[DiffID] = (),
    progress: Progress = silent,
    *,
    catalogue: str | None = None,
) -> Delivered:
    """Fetch an archive, except for the layers ``without``; blocks that are here do not travel.

    A delta from an older image that is here whole is used where that is smaller. ``catalogue`` is the one that the archive is
    wanted from: only its images and its statements about deltas count then. `add_saving` is left to the caller.
    """
    taken = None
    if store.has_sources:
        at_most = _bound_missing(view, store, without)
        taken = take_upgrade(home, store, view, at_most, lambda: count_need(view, store, without).missing, progress, catalogue)
    left_out = {layer.cid for layer in view.layers if layer.diff_id in without}
    roots = [cid for cid in _children(view.cid, store) if cid not in left_out] if left_out else [view.cid]
    store.expect([view.cid])
    fetched = store.fetch_dag(roots, size=view.size, progress=progress, check=_check_stored)
    missing, blocks, size = fetched.size, fetched.blocks, fetched.size
    if taken is not None:
        missing, blocks, size = missing + taken.blocks_size, blocks + taken.blocks, size + taken.size
    return Delivered(Need(max(view.size - missing, 0), missing, blocks), fetched.blocks, size, fetched.sources, taken)


def fetch_image(
    home: Home,
    image: Image,
    platform: Platform,
    store: FetchingBlockstore,
    progress: Progress = silent,
    *,
    catalogue: str | None = None,
) -> Delivered:
    """Fetch the whole archive of a release's image; one of a format that this version does not know, as a plain DAG.

    The latter is not asked of a Kubo node.
    Raise `VerificationError` where an archive of a known format is not one, or not that of the image.
    """
    if image.format != IMAGE_FORMAT:
        # Nothing shows what it is, and the user's node holds other things than images.
        fetched = store.without(KuboBlockstore).fetch_dag([image.archive], size=image.size, progress=progress)
        need = Need(max(image.size - fetched.size, 0), fetched.size, fetched.blocks)
        return Delivered(need, fetched.blocks, fetched.size, fetched.sources)
    view = open_archive(image, platform, store)
    return fetch_archive(home, view, store, progress=progress, catalogue=catalogue)


def check_image(image: Image, platform: Platform, store: BlockSource) -> None:
    """Raise `VerificationError` where the archive of a release's image is that of another image, or is none.

    One that is missing or damaged here is passed, and so is one of a format that this version does not read.
    """
    try:
        view = read_archive(image.archive, store)
    except (BlockMismatchError, UnavailableError):
        return
    except VerificationError:
        if image.format != IMAGE_FORMAT:
            return
        raise
    check_listed_archive(view, image, platform)


def explain_absence(error: UnavailableError, reference: str, network: Network) -> UnavailableError:
    """Return the error for a release whose blocks are missing, with the reason why no source was asked, if none was."""
    if network.offline:
        why = "its blocks are not here, and the network was forbidden"
    elif not network.sources:
        why = "its blocks are not here, and no source is configured"
    else:
        return UnavailableError(f'the bytes of "{reference}" could not be fetched', why=error.why or error.message)
    return UnavailableError(
        f'the bytes of "{reference}" are not here', why=why, hint="name a source that has them, or import a bundle"
    )


def _check_stored(block: Block) -> None:
    """Raise `VerificationError` for a leaf that is no frame: it is something else that a publisher links as a part of a layer."""
    if block.cid.codec == RAW:
        frame_content_size(block.data)


def _bound_missing(view: ArchiveView, store: FetchingBlockstore, without: Collection[DiffID]) -> int:
    """Return what has to travel at most, without a request: a layer whose inner nodes are not here counts whole."""
    missing = 0
    for layer in view.layers:
        if layer.diff_id not in without:
            try:
                missing += _count_missing(layer, store, store.local)[0]
            except BlockNotFoundError:
                missing += layer.stored_size
    return missing


def _count_missing(layer: ArchivedLayer, store: FetchingBlockstore, nodes: BlockSource) -> tuple[int, int]:
    """Return bytes and number of a layer's blocks that are not here, reading inner nodes from ``nodes``."""
    if layer.cid.codec == RAW:  # a layer of one chunk: nothing to walk
        leaves = {layer.cid: layer.stored_size}
    else:
        leaves = {block.cid: block.size for block in walk(layer.cid, nodes)}
    absent = store.local.missing(leaves)
    return sum(leaves[cid] for cid in absent), len(absent)


def _children(root: Cid, store: BlockSource) -> list[Cid]:
    if root.codec != DAG_PB:
        return [root]
    return [link.cid for link in decode_node(store.get(root)).links]


def _free_space(path: Path) -> int:
    return shutil.disk_usage(path).free
