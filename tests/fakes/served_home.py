"""A home that is served over real HTTP on loopback, in a thread."""

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from catalog.home.home import open_home
from catalog.server.settings import ServerSettings
from catalog.server.site.opening import open_site
from catalog.server.site.site import HeldBlocks
from tests.server.serving import running


@contextlib.contextmanager
def served_home(path: Path, node: HeldBlocks | None = None, *, token: str | None = None) -> Iterator[str]:
    """Serve the home at ``path``, with its archives in ``node``, until the block ends; yield the URL."""
    with open_home(path, now=datetime.now(UTC)) as home:
        site = open_site(home, lambda: datetime.now(UTC), node)
        with running(site, ServerSettings(port=0, token=token)) as (server, _):
            yield server.url
