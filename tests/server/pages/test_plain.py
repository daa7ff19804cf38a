"""Pages that stand on a web server as plain files."""

import re
from posixpath import join, normpath

from catalog.hosting.listings import CatalogueModel, NameModel
from catalog.index.releases import NameEntry
from catalog.server.pages.plain import PlainPages
from tests.factory.releases import make_release
from tests.factory.times import AT

_LINK = re.compile(r'(?:href|src)="([^"]*)"')
HOSTILE = '<script>alert(1)</script>"\u202e'


def links(page: bytes, place: str) -> set[str]:
    """Return the files that a page links, by their paths."""
    return {normpath(join(place, link)) for link in _LINK.findall(page.decode())}


def test_all_links_stay_in_the_folder() -> None:
    pages = PlainPages()
    entry = NameEntry("k51", "acme/web", "1.0", 1, AT, "", "")
    catalogue = pages.catalogue(CatalogueModel("", "k51", (entry,), False))
    assert links(catalogue, "") == {"pages/style.css", "pages/icon.svg", "names/acme/web/index.html", "releases.ndjson"}
    name = pages.name(NameModel("acme/web", (make_release("acme/web"),), True))
    assert links(name, "names/acme/web") == {"pages/style.css", "pages/icon.svg", "index.html", "names/acme/web/releases.ndjson"}
    assert pages.assets().keys() == {"pages/style.css", "pages/icon.svg"}


def test_text_of_a_catalogue_is_harmless() -> None:
    pages = PlainPages()
    entry = NameEntry("k51", "web", "1.0", 1, AT, HOSTILE, "")
    release = make_release(annotations={"title": HOSTILE}, yanked=HOSTILE)
    for page in (
        pages.catalogue(CatalogueModel(HOSTILE, "k51", (entry,), False)),
        pages.name(NameModel("web", (release,), False)),
    ):
        text = page.decode()
        assert "<script" not in text
        assert "\u202e" not in text
        assert "&lt;script&gt;" in text
