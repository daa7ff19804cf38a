"""Inflate the stored frames of a layer in threads, a bounded number of them ahead of who reads."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, NamedTuple

from catalog.image.encoder import frame_content_size, inflate_frame

_THREADS: Final = 2
_BATCH_SIZE: Final = 1024 * 1024  # content that one task inflates, about
_BATCH_FRAMES: Final = 256
_MAX_BATCHES: Final = 6  # batches inflated ahead of the reader


class Batch(NamedTuple):
    """Successive frames of a file, and the content of all of them."""

    frames: Sequence[bytes]
    content: bytes
    has_empty: bool  # whether some frame has no content


class Inflater:
    """Inflate frames in threads, in order, a few batches ahead of the reader."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="inflate")

    def __enter__(self) -> "Inflater":
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def inflate(self, frames: Iterable[bytes]) -> Iterator[Batch]:
        """Yield the frames with their content, in order; raise what `inflate_frame` raises."""
        queue: deque[Future[Batch]] = deque()
        for batch in _gather(frames):
            queue.append(self._pool.submit(_inflate_batch, batch))
            if len(queue) > _MAX_BATCHES:
                yield queue.popleft().result()
        while queue:
            yield queue.popleft().result()


def _gather(frames: Iterable[bytes]) -> Iterator[list[bytes]]:
    batch: list[bytes] = []
    size = 0
    for frame in frames:
        batch.append(frame)
        size += frame_content_size(frame)
        if size >= _BATCH_SIZE or len(batch) == _BATCH_FRAMES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _inflate_batch(frames: Sequence[bytes]) -> Batch:
    contents = [inflate_frame(frame) for frame in frames]
    return Batch(frames, b"".join(contents), not all(contents))
