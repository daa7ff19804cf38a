"""``/ipns``: what a name leads to, and for how long."""

import json
from collections.abc import Iterator
from datetime import timedelta

import pytest

from catalog.ipld.cid import Cid
from catalog.ipns.key import create_key
from catalog.ipns.record import create_record
from catalog.ipns.validity import nanoseconds
from tests.factory.times import NOW
from tests.server.dags import add_directory, add_file
from tests.server.serving import Blocks, Records, Served, serving

KEY, EXPIRED, STRANGER = create_key(), create_key(), create_key()


@pytest.fixture(scope="module")
def root_and_server() -> Iterator[tuple[Cid, Served]]:
    blocks = Blocks()
    file = add_file(blocks, b"an archive", leaf=4)
    root = add_directory(blocks, {"web 1.tar.zst": file})
    value = f"/ipfs/{root}".encode()
    records = {
        key.name: create_record(key, value, sequence=1, validity=nanoseconds(NOW + timedelta(days=days))).encoded
        for key, days in ((KEY, 3), (EXPIRED, -1))
    }
    with serving(blocks, Records(records)) as served:
        yield root, served


def test_paths_lead_through_the_snapshot_of_a_name(root_and_server: tuple[Cid, Served]) -> None:
    root, served = root_and_server
    for name in (str(KEY.name), KEY.name.peer_id):
        answer = served.ask(f"/ipns/{name}/web%201.tar.zst")
        assert (answer.status, answer.body) == (200, b"an archive")
        assert answer.headers["content-disposition"] == 'attachment; filename="web 1.tar.zst"'
        assert answer.headers["x-ipfs-path"] == f"/ipns/{name}/web%201.tar.zst"
        assert answer.headers["x-ipfs-roots"].split(",")[0] == str(root)
    assert served.ask(f"/ipns/{KEY.name}/web%201.tar.zst", "GET", None, Range="bytes=3-4").body == b"ar"
    assert served.ask(f"/ipns/{KEY.name}/other").status == 404
    assert served.ask(f"/ipns/{KEY.name}/%ff").status == 400
    assert b"\tweb 1.tar.zst\n" in served.ask(f"/ipns/{KEY.name}/").body
    listed = served.ask(f"/ipns/{KEY.name}", "GET", None, Accept="application/json")
    assert json.loads(listed.body)["cid"] == str(root)
    car = served.ask(f"/ipns/{KEY.name}/web%201.tar.zst?format=car")
    assert car.blocks()[0].cid == root
    assert served.ask(f"/ipns/{KEY.name}?format=raw").headers["etag"] == f'"{root}.raw"'
    assert served.ask(f"/ipns/{KEY.name}/a?format=raw").status == 400


def test_what_a_name_leads_to_is_kept_as_long_as_its_record(root_and_server: tuple[Cid, Served]) -> None:
    _, served = root_and_server
    for query in ("/web%201.tar.zst", "", "?format=car", "?format=raw"):
        answer = served.ask(f"/ipns/{KEY.name}{query}")
        assert answer.headers["cache-control"].startswith("public, max-age=300,"), query
        assert "immutable" not in answer.headers["cache-control"]
        assert answer.headers["expires"]
        same = served.ask(f"/ipns/{KEY.name}{query}", "GET", None, If_None_Match=answer.headers["etag"])
        assert (same.status, same.headers["cache-control"]) == (304, answer.headers["cache-control"])
        assert served.ask(f"/ipns/{EXPIRED.name}{query}").headers["cache-control"] == "no-store"


def test_of_a_name_that_is_not_known_nothing_is_shown(root_and_server: tuple[Cid, Served]) -> None:
    _, served = root_and_server
    for text in ("nonsense", "example.org", "%00", "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"):
        for ending in ("", "/a", "?format=car"):
            assert served.ask(f"/ipns/{text}{ending}").status == 400
    for ending in ("", "/web%201.tar.zst", "?format=car"):
        answer = served.ask(f"/ipns/{STRANGER.name}{ending}")
        assert (answer.status, answer.headers["cache-control"]) == (404, "public, max-age=15")
    assert served.ask(f"/ipns/{KEY.name}/a?format=ipns-record").status == 400
    assert served.ask(f"/ipns/{KEY.name}", "GET", None, Accept="text/html").status == 406
    assert served.ask(f"/ipns/{KEY.name}?format=tar").status == 406


def test_a_record_that_was_offered_does_not_move_the_snapshot() -> None:
    """Only a sync decides what a home shows; until then what it shows may not be cached."""
    blocks = Blocks()
    first, second = (add_directory(blocks, {name: add_file(blocks, name.encode(), leaf=9)}) for name in ("first", "second"))

    class Fixed(Records):
        def snapshot(self, name: object) -> Cid:
            return first

    record = create_record(KEY, f"/ipfs/{second}".encode(), sequence=2, validity=nanoseconds(NOW + timedelta(days=3)))
    with serving(blocks, Fixed({KEY.name: record.encoded})) as served:
        answer = served.ask(f"/ipns/{KEY.name}/first")
        assert (answer.body, answer.headers["cache-control"]) == (b"first", "no-cache")
        assert served.ask(f"/ipns/{KEY.name}/second").status == 404
