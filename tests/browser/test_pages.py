"""Every page in a real browser: light and dark, wide and narrow, by keyboard alone, without JavaScript, checked by axe."""

import re
from pathlib import Path
from typing import Any

import axe_playwright_python
import pytest
from playwright.sync_api import Browser, Page

from tests.browser.chromium import NARROW, PATIENCE, REFLOW, WIDE, Scheme, wait_until, window
from tests.browser.homes import CommandHome
from tests.browser.scenes import BOB, locate

pytestmark = pytest.mark.xdist_group("browser")

PAGES = {scene.name: scene for scene in BOB}
_DARK = ["front", "search", "nothing found", "own catalogue", "name", "release", "followed and not held", "removed"]
_DARK += ["directory", "text", "program", "difference", "difference of what is not here", "storage", "status", "error", "block"]
EMPTY = ("/", "/storage", "/status")
_AXE = next(Path(axe_playwright_python.__file__).parent.rglob("axe.min.js")).read_text(encoding="utf-8")
_OVERFLOWS = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
_RULES = "{runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'], resultTypes: ['violations']}"
_LISTEN = """
window.said = [];
new MutationObserver((changes) => {
  for (const { target } of changes) if (target.getAttribute?.("role") === "status") window.said.push(target.textContent);
}).observe(document, { childList: true, subtree: true });
"""
"""Notes what is read aloud: it stands on the page for a second and a half, in which a busy machine may not look."""
_ALIKE = ("directory", "found files", "difference")
"""Pages of many rows that are all alike: axe, which looks at each element, is shown ten of them."""


def open_page(page: Page, address: str, path: str) -> list[str]:
    """Open a page; return what it asked for elsewhere, and what the browser's console said."""
    found: list[str] = []
    page.on("request", lambda request: None if request.url.startswith(f"{address}/") else found.append(request.url))
    page.on("console", lambda message: found.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: found.append(str(error)))
    page.goto(path)
    return [entry for entry in found if "404 (Not Found)" not in entry]


@pytest.mark.parametrize(
    ("size", "scheme", "names"), [(WIDE, "light", list(PAGES)), (NARROW, "dark", _DARK)], ids=["wide-light", "narrow-dark"]
)
def test_axe_finds_nothing_and_nothing_overflows(
    browser: Browser, address: str, scheme: Scheme, size: tuple[int, int], names: list[str]
) -> None:
    """Every page is checked once, and what the style sheet changes, colours and layout, once more for each template."""
    found: dict[str, Any] = {}
    with window(browser, address, size=size, scheme=scheme) as opened:
        for name in names:
            page = opened.new_page()
            path = locate(address, PAGES[name])
            said = open_page(page, address, f"{path}{'&' if '?' in path else '?'}n=10" if name in _ALIKE else path)
            page.evaluate(_AXE)
            result = page.evaluate(f"axe.run({_RULES})")
            problems = [(entry["id"], [node["target"] for node in entry["nodes"]]) for entry in result["violations"]]
            if page.evaluate(_OVERFLOWS):
                problems.append(("overflow", []))
            if problems or said:
                found[name] = (problems, said)
            page.close()
    assert found == {}


@pytest.mark.parametrize(("size", "scheme"), [(WIDE, "dark"), (REFLOW, "light")], ids=["wide-dark", "reflow-light"])
def test_nothing_overflows_and_nothing_is_said(browser: Browser, address: str, scheme: Scheme, size: tuple[int, int]) -> None:
    with window(browser, address, size=size, scheme=scheme) as opened:
        page = opened.new_page()
        for name in PAGES:
            assert open_page(page, address, locate(address, PAGES[name])) == [], name
            assert not page.evaluate(_OVERFLOWS), name


def test_the_pages_of_an_empty_home_teach_and_pass(browser: Browser, tmp_path: Path) -> None:
    with CommandHome(tmp_path).serving() as url, window(browser, url, size=NARROW) as opened:
        page = opened.new_page()
        for path in EMPTY:
            assert open_page(page, url, path) == []
            page.evaluate(_AXE)
            assert page.evaluate(f"axe.run({_RULES})")["violations"] == []
            assert "dcat " in page.locator("main").inner_text()


def test_a_page_is_complete_without_javascript(browser: Browser, address: str) -> None:
    found: dict[str, Any] = {}
    with window(browser, address, script=False) as without, window(browser, address) as with_script:
        bare, full = without.new_page(), with_script.new_page()
        for name in PAGES:
            bare.goto(locate(address, PAGES[name]))
            full.goto(locate(address, PAGES[name]))
            bare.evaluate("document.querySelectorAll('noscript').forEach(one => one.remove())")  # in place of copy buttons
            if words(bare) != words(full) or bare.locator("button.copy:visible").count():
                found[name] = (words(bare), words(full))
    assert found == {}


def words(page: Page) -> list[str]:
    """Return what can be read on a page, apart from what only a script can do; ages may differ by a minute."""
    text = page.locator("main").inner_text()
    return re.sub(r"just now|\d+ (?:s|min|h|d) ago|in \d+ (?:s|min|h|d)\b|sha256\b(?!:)", "", text).split()


def test_each_tab_shows_its_own_lines_without_javascript(browser: Browser, address: str) -> None:
    with window(browser, address, script=False) as opened:
        page = opened.new_page()
        page.goto("/r/mine/shop@1.2")
        labels = page.locator(".tabs > label")
        shown = []
        for number in range(labels.count()):
            labels.nth(number).click()
            visible = page.locator(".tab:visible")
            assert visible.count() == 1
            shown.append(visible.inner_text())
        assert len(set(shown)) == labels.count() >= 5


