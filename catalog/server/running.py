"""Running a server: listen, answer until told to stop, and do chores meanwhile."""

import asyncio
import contextlib
import errno
import functools
import logging
import resource
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import Any, cast

import uvicorn

from catalog.errors import InvalidConfigError, LockedError
from catalog.model.release import format_time
from catalog.server.app import create_app
from catalog.server.chores import Chore, doing
from catalog.server.counters import Counters
from catalog.server.guard.hosts import HostList
from catalog.server.heap import bound_heap
from catalog.server.log import escape
from catalog.server.response.streaming import Workers
from catalog.server.settings import ServerLimits, ServerSettings
from catalog.server.site.site import Site
from catalog.server.transport.crowd import Stalled, Waiting
from catalog.server.transport.protocol import LimitedProtocol

_BACKLOG = 1024
_OTHER_FILES = 128  # what a process keeps open besides its connections: databases, libraries, logs
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True, slots=True)
class RunningServer:
    """A server that accepts connections. ``stop`` may be called from any thread, more than once.

    ``host`` is the address it listens on; where that is every address, ``url`` has this machine's name.
    """

    host: str
    port: int
    stop: Callable[[], None]

    @property
    def url(self) -> str:
        host = socket.gethostname() if ip_address(self.host).is_unspecified else self.host
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"


def run_server(
    site: Site,
    settings: ServerSettings,
    *,
    ready: Callable[[RunningServer], None],
    log: Callable[[str], None],
    chores: Sequence[Chore] = (),
) -> None:
    """Answer requests until SIGINT, SIGTERM or `RunningServer.stop`; then finish those in flight, for a few seconds at most.

    ``ready`` is called once connections are accepted. ``log`` is called with one escaped line for each request and each failed
    chore, from several threads. Signals are handled only in the main thread. Raise `LockedError` where the port is taken,
    `InvalidConfigError` for an address that cannot be bound.
    """
    bound_heap()
    listener = _listen(settings)
    workers, counters = Workers(), Counters()
    settings = replace(settings, limits=replace(settings.limits, connections=_most_connections(settings.limits)))
    hosts = HostList(settings, (socket.gethostname(),))
    stalled = Stalled(settings.limits.stalled_bytes)
    app = create_app(site, settings, workers, counters, hosts, log, lambda: stalled.make_room(settings.limits.stall_grace))
    protocol = functools.partial(
        LimitedProtocol,
        limits=settings.limits,
        waiting=Waiting(),
        stalled=stalled,
        on_refusal=lambda status: counters.add("refused_total", 1, f'{{reason="malformed-{status}"}}'),
    )
    config = uvicorn.Config(
        app,
        http=cast(Any, protocol),
        ws="none",
        loop="asyncio",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=_BACKLOG,
        timeout_keep_alive=cast(int, settings.limits.idle_timeout),
        timeout_graceful_shutdown=cast(int, settings.limits.shutdown_timeout),
    )
    try:
        asyncio.run(_serve(_Server(config, workers, settings.limits), listener, site, ready, log, chores))
    finally:
        listener.close()
        workers.close()


class _Server(uvicorn.Server):
    """uvicorn's server without its signal handlers, which raise the signal again once it ended; `_serve` handles them.

    When it stops, pulls from the registry get more time to end than other requests: many engines cannot resume one.
    """

    def __init__(self, config: uvicorn.Config, workers: Workers, limits: ServerLimits) -> None:
        super().__init__(config)
        self._workers = workers
        self._limits = limits

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        seconds = self._limits.download_timeout if self._workers.count_downloads() else self._limits.shutdown_timeout
        self.config.timeout_graceful_shutdown = cast(int, seconds)
        await super().shutdown(sockets)
        for connection in list(self.server_state.connections):  # whose requests were cancelled: what was written is not waited for
            cast(LimitedProtocol, connection).cut_off()
        await asyncio.sleep(0)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _serve(
    server: _Server,
    listener: socket.socket,
    site: Site,
    ready: Callable[[RunningServer], None],
    log: Callable[[str], None],
    chores: Sequence[Chore],
) -> None:
    loop = asyncio.get_running_loop()
    _log_failures(loop, site, log)

    def stop() -> None:
        server.force_exit = server.should_exit  # the second signal ends it at once
        server.should_exit = True

    def stop_from_anywhere() -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(setattr, server, "should_exit", True)

    host, port = listener.getsockname()[:2]

    def report(label: str, error: Exception) -> None:
        log(f"{format_time(site.now())} {escape(label)} failed: {escape(f'{type(error).__name__}: {error}')}")

    with _signals_handled(loop, stop), doing([*site.chores, *chores], report):
        serving = asyncio.create_task(server.serve([listener]))
        while not server.started and not serving.done():
            await asyncio.sleep(0.001)
        if server.started:
            ready(RunningServer(host, port, stop_from_anywhere))
        await serving


@contextlib.contextmanager
def _signals_handled(loop: asyncio.AbstractEventLoop, stop: Callable[[], None]) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    for number in _SIGNALS:
        loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)


def _log_failures(loop: asyncio.AbstractEventLoop, site: Site, log: Callable[[str], None]) -> None:
    """Log errors outside a request as one escaped line, and silence uvicorn, since the guard logs requests."""

    def report(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        text = context.get("message", "") if error is None else f"{type(error).__name__}: {error}"
        log(f"{format_time(site.now())} server: {escape(text)}")

    loop.set_exception_handler(report)
    logging.getLogger("uvicorn.error").disabled = True


def _listen(settings: ServerSettings) -> socket.socket:
    host = settings.listening_host
    where = f"{host} port {settings.port}"
    try:
        address = socket.getaddrinfo(host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        return socket.create_server(address[4][:2], family=address[0], backlog=_BACKLOG)
    except (OSError, UnicodeError, OverflowError) as error:
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            raise LockedError(
                f"{where} is taken", why="another process listens there", hint="stop it, or choose another port by --port"
            ) from error
        why = (error.strerror or str(error)).partition(" (while")[0] if isinstance(error, OSError) else "it is not a host name"
        raise InvalidConfigError(
            f"cannot listen on {where}", why=why, hint="--host is a name or an address of this machine: 127.0.0.1, ::1"
        ) from error


def _most_connections(limits: ServerLimits) -> int:
    """Return how many connections this process can hold open: each takes a file descriptor, and one more while a body is sent."""
    allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if allowed == resource.RLIM_INFINITY:
        return limits.connections
    return max(min(limits.connections, allowed - _OTHER_FILES - limits.in_flight), 16)
