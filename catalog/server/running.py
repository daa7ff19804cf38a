"""Listen, answer until told to stop, and do the chores of a running home meanwhile."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from catalog.server.settings import ServerSettings
from catalog.server.site import Site


@dataclass(frozen=True, slots=True)
class Chore:
    """Something that a running server does every ``every`` seconds, in a thread of its own, the first time at once.

    What it raises is logged, and it runs again at its next time.
    """

    label: str
    every: float
    run: Callable[[], object]


@dataclass(frozen=True, slots=True)
class RunningServer:
    """A server that accepts connections. ``stop`` may be called from any thread, more than once."""

    host: str
    port: int
    stop: Callable[[], None]

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"


def run_server(
    site: Site,
    settings: ServerSettings,
    *,
    ready: Callable[[RunningServer], None],
    log: Callable[[str], None],
    chores: Sequence[Chore] = (),
) -> None:
    """Answer requests until SIGINT, SIGTERM or `RunningServer.stop`; then finish what is in flight, for a few seconds at most.

    ``ready`` is called once, when connections are accepted. ``log`` takes one line for each request and each failed chore, escaped.
    Signals are handled only where this runs in the main thread. Raises `LockedError` where the port is taken.
    """
    raise NotImplementedError
