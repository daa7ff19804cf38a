"""HTTP with one configured host that is not trusted: timeouts, caps, redirects, credentials and cancelling in one place."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from catalog import limits


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long a source may take, in seconds; tests scale them down by `scaled`."""

    connect: float = limits.CONNECT_TIMEOUT
    first_byte: float = limits.FIRST_BYTE_TIMEOUT
    rate_window: float = limits.RATE_WINDOW
    min_rate: float = limits.MIN_RATE  # bytes a second, averaged over rate_window
    hedge: float = 2.0
    budget: float = limits.SOURCE_BUDGET  # the longest without any new verified block
    total: float | None = None  # of everything, where the user set one

    def scaled(self, factor: float) -> Self:
        """Give the same limits with every time divided by ``factor``; the rate is the same."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Proxies:
    """What the environment says about proxies, handed in as values."""

    http: str | None = None
    https: str | None = None
    no_proxy: tuple[str, ...] = ()


class HttpClient:
    """Requests to one configured URL; safe to use from several threads."""

    def __init__(
        self,
        url: str,
        *,
        token_file: Path | None = None,
        ca_file: Path | None = None,
        timeouts: Timeouts | None = None,
        proxies: Proxies | None = None,
    ) -> None:
        self.url = url.rstrip("/")
        self.name = url  # host and port, for messages
        raise NotImplementedError

    def open(
        self,
        method: str,
        path: str,
        *,
        query: Iterable[tuple[str, str]] = (),
        accept: str = "*/*",
        body: bytes | Callable[[], Iterator[bytes]] | None = None,
        content_type: str | None = None,
        answers: Iterable[int] = (200,),
        first_byte: float | None = None,
    ) -> "HttpResponse":
        """Send a request and give the response whose status is one of ``answers``; raise `UnavailableError` otherwise."""
        raise NotImplementedError

    def abort(self) -> None:
        """Cut all requests that are under way, from any thread: each raises `UnavailableError` where it runs."""
        raise NotImplementedError

    def close(self) -> None:
        """Abort, and let go of the connections."""
        raise NotImplementedError


class HttpResponse:
    """A response whose body is still to be read, within a cap; a context manager."""

    status: int
    media_type: str

    def chunks(self, limit: int) -> Iterator[bytes]:
        """Give the decoded body as it comes; raise `UnavailableError` past ``limit``, when it is cut short, and when it is too slow."""
        raise NotImplementedError

    def read_all(self, limit: int) -> bytes:
        """Give the whole body."""
        raise NotImplementedError

    def header(self, name: str) -> str | None:
        """Give a header's value."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        raise NotImplementedError