def test_the_main_way_goes_by_keyboard_alone(browser: Browser, address: str) -> None:
    """From the first page to a file of an image and to the difference of two releases, without a pointer."""
    with window(browser, address) as opened:
        page = opened.new_page()
        page.goto("/")
        wait_until(page, "document.activeElement.type === 'search'")
        page.keyboard.type("shop")
        page.keyboard.press("Enter")
        page.wait_for_url("**/search?q=shop")
        follow(page, "shop")
        follow(page, "1.2")
        page.wait_for_url("**/r/mine/shop@1.2")
        reach(page, "input", "tab-dcat")
        page.keyboard.press("ArrowRight")
        assert page.locator("#tab-docker").is_checked()
        follow(page, "Browse the files")
        follow(page, "srv/")
        follow(page, "app/")
        follow(page, "main.py")
        assert "shop 1.2" in page.locator("pre.content").inner_text()
        page.goto("/r/mine/shop@1.2")
        follow(page, "What changed since 1.0")
        assert "5.1-2" in page.locator("main").inner_text()


def follow(page: Page, text: str) -> None:
    """Move the focus by Tab to the link with a text, and press Enter."""
    page.locator("body").evaluate("document.activeElement.blur()")
    for _ in range(400):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.tagName === 'A' && document.activeElement.innerText.trim()") == text:
            with page.expect_navigation():
                page.keyboard.press("Enter")
            return
    raise AssertionError(f"no link {text!r} can be reached by Tab on {page.url}")


def reach(page: Page, tag: str, identity: str) -> None:
    for _ in range(200):
        page.keyboard.press("Tab")
        if page.evaluate("[document.activeElement.tagName.toLowerCase(), document.activeElement.id]") == [tag, identity]:
            return
    raise AssertionError(f"{identity} cannot be reached by Tab")


def test_the_keyboard_skips_the_header_and_copies(browser: Browser, address: str) -> None:
    """The first Tab leads to the content, a slash to the search box; what was copied is read aloud."""
    with window(browser, address) as opened:
        opened.grant_permissions(["clipboard-read", "clipboard-write"], origin=address)
        opened.add_init_script(_LISTEN)
        page = opened.new_page()
        page.goto("/r/mine/shop@1.2")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        wait_until(page, "document.activeElement.id === 'main'")
        page.locator("button.copy").first.focus()
        page.keyboard.press("Space")
        wait_until(page, "window.said.includes('Copied')")
        assert page.evaluate("navigator.clipboard.readText()") == "shop@1.2"
        page.keyboard.press("/")
        wait_until(page, "document.activeElement.type === 'search'")
        page.keyboard.type("abc")
        assert page.evaluate("document.activeElement.value") == "abc"
        page.keyboard.press("Escape")
        wait_until(page, "document.activeElement.value === ''")


def test_copy_buttons_copy_what_they_stand_at(browser: Browser, address: str) -> None:
    with window(browser, address) as opened:
        opened.grant_permissions(["clipboard-read", "clipboard-write"], origin=address)
        opened.add_init_script(_LISTEN)
        page = opened.new_page()
        page.goto("/r/mine/shop@1.2")
        button = page.locator("button.copy[aria-label='Copy the archive’s CID']")
        button.click()
        wait_until(page, "window.said.includes('Copied')")
        copied = page.evaluate("navigator.clipboard.readText()")
        assert copied == page.locator(".ident code").first.inner_text()


def test_the_theme_is_switched_and_kept(browser: Browser, address: str) -> None:
    with window(browser, address, scheme="light") as opened:
        page = opened.new_page()
        page.goto("/")
        before = page.evaluate("getComputedStyle(document.body).backgroundColor")
        page.locator("button.theme").click()
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") != before
        page.goto("/storage")
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") != before
        assert opened.cookies() == []


def test_names_are_filtered_while_typing(browser: Browser, address: str) -> None:
    with window(browser, address) as opened:
        page = opened.new_page()
        page.goto("/c/mine")
        page.locator("input[data-filter]").fill("etl")
        assert page.locator("#names tbody tr:visible").all_inner_texts()[0].startswith("team/etl")
        assert page.locator("#names tbody tr:visible").count() == 1


def test_a_page_prints_all_lines_and_no_buttons(browser: Browser, address: str) -> None:
    with window(browser, address) as opened:
        page = opened.new_page()
        page.goto("/r/mine/shop@1.2")
        page.emulate_media(media="print")
        assert page.locator(".tab:visible").count() == page.locator(".tab").count()
        assert page.locator("button:visible").count() == 0


def test_a_token_is_asked_for_and_taken(homes: tuple[Any, Any], browser: Browser, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("a-token-of-the-team\n")
    token.chmod(0o600)
    with homes[1].serving("--token-file", str(token)) as url:
        with window(browser, url) as opened:
            page = opened.new_page()
            answer = page.request.get(f"{url}/", timeout=PATIENCE)
            assert answer.status == 401
        with window(browser, url, password="a-token-of-the-team") as opened:
            page = opened.new_page()
            page.goto("/r/mine/shop@1.2")
            assert page.locator("h1").inner_text().startswith("shop")
            assert "$DCAT_TOKEN" in page.content()
            assert "a-token-of-the-team" not in page.content()
