"""A home that is served over real HTTP on loopback, in a thread."""

import contextlib
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from catalog.home.home import open_home
from catalog.server.running import RunningServer, run_server
from catalog.server.settings import ServerSettings
from catalog.server.site.opening import open_site
from catalog.server.site.site import HeldBlocks


@contextlib.contextmanager
def served_home(path: Path, node: HeldBlocks | None = None, *, token: str | None = None) -> Iterator[str]:
    """Serve the home at ``path``, with its archives in ``node``, until the block ends; yield the URL."""
    started = threading.Event()
    found: list[RunningServer] = []
    failed: list[BaseException] = []

    def ready(server: RunningServer) -> None:
        found.append(server)
        started.set()

    def run() -> None:
        try:
            with open_home(path, now=datetime.now(UTC)) as home:
                site = open_site(home, lambda: datetime.now(UTC), node)
                run_server(site, ServerSettings(port=0, token=token), ready=ready, log=lambda line: None)
        except BaseException as error:
            failed.append(error)
        finally:
            started.set()

    thread = threading.Thread(target=run)
    thread.start()
    started.wait()
    try:
        if failed:
            raise failed[0]
        yield found[0].url
    finally:
        if found:
            found[0].stop()
        thread.join(60)
        assert not thread.is_alive(), "the server does not stop"
