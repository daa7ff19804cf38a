"""Blocks of a shared store: only those that something which this home keeps links are shown.

With a Kubo node configured, archives live in the node only. The node also holds what its user put there for other reasons, which
must not be shown. So the digests of everything under the archives that the home keeps are collected here, from inner nodes, of
which an archive has few; a new archive is shown once `refresh` has seen it.

A publisher may link anything: an extra entry in a snapshot, an archive or a delta in a line that is a private file of the node. So
nothing that only a snapshot links is shown of the node (the home's own store has all blocks of a snapshot), and what a followed
catalogue calls an archive counts only if it is one.
"""

from collections.abc import Callable, Iterable, Iterator

from catalog.errors import BlockNotFoundError, UnavailableError, VerificationError
from catalog.home.roots import Root, mark
from catalog.image.reader import read_archive
from catalog.ipld.block import Block, BlockSource
from catalog.ipld.cid import Cid
from catalog.server.site.site import HeldBlocks


class LinkedBlocks:
    """The blocks of ``local``, and of ``shared`` those under ``roots()``.

    ``state()`` returns a value that differs whenever the roots may have changed.
    """

    def __init__(
        self, local: HeldBlocks, shared: HeldBlocks, roots: Callable[[], Iterable[Root]], state: Callable[[], object]
    ) -> None:
        self._local = local
        self._shared = shared
        self._roots = roots
        self._state = state
        self._seen: object = None
        self._linked: set[bytes] = set()
        self._whole: set[bytes] = set()  # the roots under which nothing was missing

    def refresh(self) -> None:
        """Collect what the home keeps now. What it no longer keeps is shown until the server restarts."""
        state = self._state()
        if state == self._seen:
            return
        whole = True
        for root in self._roots():
            if root.cid.digest not in self._whole:
                whole = self._add(root) and whole
        if whole:
            self._seen = state

    def has(self, cid: Cid) -> bool:
        return self._local.has(cid) or (cid.digest in self._linked and self._shared.has(cid))

    def missing(self, cids: Iterable[Cid]) -> list[Cid]:
        return [cid for cid in self._local.missing(cids) if not (cid.digest in self._linked and self._shared.has(cid))]

    def get(self, cid: Cid) -> bytes:
        try:
            return self._local.get(cid)
        except BlockNotFoundError:
            if cid.digest not in self._linked:
                raise
            return self._shared.get(cid)

    def get_many(self, cids: Iterable[Cid]) -> Iterator[Block]:
        for cid in dict.fromkeys(cids):
            try:
                yield Block(cid, self.get(cid))
            except BlockNotFoundError:
                continue

    def _add(self, root: Root) -> bool:
        """Add the links under a root; return whether every inner node was there."""
        if root.reason == "snapshot":
            return True
        source = _Both(self._local, self._shared)
        if root.reason != "own" and not _is_archive(root.cid, source):
            return not source.lacked
        marked: set[bytes] = set()
        for _ in mark(root, source, marked):
            pass
        self._linked |= marked
        if source.lacked:
            return False
        self._whole.add(root.cid.digest)
        return True


def _is_archive(cid: Cid, source: BlockSource) -> bool:
    try:
        read_archive(cid, source)
    except (VerificationError, BlockNotFoundError):
        return False
    return True


class _Both:
    """Reads nodes from either store, and records whether one was in neither."""

    def __init__(self, local: BlockSource, shared: BlockSource) -> None:
        self._sources = (local, shared)
        self.lacked = False

    def get(self, cid: Cid) -> bytes:
        for source in self._sources:
            try:
                return source.get(cid)
            except UnavailableError:
                continue
        self.lacked = True
        raise BlockNotFoundError(f"block {cid} is not here")

    def get_many(self, cids: Iterable[Cid]) -> Iterator[Block]:
        for cid in cids:
            yield Block(cid, self.get(cid))
