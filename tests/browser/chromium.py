"""Debian's chromium under playwright: headless, with a new profile, without any request of its own."""

import contextlib
import shutil
from collections.abc import Iterator
from typing import Literal

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.needs import lacks

PROGRAM = "/usr/bin/chromium"
_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WIDE, NARROW = (1280, 900), (360, 780)
REFLOW = (320, 780)  # what WCAG 1.4.10 asks for: 1280 pixels at a zoom of 400 %
PATIENCE = 300_000  # milliseconds: a busy machine takes its time
_PAUSE = "const pause = () => new Promise((done) => setTimeout(done, 20));"
Scheme = Literal["light", "dark"]


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """Start the browser; a test that needs it skips where there is none."""
    if shutil.which(PROGRAM) is None:
        lacks("browser", f"no {PROGRAM}")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=PROGRAM, args=_ARGUMENTS, timeout=PATIENCE)
        try:
            yield browser
        finally:
            browser.close()


@contextlib.contextmanager
def window(
    browser: Browser,
    address: str,
    *,
    size: tuple[int, int] = WIDE,
    scheme: Scheme = "light",
    script: bool = True,
    password: str = "",
) -> Iterator[BrowserContext]:
    """Open a window without history, at a server's address, which is told ``password`` if it asks for one."""
    context = browser.new_context(
        base_url=address,
        viewport={"width": size[0], "height": size[1]},
        color_scheme=scheme,
        java_script_enabled=script,
        reduced_motion="reduce",
        http_credentials={"username": "any", "password": password} if password else None,
    )
    context.set_default_timeout(PATIENCE)
    try:
        yield context
    finally:
        context.close()


def wait_until(page: Page, condition: str) -> None:
    """Wait until a JavaScript expression is true.

    `Page.wait_for_function` evaluates a string again for each look, which the pages' Content-Security-Policy refuses for all
    but the first one; here it is compiled once.
    """
    look = f"for (const end = Date.now() + {PATIENCE}; Date.now() < end; await pause()) if ({condition}) return true;"
    assert page.evaluate(f"async () => {{ {_PAUSE} {look} return false; }}"), condition
