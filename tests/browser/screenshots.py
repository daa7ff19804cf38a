"""``make screenshots``: every page, light and dark, wide and narrow, as PNG files to be looked at; and the one that README shows.

python -m tests.browser.screenshots [FOLDER]
"""

import base64
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page

from tests.browser.chromium import NARROW, WIDE, Scheme, chromium, window
from tests.browser.homes import CommandHome, fill
from tests.browser.test_pages import EMPTY, PAGES, locate
from tests.needs import ROOT

FOLDER = ROOT / ".cache" / "screenshots"
README = ROOT / "docs" / "release-page.webp"
_SCHEMES: tuple[Scheme, ...] = ("light", "dark")
_README_SIZE = (1120, 760)
_QUALITY = 70


def main(folder: Path) -> None:
    """Take all of them."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as text, chromium() as browser:
        _, bob = fill(Path(text))
        with bob.serving() as address:
            for scheme in _SCHEMES:
                for kind, size in (("wide", WIDE), ("narrow", NARROW)):
                    with window(browser, address, size=size, scheme=scheme) as opened:
                        page = opened.new_page()
                        for name in PAGES:
                            page.goto(locate(address, name))
                            page.screenshot(path=folder / f"{name.replace(' ', '-')}-{scheme}-{kind}.png", full_page=True)
            (Path(text) / "empty").mkdir()
            with CommandHome(Path(text) / "empty").serving() as empty, window(browser, empty, size=NARROW) as opened:
                for path in EMPTY:
                    page = opened.new_page()
                    page.goto(path)
                    page.screenshot(path=folder / f"empty{path.replace('/', '-')}.png", full_page=True)
            with window(browser, address, size=_README_SIZE) as opened:
                page = opened.new_page()
                page.goto(PAGES["release"])
                shot = folder / "readme.png"
                page.screenshot(path=shot)
                README.write_bytes(_compress(page, shot))
    print(f"{len(list(folder.glob('*.png')))} screenshots in {folder}; README shows {README.stat().st_size // 1024} KiB")


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
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
