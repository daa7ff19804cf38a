"""``make screenshots``: every page in every state, light and dark, wide and narrow, and printed; and the one that README shows.

python -m tests.browser.screenshots [--homes FOLDER] [--into FOLDER] [WORD…]

With words, only of the scenes that have one in their name. ``--homes`` keeps the homes, so that the next run need not fill them.
"""

import argparse
import base64
import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Browser, Page

from tests.browser.chromium import NARROW, WIDE, Scheme, chromium, window
from tests.browser.homes import CommandHome, fill
from tests.browser.scenes import SCENES, Scene, locate
from tests.browser.showcase import fill_showcase
from tests.needs import ROOT

FOLDER = ROOT / ".cache" / "screenshots"
README = ROOT / "docs" / "release-page.webp"
_SCHEMES: tuple[Scheme, ...] = ("light", "dark")
_SIZES = {"wide": WIDE, "narrow": NARROW}
_PRINTED = ("release", "name", "difference", "storage")
_README_SIZE = (1120, 760)
_QUALITY = 70


def main(into: Path, homes: Path, words: list[str]) -> None:
    """Take all of them, or those of the scenes that have one of the words in their name."""
    into.mkdir(parents=True, exist_ok=True)
    scenes = [scene for scene in SCENES if not words or any(word in scene.name for word in words)]
    with chromium() as browser, _serve(homes, {scene.home for scene in scenes} | {"bob"}) as addresses:
        for scheme in _SCHEMES:
            for kind, size in _SIZES.items():
                _take(browser, addresses, scenes, into, scheme, kind, size)
        for scene in scenes:
            if scene.name in _PRINTED:
                _print(browser, addresses[scene.home], scene, into)
        if not words:
            _show_in_readme(browser, addresses["bob"], into)
    print(f"{len(list(into.glob('*.png')))} screenshots in {into}; README shows {README.stat().st_size // 1024} KiB")


@contextlib.contextmanager
def _serve(homes: Path, names: set[str]) -> Iterator[dict[str, str]]:
    """Serve the homes, which are filled first if they are not there; yield their addresses."""
    homes.mkdir(parents=True, exist_ok=True)
    if "dora" in names and not (homes / "dora").exists():
        fill_showcase(homes)
    if not (homes / "bob").exists():
        fill(homes)
    (homes / "nobody").mkdir(exist_ok=True)
    with contextlib.ExitStack() as stack:
        yield {name: stack.enter_context(CommandHome(homes / name).serving()) for name in sorted(names)}


def _take(
    browser: Browser, addresses: dict[str, str], scenes: list[Scene], into: Path, scheme: Scheme, kind: str, size: tuple[int, int]
) -> None:
    with window(browser, "", size=size, scheme=scheme) as opened:
        page = opened.new_page()
        for scene in scenes:
            page.goto(locate(addresses[scene.home], scene))
            if scene.act is not None:
                scene.act(page)
            page.screenshot(path=into / f"{scene.file}-{scheme}-{kind}.png", full_page=True)


def _print(browser: Browser, address: str, scene: Scene, into: Path) -> None:
    with window(browser, "", size=(794, 1123)) as opened:
        page = opened.new_page()
        page.goto(locate(address, scene))
        page.emulate_media(media="print")
        page.screenshot(path=into / f"{scene.file}-print.png", full_page=True)


def _show_in_readme(browser: Browser, address: str, into: Path) -> None:
    with window(browser, address, size=_README_SIZE) as opened:
        page = opened.new_page()
        page.goto("/r/mine/shop@1.2")
        shot = into / "readme.png"
        page.screenshot(path=shot)
        README.write_bytes(_compress(page, shot))


def _compress(page: Page, shot: Path) -> bytes:
    """Return a PNG as WebP: the browser itself encodes it."""
    data = base64.b64encode(shot.read_bytes()).decode()
    page.goto("about:blank")
    script = """async ([data, quality]) => {
      const image = new Image();
      image.src = "data:image/png;base64," + data;
      await image.decode();
      const canvas = document.createElement("canvas");
      canvas.width = image.width;
      canvas.height = image.height;
      canvas.getContext("2d").drawImage(image, 0, 0);
      return canvas.toDataURL("image/webp", quality / 100).split(",")[1];
    }"""
    return base64.b64decode(page.evaluate(script, [data, _QUALITY]))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--homes", type=Path)
    parser.add_argument("--into", type=Path, default=FOLDER)
    parser.add_argument("words", nargs="*")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as text:
        main(chosen.into, chosen.homes or Path(text), chosen.words)
