"""The sha2-256 of a layer while it flows by: a long one is hashed in a thread of its own, beside whatever else is done with it."""

import hashlib
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

_HASHED_AT_ONCE: Final = 4 * 1024 * 1024  # what no thread is worth its while for
_MAX_UNHASHED: Final = 8  # pieces of a layer that wait to be hashed


class LayerDigest:
    """One layer's digest. One that is given up is simply dropped: its thread ends with it."""

    def __init__(self) -> None:
        self._sha256 = hashlib.sha256()
        self._pool: ThreadPoolExecutor | None = None
        self._pending: deque[Future[None]] = deque()
        self._size = 0

    def update(self, data: bytes | memoryview) -> None:
        """Take the next bytes; they are copied unless they cannot change."""
        self._size += len(data)
        if self._size <= _HASHED_AT_ONCE:
            self._sha256.update(data)
            return
        if self._pool is None:
            self._pool = ThreadPoolExecutor(1, thread_name_prefix="hash")
        is_constant = isinstance(data.obj if isinstance(data, memoryview) else data, bytes)
        self._pending.append(self._pool.submit(self._sha256.update, data if is_constant else bytes(data)))
        while len(self._pending) > _MAX_UNHASHED:
            self._pending.popleft().result()

    def finish(self) -> bytes:
        """Give the digest."""
        while self._pending:
            self._pending.popleft().result()
        if self._pool is not None:
            self._pool.shutdown()
        return self._sha256.digest()
