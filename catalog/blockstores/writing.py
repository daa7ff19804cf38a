"""Writing an archive's blocks as they are made: in batches, by a writer thread, in bounded memory.

`BlockWriter` is the `catalog.image.dag.ChunkSink` of a home. One thread calls it; a second one writes the batches, so that hashing
and compressing continue while SQLite writes. What was put is durable when `flush` returns.
"""

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from catalog.blockstores.rows import BatchCount, NewBlock
from catalog.image.dag import FrameRef
from catalog.ipld.block import Block, Blockstore
from catalog.ipld.cid import Cid
from catalog.limits import BLOCK_BATCH_SIZE

_BATCHES_IN_FLIGHT = 2


class FrameStore(Blockstore, Protocol):
    """A blockstore that records which frames this home's own encoder made: `catalog.blockstores.embedded`."""

    def put_batch(self, batch: list[NewBlock], *, durable: bool = True, just_named: bool = False) -> BatchCount:
        """Keep the blocks in one transaction, and return what was new; frames that were ``just_named`` are not hashed again."""
        ...

    def find_frame(self, content: bytes) -> tuple[Cid, int] | None:
        """Return CID and stored size of the own frame of the chunk with this sha2-256."""
        ...


@dataclass(slots=True)
class WriteCount:
    """What went through a writer: all blocks, and those that the store did not hold before."""

    blocks: int = 0
    bytes: int = 0
    new_blocks: int = 0
    new_bytes: int = 0

    @property
    def present_bytes(self) -> int:
        """Bytes that the store held already, or that were put more than once."""
        return self.bytes - self.new_bytes


class BlockWriter:
    """A sink over a store. Use it as a context manager: leaving it ends the thread, after a flush unless an exception was raised.

    A batch has ``batch_size`` bytes; with ``first_size`` the first one has so many, and each further one twice as many as the one
    before it. ``stored`` is called by the writer thread after each batch, with the bytes that were new so far; what it raises is a
    failure of that thread. Such a failure is raised by the next call of any method. `count` is exact after `flush`.
    """

    def __init__(
        self,
        store: FrameStore,
        *,
        batch_size: int = BLOCK_BATCH_SIZE,
        first_size: int | None = None,
        stored: Callable[[int], None] | None = None,
    ) -> None:
        self.count = WriteCount()
        self._store = store
        self._batch_size = batch_size
        self._next_size = batch_size if first_size is None else min(first_size, batch_size)
        self._stored = stored
        self._batch: list[NewBlock] = []
        self._size = 0
        self._pending: dict[bytes, FrameRef] = {}
        self._queue: queue.Queue[list[NewBlock] | None] = queue.Queue(_BATCHES_IN_FLIGHT)
        self._failure: BaseException | None = None
        self._thread: threading.Thread | None = None

    def find_frame(self, content_digest: bytes) -> FrameRef | None:
        """Return the frame that this home's own encoder made of the chunk, or None; a found one is counted as present."""
        self._raise_failure()
        frame = self._pending.get(content_digest)
        if frame is None:
            found = self._store.find_frame(content_digest)
            if found is None:
                return None
            frame = FrameRef(*found)
        self.count.blocks += 1
        self.count.bytes += frame.size
        return frame

    def put_frame(self, content_digest: bytes, block: Block) -> None:
        """Keep a frame that the checked encoder of this process made of the chunk, and record the pair."""
        self._pending[content_digest] = FrameRef(block.cid, len(block.data))
        self._add(NewBlock(block, content_digest))

    def put_node(self, block: Block) -> None:
        """Keep any other block."""
        self._add(NewBlock(block))

    def flush(self) -> None:
        """Make all that was put durable."""
        self._send()
        self._queue.join()
        self._raise_failure()
        self._store.flush()

    def close(self) -> None:
        """End the thread; blocks that were not flushed may be lost."""
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join()
            self._thread = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            if error is None:
                self.flush()
        finally:
            self.close()

    def _add(self, new: NewBlock) -> None:
        self._raise_failure()
        self.count.blocks += 1
        self.count.bytes += len(new.block.data)
        self._batch.append(new)
        self._size += len(new.block.data)
        if self._size >= self._next_size:
            self._next_size = min(2 * self._next_size, self._batch_size)
            self._send()

    def _send(self) -> None:
        if not self._batch:
            return
        if self._thread is None:
            thread = threading.Thread(target=self._write, name="block writer", daemon=True)
            thread.start()
            self._thread = thread  # only now: Ctrl-C may interrupt `start`, and a thread that has not started cannot be joined
        self._queue.put(self._batch)
        self._batch, self._size = [], 0

    def _write(self) -> None:
        while (batch := self._queue.get()) is not None:
            try:
                if self._failure is None:
                    added = self._store.put_batch(batch, durable=False, just_named=True)
                    self.count.new_blocks += added.new_blocks
                    self.count.new_bytes += added.new_bytes
                    if self._stored is not None:
                        self._stored(self.count.new_bytes)
            except BaseException as error:  # raised again in the thread that puts
                self._failure = error
            finally:
                for new in batch:
                    if new.content is not None:
                        self._pending.pop(new.content, None)
                self._queue.task_done()

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure


class BlockCounter:
    """A sink that keeps nothing, and counts what would be new in a store: for dry runs."""

    def __init__(self, store: FrameStore) -> None:
        self.count = WriteCount()
        self._store = store
        self._seen: set[bytes] = set()

    def find_frame(self, content_digest: bytes) -> FrameRef | None:
        """Return the frame that this home's own encoder made of the chunk, or None; a found one is counted as present."""
        found = self._store.find_frame(content_digest)
        if found is None:
            return None
        self.count.blocks += 1
        self.count.bytes += found[1]
        return FrameRef(*found)

    def put_frame(self, content_digest: bytes, block: Block) -> None:  # noqa: ARG002
        """Count the frame."""
        self.put_node(block)

    def put_node(self, block: Block) -> None:
        """Count the block."""
        self.count.blocks += 1
        self.count.bytes += len(block.data)
        if block.cid.digest not in self._seen and not self._store.has(block.cid):
            self._seen.add(block.cid.digest)
            self.count.new_blocks += 1
            self.count.new_bytes += len(block.data)
