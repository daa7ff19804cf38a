"""One browser and one server for all tests of the pages in a browser.

They end with this folder: while a browser is open, Playwright keeps an event loop running in the thread of the tests, and no
test of another folder could run one of its own there.
"""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.browser.chromium import chromium
from tests.browser.homes import CommandHome, fill


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


@pytest.fixture(scope="package")
def homes(tmp_path_factory: pytest.TempPathFactory) -> tuple[CommandHome, CommandHome]:
    """The homes of Ann and of Bob, who follows her."""
    return fill(tmp_path_factory.mktemp("homes"))


@pytest.fixture(scope="package")
def address(homes: tuple[CommandHome, CommandHome]) -> Iterator[str]:
    """The address of Bob's server."""
    with homes[1].serving() as url:
        yield url
