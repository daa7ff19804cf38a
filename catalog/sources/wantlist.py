"""The wants of one fetch, shared by the threads (lanes) that ask sources for them and the thread that stores what arrives.

A lane calls `take` for a batch, `deliver` for each block of it, and in the end `done` or `failed`. A want that every usable source
lacks is missing. The policy is in `catalog.sources.wants`; here are the lock and the waiting.
"""

import threading
from collections.abc import Iterable
from time import monotonic

from catalog import limits
from catalog.clients.timeouts import Timeouts
from catalog.errors import DcatError
from catalog.ipld.block import Block
from catalog.ipld.cid import Cid, convert_to_v1
from catalog.sources.source import SourceState
from catalog.sources.wants import Batch, Want, Wants, choose

_MAX_HELD = 32 * limits.MIB


class Wantlist:
    """A thread-safe `Wants` with the blocks that were delivered and are not stored yet.

    ``missing`` lists what no source has, ``crash`` is the exception that ended the fetch, if one did.
    """

    def __init__(self, timeouts: Timeouts, sources: list[SourceState]) -> None:
        self._timeouts = timeouts
        self._sources = sources
        self._changed = threading.Condition()
        self._wants = Wants()
        self._delivered: list[tuple[Block, SourceState]] = []
        self._held = 0  # bytes delivered and not stored
        self._expanding = 0  # blocks delivered whose links are not added yet
        self._progressed = monotonic()
        self._over = False
        self.delivered_size = 0
        self.missing: list[Cid] = []
        self.crash: BaseException | None = None

    def add(self, wants: Iterable[tuple[Cid, Cid, int | None]], *, parent: Cid | None, links: int, depth: int) -> None:
        """Add wants: each its key (CIDv1), its CID as linked and, for a leaf, its size.

        ``parent`` is the node that links them, ``links`` the number of its links.
        """
        with self._changed:
            self._wants.add([(key, Want(cid, parent, depth, size)) for key, cid, size in wants], parent, links)
            self._changed.notify_all()

    def take(self, source: SourceState) -> Batch | None:
        """Wait for the next batch for a lane of ``source`` and return it; return None when there will be none."""
        with self._changed:
            while not self._over and not source.is_dropped:
                now = monotonic()
                choice = choose(self._wants, source, self._sources, now, self._timeouts.hedge)
                if choice is not None:
                    return self._wants.assign(choice, source.number, now)
                self._changed.wait(self._timeouts.hedge / 4 if self._wants.all else None)
            self._settle(self._wants.free.values())  # another fetch may have dropped the source
            return None

    def cids_of(self, batch: Batch) -> list[Cid]:
        """Return the CIDs of a batch as they were linked, without those that arrived meanwhile."""
        with self._changed:
            return [want.cid for key in batch.keys if (want := self._wants.all.get(key)) is not None]

    def has_spare_work(self, source: SourceState) -> bool:
        """Return whether one more lane of ``source`` would be given a batch now."""
        with self._changed:
            return not self._over and choose(self._wants, source, self._sources, monotonic(), self._timeouts.hedge) is not None

    def deliver(self, source: SourceState, batch: Batch, key: Cid, block: Block) -> int | None:
        """Hand over a verified block; return its depth, or None where it is not wanted or no longer wanted.

        The caller must `add` what the block links and then call `expanded`.
        """
        with self._changed:
            batch.progressed = self._progressed = monotonic()
            want = self._wants.remove(key)
            if want is None:
                return None
            self._expanding += 1
            self._delivered.append((block, source))
            self._held += len(block.data)
            self.delivered_size += len(block.data)
            source.count(len(block.data))
            return want.depth

    def expanded(self) -> None:
        """Record that the links of a delivered block were added; wait while too many bytes are delivered and not stored."""
        with self._changed:
            self._expanding -= 1
            self._finish_if_done()
            self._changed.notify_all()
            while self._held > _MAX_HELD and not self._over:
                self._changed.wait(1.0)

    def done(self, source: SourceState, batch: Batch) -> None:
        """Record that the source answered: it lacks what it did not deliver.

        A DAG ends at the first block that the source lacks, so it says nothing about the blocks after that.
        """
        with self._changed:
            undelivered = self._wants.end(batch)
            if batch.dag is not None:
                self._wants.asked_dags.add((source.number, batch.dag))
            else:
                for want in undelivered:
                    want.lacking.add(source.number)
            self._settle(undelivered)

    def failed(self, source: SourceState, batch: Batch, error: DcatError) -> None:
        """Record that the request failed: the rest is asked of other sources, and of this one unless it is dropped now."""
        with self._changed:
            undelivered = self._wants.end(batch)
            if self._over:  # aborted because the fetch ended
                return
            source.fail(error, progressed=len(undelivered) < len(batch.keys))
            self._settle(self._wants.free.values())

    def collect(self, end: float | None) -> list[tuple[Block, SourceState]] | None:
        """Wait for delivered blocks and return them; return None when nothing is wanted any more.

        Returns an empty list where nothing was delivered for the budget, or ``end`` is reached.
        """
        with self._changed:
            while not self._delivered:
                if self._over:
                    return None
                left = self._progressed + self._timeouts.budget - monotonic()
                if end is not None:
                    left = min(left, end - monotonic())
                if left <= 0:
                    return []
                # In short waits: a Ctrl-C that comes right before one is noticed when it ends.
                self._changed.wait(min(left, 0.5))
            return self._take_delivered()

    def stop(self, crash: BaseException | None = None) -> None:
        """End the fetch, for ``crash`` if given; what is still wanted is missing then."""
        with self._changed:
            if not self._over:
                self.missing.extend(want.cid for want in self._wants.all.values())
            self._over = True
            self.crash = self.crash or crash
            self._changed.notify_all()

    def drain(self) -> list[tuple[Block, SourceState]]:
        """Return what was delivered and not collected."""
        with self._changed:
            return self._take_delivered()

    def stored(self, size: int) -> None:
        """Record that ``size`` delivered bytes are stored."""
        with self._changed:
            self._held -= size
            self._progressed = monotonic()
            self._changed.notify_all()

    def settle(self) -> None:
        """Mark wants as missing that no usable source can bring, and end the fetch if nothing is wanted."""
        with self._changed:
            self._settle(self._wants.free.values())

    def owing(self) -> set[int]:
        """Return the numbers of the sources that were asked for something and have not answered."""
        with self._changed:
            return {batch.source for want in self._wants.all.values() for batch in want.batches}

    def overdue(self) -> set[int]:
        """Return the numbers of the sources that owe something and made no progress for the hedging time."""
        with self._changed:
            now = monotonic()
            return {batch.source for batch in self._wants.batches if now - batch.progressed >= self._timeouts.hedge}

    def _take_delivered(self) -> list[tuple[Block, SourceState]]:
        delivered, self._delivered = self._delivered, []
        return delivered

    def _settle(self, wants: Iterable[Want]) -> None:
        """Mark wants as missing once no usable source remains for them."""
        if self._over:
            return
        usable = {source.number for source in self._sources if not source.is_dropped}
        for want in list(wants):
            key = convert_to_v1(want.cid)
            if usable <= want.lacking and key in self._wants.free:
                self.missing.append(want.cid)
                self._wants.remove(key)
        self._finish_if_done()
        self._changed.notify_all()

    def _finish_if_done(self) -> None:
        if not self._wants.all and not self._expanding:
            self._over = True
