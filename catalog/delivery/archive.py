"""Bring what is needed of an archive here: of which layers, from here first, then from every source, each block verified."""

import shutil
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from catalog.blockstores.base import BlockSource
from catalog.blockstores.fetching import Fetched, FetchingBlockstore
from catalog.clients.timeouts import Timeouts
from catalog.digest import DiffID
from catalog.errors import UnavailableError
from catalog.home import Home
from catalog.image.reader import ArchiveView
from catalog.image.walk import walk
from catalog.ipld.cid import DAG_PB, RAW, Cid
from catalog.ipld.dag_pb import decode_node
from catalog.network import Network
from catalog.progress import Progress, silent


@dataclass(frozen=True, slots=True)
class Need:
    """What getting an archive takes, in stored bytes: ``present`` are here or not needed, ``missing`` have to travel."""

    present: int
    missing: int
    missing_blocks: int


def open_store(home: Home, network: Network, timeouts: Timeouts | None = None) -> FetchingBlockstore:
    """Give the home's blocks with every source of ``network`` behind them."""
    return FetchingBlockstore(home.blocks, network.sources, timeouts=timeouts, free_space=lambda: _free_space(home.path))


def count_need(view: ArchiveView, store: FetchingBlockstore, without: Collection[DiffID] = ()) -> Need:
    """Tell what of an archive has to travel, leaving out the layers ``without``. Inner nodes that are not here are fetched."""
    missing = blocks = 0
    for layer in view.layers:
        if layer.diff_id in without:
            continue
        if layer.cid.codec == RAW:  # a layer of one chunk: nothing to walk
            leaves = {layer.cid: layer.stored_size}
        else:
            leaves = {block.cid: block.size for block in walk(layer.cid, store)}
        for cid in store.local.missing(leaves):
            missing += leaves[cid]
            blocks += 1
    return Need(view.size - missing, missing, blocks)


def fetch_archive(
    view: ArchiveView, store: FetchingBlockstore, without: Collection[DiffID] = (), progress: Progress = silent
) -> Fetched:
    """Bring an archive here, whole but for the layers ``without``; what is here already does not travel."""
    left_out = {layer.cid for layer in view.layers if layer.diff_id in without}
    if not left_out:
        return store.fetch_dag([view.cid], size=view.size, progress=progress)
    return store.fetch_dag([cid for cid in _children(view.cid, store) if cid not in left_out], size=view.size, progress=progress)


def explain_absence(error: UnavailableError, reference: str, network: Network) -> UnavailableError:
    """Say of blocks that are missing what it means for the release that they belong to, and why nobody was asked."""
    if network.offline:
        why = "its blocks are not here, and the network was forbidden"
    elif not network.sources:
        why = "its blocks are not here, and no source is configured"
    else:
        return UnavailableError(f'the bytes of "{reference}" could not be had', why=error.why or error.message)
    return UnavailableError(
        f'the bytes of "{reference}" are not here', why=why, hint="name a source that has them, or import a bundle"
    )


def _children(root: Cid, store: BlockSource) -> list[Cid]:
    if root.codec != DAG_PB:
        return [root]
    return [link.cid for link in decode_node(store.get(root)).links]


def _free_space(path: Path) -> int:
    return shutil.disk_usage(path).free
