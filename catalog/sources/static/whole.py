"""Files that are taken whole, from servers that do not give parts of them."""

import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from typing import IO

from catalog import limits
from catalog.clients.http import HttpClient
from catalog.clients.response import WEB_PAGES
from catalog.errors import UnavailableError
from catalog.ipld.cid import verify_block
from catalog.sources.static.answers import with_slack
from catalog.static.spans import Span


class WholeFiles:
    """Files that are taken whole, each once: what is not wanted yet waits in a temporary file. Thread-safe."""

    def __init__(self, client: HttpClient) -> None:
        self._client = client
        self._lock = threading.Lock()
        self._locks: dict[str, threading.Lock] = {}
        self._spools: dict[str, IO[bytes]] = {}

    def read(self, path: str, size: int, spans: list[Span]) -> Iterator[tuple[Span, bytes]]:
        """Yield these blocks of a file of ``size`` bytes, verified; the file is fetched by the first call."""
        if not spans:
            return
        with self._lock:
            lock = self._locks.setdefault(path, threading.Lock())
        with lock:
            spool = self._spools.get(path) or self._fetch(path, size)
            found = []
            for span in sorted(spans, key=lambda span: span.offset):
                spool.seek(span.offset)
                found.append((span, spool.read(span.size)))
                verify_block(span.cid, found[-1][1])
                if sum(len(data) for _, data in found) > limits.BLOCK_BATCH_SIZE:
                    yield from found
                    found = []
            yield from found

    def close(self) -> None:
        """Delete the temporary files."""
        with self._lock:
            for spool in self._spools.values():
                spool.close()
            self._spools.clear()

    def _fetch(self, path: str, size: int) -> IO[bytes]:
        with ExitStack() as stack:
            try:
                spool = stack.enter_context(tempfile.TemporaryFile())
                received = 0
                with self._client.open("GET", path) as response:
                    if response.media_type in WEB_PAGES:
                        response.require_media_type("application/octet-stream")
                    for piece in response.chunks(with_slack(size)):
                        spool.write(piece)
                        received += len(piece)
            except OSError as error:
                raise UnavailableError(
                    f"a file of {self._client.name} cannot be stored", why=error.strerror or str(error)
                ) from error
            if received != size:
                raise UnavailableError(f"{self._client.name} has a file of the wrong size", why=f"{received} bytes, not {size}")
            stack.pop_all()
        self._spools[path] = spool
        return spool
