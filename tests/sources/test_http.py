"""Blocks over HTTP: from a dcat server and from a gateway."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest

from catalog.clients.http import HttpClient
from catalog.errors import BlockNotFoundError, UnavailableError, UnwantedBlocksError
from catalog.ipld.car import encode_car
from catalog.ipld.cid import Cid, cid_of, parse_cid
from catalog.limits import MAX_BLOCKS_A_REQUEST
from catalog.sources.http import HttpBlockSource
from tests.fakes.dags import make_dag, make_leaves
from tests.fakes.lying_source import LyingSource

ROOT, BLOCKS = make_dag(make_leaves(80), width=20)
ABSENT = cid_of(b"absent")


@pytest.fixture
def server() -> Iterator[LyingSource]:
    with LyingSource(BLOCKS) as server:
        yield server


def source_of(server: LyingSource) -> HttpBlockSource:
    return HttpBlockSource(HttpClient(server.url))


def test_a_dcat_server_is_asked_once_for_many(server: LyingSource) -> None:
    source = source_of(server)
    assert {block.cid for block in source.get_many([block.cid for block in BLOCKS] + [ABSENT])} == {block.cid for block in BLOCKS}
    assert [(method, path) for method, path, _ in server.requests] == [("POST", "/dcat/v1/blocks")]


class _CuttingProxy(BaseHTTPRequestHandler):
    """Answer lists as a proxy does that makes a proper end of what was cut off: here after 30 blocks, between two of them."""

    protocol_version = "HTTP/1.1"
    asked: ClassVar[list[int]] = []

    def do_POST(self) -> None:
        cids = [parse_cid(line) for line in self.rfile.read(int(self.headers["Content-Length"])).decode().split()]
        self.asked.append(len(cids))
        held = {block.cid: block for block in BLOCKS}
        found = [held[cid] for cid in cids if cid in held][:30]
        self.send_response(200)
        self.send_header("Content-Type", "application/vnd.ipld.car; version=1")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        body = b"".join(encode_car([], found))
        self.wfile.write(b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


@pytest.mark.parametrize("lacking", [0, 1])
def test_what_a_proxy_cut_off_does_not_count_as_lacking(lacking: int) -> None:
    _CuttingProxy.asked.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), _CuttingProxy) as proxy:
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        source = HttpBlockSource(HttpClient(f"http://127.0.0.1:{proxy.server_port}"))
        cids = [block.cid for block in BLOCKS]
        assert [block.cid for block in source.get_many(cids + [ABSENT] * lacking)] == cids
        source.close()
        proxy.shutdown()
    rest = range(len(cids), 0, -30)  # what the requests ask for, one after the other
    assert _CuttingProxy.asked == [left + lacking for left in rest] + [lacking] * lacking


def test_a_long_list_takes_several_requests(server: LyingSource) -> None:
    cids = [cid_of(str(number).encode()) for number in range(2 * MAX_BLOCKS_A_REQUEST)] + [BLOCKS[0].cid]
    assert [block.cid for block in source_of(server).get_many(cids)] == [BLOCKS[0].cid]
    assert len(server.requests) == 3


@pytest.mark.parametrize("knows_lists", [True, False])
def test_one_block(server: LyingSource, knows_lists: bool) -> None:
    server.knows_lists = knows_lists
    source = source_of(server)
    assert source.get(ROOT.cid) == ROOT.data
    with pytest.raises(BlockNotFoundError):
        source.get(ABSENT)


def test_a_gateway_is_noticed_once(server: LyingSource) -> None:
    server.knows_lists = False
    source = source_of(server)
    for _ in range(2):
        assert len(list(source.get_many([ROOT.cid, ABSENT]))) == 1
    assert [method for method, _, _ in server.requests] == ["POST", *["GET"] * 5]  # one of them: are there plain files?


def test_a_cidv0_is_given_as_it_was_asked(server: LyingSource) -> None:
    cid = Cid(ROOT.cid.binary[2:])
    assert cid.version == 0
    for knows_lists in (True, False):
        server.knows_lists = knows_lists
        assert next(iter(source_of(server).get_many([cid]))) == (cid, ROOT.data)


def test_a_whole_dag(server: LyingSource) -> None:
    assert {block.cid for block in source_of(server).get_dag(ROOT.cid)} == {block.cid for block in BLOCKS}


def test_a_dag_with_strangers_in_it(server: LyingSource) -> None:
    server.behaviour = "extra-blocks"
    with pytest.raises(UnwantedBlocksError):
        list(source_of(server).get_dag(ROOT.cid))


def test_a_server_without_cars_is_not_asked_for_them_again(server: LyingSource) -> None:
    server.knows_lists = server.knows_cars = False
    source = source_of(server)
    source.get(ROOT.cid)
    assert source.gives_dags
    assert list(source.get_dag(ROOT.cid)) == []
    assert not source.gives_dags


def test_a_few_strangers_are_borne_a_flood_is_not(server: LyingSource) -> None:
    source = source_of(server)
    server.behaviour = "duplicate"
    assert list(source.get_many([BLOCKS[-1].cid]))
    server.behaviour = "wrong-root"
    with pytest.raises(UnwantedBlocksError):
        list(source.get_many([block.cid for block in BLOCKS]))


@pytest.mark.parametrize("knows_lists", [True, False])
@pytest.mark.parametrize("behaviour", ["page", "wrong-type"])
def test_what_is_no_block_is_not_read(server: LyingSource, behaviour: str, knows_lists: bool) -> None:
    server.behaviour, server.knows_lists = behaviour, knows_lists
    with pytest.raises(UnavailableError) as caught:
        source_of(server).get(ROOT.cid)
    assert ("captive portal" in caught.value.hint) == (behaviour == "page")


@pytest.mark.parametrize(
    ("media_type", "body"),
    [
        ("text/html", b"<html>"),
        ("text/html; charset=utf-8", b"<!DOCTYPE html><title>Sign in</title>"),
        ("TEXT/HTML", b""),
        ("application/xhtml+xml", b"<html/>"),
        ("text/html", b"\x00" * 1000),
        ("text/html;charset=iso-8859-1", b"<script>location='/login'</script>"),
        ("text/html", b"<meta http-equiv=refresh content='0;url=/login'>"),
        ("Text/Html ; x=y", b"Welcome"),
        ("application/xhtml+xml; charset=utf-8", b"<html/>"),
        ("text/html", ROOT.data),
    ],
)
def test_ten_pages_of_a_captive_portal(server: LyingSource, media_type: str, body: bytes) -> None:
    server.behaviour, server.page = "page", (media_type, body)
    with pytest.raises(UnavailableError) as caught:
        source_of(server).get(ROOT.cid)
    assert "captive portal" in caught.value.hint
