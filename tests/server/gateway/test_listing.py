"""Directories: listed as lines and as JSON, plain and sharded, and what contradicts itself."""

import json
import random
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from catalog.ipld.block import Block
from catalog.ipld.cid import DAG_PB, Cid, cid_of
from catalog.ipld.dag_pb import PBLink, decode_node, encode_node
from catalog.unixfs import hamt
from catalog.unixfs.file import FileLink
from catalog.unixfs.hamt import Entry
from catalog.unixfs.node import MURMUR3_X64_64, UnixFSData, UnixFSType, encode_data
from tests.server.dags import add_directory, add_file, keep
from tests.server.serving import Blocks, Served, serving

NAMES = ["a b.bin", "ü", "line\nbreak", "\x1b[31m", 'quo"te']


class Listed(NamedTuple):
    """A served directory, a sharded one of 2,000 entries, and the file that all of them link."""

    served: Served
    plain: Cid
    sharded: Cid
    file: FileLink


@pytest.fixture(scope="module")
def listed() -> Iterator[Listed]:
    blocks = Blocks()
    file = add_file(blocks, random.Random(1).randbytes(5000), leaf=1000)
    plain = add_directory(blocks, dict.fromkeys(NAMES, file))
    entries = [Entry(f"n{number}", file.cid, file.dag_size) for number in range(2000)]
    sharded = hamt.build_shards(entries, lambda block: keep(blocks, block)).cid
    with serving(blocks) as served:
        yield Listed(served, plain, sharded, file)


def test_lines_have_cid_size_and_escaped_name(listed: Listed) -> None:
    for path in (f"/ipfs/{listed.plain}", f"/ipfs/{listed.plain}/"):
        answer = listed.served.ask(path)
        assert (answer.status, answer.headers["content-type"]) == (200, "text/plain; charset=utf-8")
        lines = [line.split("\t") for line in answer.body.decode().removesuffix("\n").split("\n")]
        start = [str(listed.file.cid), str(listed.file.dag_size)]
        assert sorted(lines) == sorted([*start, name] for name in ("a b.bin", "ü", "line\\u{a}break", "\\u{1b}[31m", 'quo"te'))


@pytest.mark.parametrize("accept", ["application/json", "application/json, */*", "application/*;q=0.5"])
def test_json_has_exact_names(accept: str, listed: Listed) -> None:
    answer = listed.served.ask(f"/ipfs/{listed.plain}", "GET", None, Accept=accept)
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    document = json.loads(answer.body)
    assert (document["schema"], document["cid"]) == ("dcat/directory/v1", str(listed.plain))
    entries = [{"cid": str(listed.file.cid), "name": name, "size": listed.file.dag_size} for name in sorted(NAMES)]
    assert sorted(document["entries"], key=lambda entry: entry["name"]) == entries


def test_a_sharded_directory_is_listed_whole(listed: Listed) -> None:
    answer = listed.served.ask(f"/ipfs/{listed.sharded}")
    assert {line.split("\t")[2] for line in answer.body.decode().splitlines()} == {f"n{number}" for number in range(2000)}
    assert (
        len(json.loads(listed.served.ask(f"/ipfs/{listed.sharded}", "GET", None, Accept="application/json").body)["entries"])
        == 2000
    )
    assert listed.served.ask(f"/ipfs/{listed.sharded}/n1999").body == listed.served.ask(f"/ipfs/{listed.file.cid}").body


def test_an_empty_directory_has_an_empty_list() -> None:
    with serving() as served:
        root = add_directory(served.blocks, {})
        assert served.ask(f"/ipfs/{root}").body == b""
        document = json.loads(served.ask(f"/ipfs/{root}", "GET", None, Accept="application/json").body)
        assert document == {"cid": str(root), "entries": [], "schema": "dcat/directory/v1"}


