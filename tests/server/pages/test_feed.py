"""The feeds have what RFC 4287 asks of a feed and its entries (sections 4.1.1 and 4.1.2)."""

from xml.etree import ElementTree as Xml

import pytest

from catalog.model.release import parse_time
from tests.server.pages.conftest import Pages

_ATOM = "{http://www.w3.org/2005/Atom}"


@pytest.mark.parametrize("path", ["/c/mine.atom", "/r/mine/web.atom"])
def test_a_feed_is_valid_atom(pages: Pages, path: str) -> None:
    feed = Xml.fromstring(pages.get(path).body)
    assert feed.tag == f"{_ATOM}feed"
    entries = feed.findall(f"{_ATOM}entry")
    assert entries
    for element in (feed, *entries):
        for required in ("id", "title", "updated"):
            assert [bool(found.text) for found in element.findall(f"{_ATOM}{required}")] == [True], required
        parse_time(str(element.findtext(f"{_ATOM}updated")))
        assert str(element.findtext(f"{_ATOM}id")).startswith("ipns://k51")
    assert feed.findtext(f"{_ATOM}author/{_ATOM}name") == "mine"
    links = {link.get("rel"): link.get("href") for link in feed.findall(f"{_ATOM}link")}
    assert links["self"] == f"http://127.0.0.1:{pages.port}{path}"
    identities = [entry.findtext(f"{_ATOM}id") for entry in entries]
    assert len(set(identities)) == len(identities)
    for entry in entries:
        (link,) = entry.findall(f"{_ATOM}link")
        assert link.get("rel") == "alternate"
        address = str(link.get("href")).removeprefix(f"http://127.0.0.1:{pages.port}")
        assert pages.get(address).status == 200
