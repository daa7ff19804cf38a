"""The sha2-256 of a layer as a stream; a long layer is hashed in a thread of its own."""

import hashlib
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

_HASHED_AT_ONCE: Final = 4 * 1024 * 1024  # shorter layers are hashed without a thread
_MAX_UNHASHED: Final = 8  # pieces waiting to be hashed


class LayerDigest:
    """The digest of one layer. An abandoned one needs no cleanup: its thread ends with it."""

    def __init__(self) -> None:
        self._sha256 = hashlib.sha256()
        self._pool: ThreadPoolExecutor | None = None
        self._pending: deque[Future[None]] = deque()
        self._size = 0

    def update(self, data: bytes | memoryview) -> None:
        """Feed the next bytes, which must not change afterwards."""
        self._size += len(data)
        if self._size <= _HASHED_AT_ONCE:
            self._sha256.update(data)
            return
        if self._pool is None:
            self._pool = ThreadPoolExecutor(1, thread_name_prefix="hash")
        self._pending.append(self._pool.submit(self._sha256.update, data))
        while len(self._pending) > _MAX_UNHASHED:
            self._pending.popleft().result()

    def finish(self) -> bytes:
        """Return the digest."""
        while self._pending:
            self._pending.popleft().result()
        if self._pool is not None:
            self._pool.shutdown()
        return self._sha256.digest()
