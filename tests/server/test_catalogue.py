"""``/dcat/v1``: the catalogue's name, and blocks by the list."""

import json

import pytest

from catalog.ipld.cid import cid_of
from catalog.ipns.name import parse_ipns_name
from catalog.limits import KIB, MAX_WRITE_BODY, MIB
from tests.server.serving import Blocks, Served, serving

NAME = parse_ipns_name("k51qzi5uqu5dlkw8pxuw9qmqayfdeh4kfebhmreauqdc6a7c3y7d5i9fi8mk9w")
ABSENT = cid_of(b"absent")


def test_the_catalogue_has_a_name(served: Served) -> None:
    with serving(catalogue=NAME) as named:
        answer = named.ask("/dcat/v1/catalogue")
        assert answer.status == 200
        assert json.loads(answer.body) == {"name": str(NAME), "schema": "dcat/catalogue/v1"}
    assert served.ask("/dcat/v1/catalogue").status == 404


def ask(served: Served, body: str) -> list[bytes]:
    answer = served.ask("/dcat/v1/blocks", "POST", body.encode())
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("application/vnd.ipld.car; version=1;")
    assert answer.headers["content-disposition"].startswith("attachment;")
    assert answer.body[:18].hex() == "11a265726f6f7473806776657273696f6e01"
    return [block.data for block in answer.blocks()]


def test_blocks_come_in_the_order_of_the_list_without_those_that_lack() -> None:
    blocks = Blocks()
    cids = [blocks.add(bytes((number,)) * 100) for number in range(50)]
    with serving(blocks) as served:
        wanted = [cids[7], ABSENT, cids[3], cids[7], cids[49]]
        found = ask(served, "\n".join(map(str, wanted)))
        assert found == [b"\7" * 100, b"\3" * 100, bytes((49,)) * 100]
        assert ask(served, f"{cids[1]}\r\n{cids[0]}\r\n") == [b"\1" * 100, b"\0" * 100]
        assert ask(served, "") == []
        assert ask(served, str(ABSENT)) == []
        lacking = "\n".join(str(cid_of(b"%d" % number)) for number in range(1023))
        assert ask(served, f"{lacking}\n{cids[0]}\n") == [b"\0" * 100]


def test_many_large_blocks_are_streamed() -> None:
    blocks = Blocks()
    cids = [blocks.add(bytes((number,)) * 512 * KIB) for number in range(40)]
    with serving(blocks) as served:
        answer = served.ask("/dcat/v1/blocks", "POST", "\n".join(map(str, cids)).encode())
        assert len(answer.body) > 20 * MIB
        assert [block.cid for block in answer.blocks()] == cids


@pytest.mark.parametrize(
    "body",
    [
        b"nonsense",
        b"bafkqaaa",
        f"{ABSENT}\n\n{ABSENT}".encode(),
        f"{ABSENT} {ABSENT}".encode(),
        str(NAME).encode(),
        b"\xff",
        b"\n".join(str(cid_of(b"%d" % number)).encode() for number in range(1025)),
        b"\n" * MAX_WRITE_BODY,
        b"a" * MAX_WRITE_BODY,
    ],
)
def test_a_list_is_cids_and_not_too_many(body: bytes, served: Served) -> None:
    assert served.ask("/dcat/v1/blocks", "POST", body).status == 400


def test_other_methods_are_not_for_lists(served: Served) -> None:
    for method in ("GET", "PUT", "DELETE"):
        assert served.ask("/dcat/v1/blocks", method).status == 405