def test_a_list_is_inert_and_is_not_sent_again(listed: Listed) -> None:
    path = f"/ipfs/{listed.plain}"
    answer = listed.served.ask(path)
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"] == "sandbox; default-src 'none'"
    assert answer.headers["cache-control"] == "public, max-age=604800"
    assert answer.headers["vary"] == "Accept"
    assert answer.headers["x-ipfs-roots"] == str(listed.plain)
    head = listed.served.ask(path, "HEAD")
    assert (head.status, head.body, head.headers["etag"]) == (200, b"", answer.headers["etag"])
    same = listed.served.ask(path, "GET", None, If_None_Match=answer.headers["etag"])
    assert (same.status, same.body) == (304, b"")
    other = listed.served.ask(path, "GET", None, If_None_Match=answer.headers["etag"], Accept="application/json")
    assert other.status == 200
    assert listed.served.ask(path, "GET", None, Range="bytes=0-5").body == answer.body


@pytest.mark.parametrize(
    ("accept", "directory", "file"),
    [
        ("text/plain", 200, 406),
        ("application/json", 200, 406),
        ("application/octet-stream", 406, 200),
        ("text/html", 406, 406),
        ("text/html, */*;q=0.8", 200, 200),
    ],
)
def test_a_file_and_a_directory_are_sent_as_they_are_accepted(accept: str, directory: int, file: int, listed: Listed) -> None:
    assert listed.served.ask(f"/ipfs/{listed.plain}", "GET", None, Accept=accept).status == directory
    assert listed.served.ask(f"/ipfs/{listed.file.cid}", "GET", None, Accept=accept).status == file


def test_an_index_page_is_a_file_like_any_other(listed: Listed) -> None:
    page = add_file(listed.served.blocks, b"<script>", leaf=100)
    root = add_directory(listed.served.blocks, {"index.html": page})
    assert listed.served.ask(f"/ipfs/{root}").body.endswith(b"\tindex.html\n")
    assert listed.served.ask(f"/ipfs/{root}/index.html").headers["content-type"] == "application/octet-stream"


def test_what_contradicts_itself_is_refused_or_cut_off(listed: Listed) -> None:
    blocks = listed.served.blocks
    leaf = PBLink(listed.file.cid, b"..", 1)
    bad = keep_node(blocks, encode_node([leaf], encode_data(UnixFSData(UnixFSType.DIRECTORY))))
    assert listed.served.ask(f"/ipfs/{bad}").status == 400
    below = decode_node(blocks.get(listed.sharded)).links[0]  # a shard of a shard is no directory
    assert below.name is not None
    assert len(below.name) == 2
    assert listed.served.ask(f"/ipfs/{below.cid}").status == 400
    head = f"GET /ipfs/{listed.sharded} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
    assert listed.served.converse(head).endswith(b"0\r\n\r\n")
    late = decode_node(blocks.get(listed.sharded)).links[-1].cid
    data = blocks.kept.pop(late.binary)
    try:
        received = listed.served.converse(head)
    finally:
        blocks.kept[late.binary] = data
    assert received.startswith(b"HTTP/1.1 200 ")
    assert 100 < received.count(b"\tn") < 2000
    assert not received.endswith(b"0\r\n\r\n")


def test_shards_that_link_one_below_in_each_bucket_are_no_work() -> None:
    """Eight levels of 256 links to one shard have 2^64 paths; the second entry that is met lies in the wrong bucket."""
    blocks = Blocks()
    field = UnixFSData(UnixFSType.HAMT_SHARD, data=b"\xff" * 32, hash_type=MURMUR3_X64_64, fanout=256)
    shard = cid_of(b"leaf")
    for level in range(8):
        names = [f"{bucket:02X}{'' if level else 'x'}".encode() for bucket in range(256)]
        shard = keep_node(blocks, encode_node([PBLink(shard, name, 1) for name in names], encode_data(field)))

    class Counting(Blocks):
        reads = 0

        def get(self, cid: Cid) -> bytes:
            self.reads += 1
            return super().get(cid)

    counting = Counting()
    counting.kept = blocks.kept
    with serving(counting) as served:
        assert served.ask(f"/ipfs/{shard}").status == 400
    assert counting.reads < 40


def keep_node(blocks: Blocks, data: bytes) -> Cid:
    block = Block(cid_of(data, DAG_PB), data)
    keep(blocks, block)
    return block.cid
