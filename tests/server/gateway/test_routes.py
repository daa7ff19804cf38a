"""``/ipfs``: blocks, CARs and files, and what they leave with. docs/safety.md E3, E6, E8, E12."""

import random
from collections.abc import Iterator

import pytest

from catalog.ipld.cid import Cid, cid_of, convert_to_v1, parse_cid
from catalog.limits import KIB, MIB
from tests.server.dags import add_directory, add_file
from tests.server.serving import Answer, Blocks, Served, serving

CONTENT = random.Random(1).randbytes(100_000)
ZSTD = b"\x28\xb5\x2f\xfd" + CONTENT


class Site:
    """One server with a file, an archive-like file and a directory."""

    def __init__(self, served: Served) -> None:
        self.served = served
        self.file = add_file(served.blocks, CONTENT, leaf=1000)
        self.archive = add_file(served.blocks, ZSTD, leaf=1000)
        self.directory = add_directory(served.blocks, {"a b.bin": self.file, "ü": self.archive})
        self.leaf = cid_of(CONTENT[:1000])

    def ask(self, path: str, method: str = "GET", /, **headers: str) -> Answer:
        return self.served.ask(path, method, None, **headers)


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with serving() as served:
        yield Site(served)


def assert_inert(answer: Answer) -> None:
    """Whatever it holds, no browser runs it."""
    assert answer.headers["content-disposition"].startswith("attachment; filename=")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"] == "sandbox; default-src 'none'"
    assert "html" not in answer.headers["content-type"]


def test_a_block_leaves_as_the_facts_say(site: Site) -> None:
    answer = site.ask(f"/ipfs/{site.leaf}?format=raw")
    assert answer.status == 200
    assert answer.body == CONTENT[:1000]
    assert_inert(answer)
    assert answer.headers["content-type"] == "application/vnd.ipld.raw"
    assert answer.headers["content-length"] == "1000"
    assert answer.headers["content-disposition"] == f'attachment; filename="{site.leaf}.bin"'
    assert answer.headers["etag"] == f'"{site.leaf}.raw"'
    assert answer.headers["cache-control"] == "public, max-age=29030400, immutable"
    assert answer.headers["x-ipfs-path"] == f"/ipfs/{site.leaf}"
    assert answer.headers["x-ipfs-roots"] == str(site.leaf)
    assert "content-location" not in answer.headers


def test_head_gives_the_headers_alone(site: Site) -> None:
    for query in ("?format=raw", "?format=car", ""):
        path = f"/ipfs/{site.leaf}{query}"
        got, head = site.ask(path), site.ask(path, "HEAD")
        assert (head.status, head.body) == (200, b"")
        assert {**head.headers, "date": "", "transfer-encoding": ""} == {**got.headers, "date": "", "transfer-encoding": ""}


def test_accept_chooses_where_no_format_is_named(site: Site) -> None:
    answer = site.ask(f"/ipfs/{site.leaf}", Accept="text/html;q=0.1, application/vnd.ipld.raw")
    assert answer.headers["content-type"] == "application/vnd.ipld.raw"
    assert answer.headers["content-location"] == f"/ipfs/{site.leaf}?format=raw"
    assert answer.headers["vary"] == "Accept"
    answer = site.ask(f"/ipfs/{site.leaf}?format=raw", Accept="application/vnd.ipld.car")
    assert answer.headers["content-type"] == "application/vnd.ipld.raw"


@pytest.mark.parametrize(
    ("query", "accept", "status"),
    [
        ("?format=dag-json", "*/*", 406),
        ("?format=tar", "*/*", 406),
        ("?format=ipns-record", "*/*", 400),
        ("", "application/vnd.ipld.dag-json", 406),
        ("", "text/html", 406),
        ("?format=car&car-version=2", "*/*", 406),
        ("?format=car&car-order=random", "*/*", 406),
        ("?format=car&car-dups=maybe", "*/*", 400),
        ("?format=car&dag-scope=some", "*/*", 400),
        ("?format=car&entity-bytes=1", "*/*", 400),
        ("?format=car&entity-bytes=a:b", "*/*", 400),
        ("?format=car&entity-bytes=*:5", "*/*", 400),
        ("?format=car&entity-bytes=%D9%A1:*", "*/*", 400),
        ("", "application/vnd.ipld.car; version=2", 406),
    ],
)
def test_forms_that_are_not_served_are_refused(query: str, accept: str, status: int, site: Site) -> None:
    assert site.ask(f"/ipfs/{site.leaf}{query}", Accept=accept).status == status


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        "QmNotACid",
        "k51qzi5uqu5dlkw8pxuw9qmqayfdeh4kfebhmreauqdc6a7c3y7d5i9fi8mk9w",
        "bafkqabtimvwgy3yk",  # identity, "hello\n"
        "bafkrgqe3ohjcjplpi6kzs7hbaxmrpqx4j7ygzdrzpqt6tgdh2fdfh3ia4wkd5hbcl3chcxy4wjrsxaa4vwwytzlg4h2fklmyh3wncqsbcoejs",
        "..",
        "%2e%2e",
        "a" * 300,
    ],
)
def test_what_names_no_block_is_400_or_404(text: str, site: Site) -> None:
    for query in ("?format=raw", "?format=car", ""):
        assert site.ask(f"/ipfs/{text}{query}").status in (
            (400, 200) if text == "bafkqabtimvwgy3yk" and "car" in query else (400, 404)
        )


def test_the_probe_is_answered(site: Site) -> None:
    for method in ("GET", "HEAD"):
        answer = site.ask("/ipfs/bafkqaaa?format=raw", method)
        assert (answer.status, answer.body, answer.headers["content-length"]) == (200, b"", "0")
    assert site.ask("/ipfs/bafkqaaa?format=car").body.hex() == "19a265726f6f747381d82a4500015500006776657273696f6e01"


def test_every_text_of_a_cid_finds_its_block(site: Site) -> None:
    root = site.file.cid
    from multiformats import CID

    other = CID.decode(str(root))
    for text in (
        str(root),
        str(other.encode("base36")),
        str(other.encode("base58btc")),
        str(other.set(version=0, base="base58btc")),
    ):
        answer = site.ask(f"/ipfs/{text}?format=raw")
        assert answer.status == 200
        assert cid_of(answer.body, root.codec) == root
    assert convert_to_v1(parse_cid(str(other.set(version=0, base="base58btc")))) == root


def test_what_the_client_has_is_not_sent_again(site: Site) -> None:
    for query in ("?format=raw", "?format=car", ""):
        path = f"/ipfs/{site.file.cid}{query}"
        first = site.ask(path)
        tag = first.headers["etag"]
        for wanted in (tag, tag.removeprefix("W/"), "W/" + tag.removeprefix("W/"), f'"other", {tag}', "*"):
            answer = site.ask(path, If_None_Match=wanted)
            assert (answer.status, answer.body) == (304, b"")
            assert answer.headers["etag"] == tag
            assert answer.headers["cache-control"] == first.headers["cache-control"]
        assert site.ask(path, If_None_Match='"other"').status == 200
    tags = {
        site.ask(f"/ipfs/{site.file.cid}?format=car{more}").headers["etag"]
        for more in ("", "&dag-scope=block", "&entity-bytes=0:5", "&entity-bytes=0:6", "&car-dups=y")
    }
    assert len(tags) == 5


def test_what_is_not_held_is_404_and_412_for_those_who_ask_for_no_more_than_that(site: Site) -> None:
    for number in range(100):
        assert site.ask(f"/ipfs/{cid_of(b'%d' % number)}?format=raw").status == 404
    assert site.ask(f"/ipfs/{cid_of(b'x')}?format=raw", Cache_Control="only-if-cached").status == 412
    assert site.ask(f"/ipfs/{site.leaf}?format=raw", Cache_Control="only-if-cached").status == 200
    assert site.ask(f"/ipfs/{cid_of(b'x')}?format=car", "HEAD").status == 404


def test_a_block_has_no_path(site: Site) -> None:
    assert site.ask(f"/ipfs/{site.directory}/a%20b.bin?format=raw").status == 400


def test_a_file_leaves_as_it_is(site: Site) -> None:
    answer = site.ask(f"/ipfs/{site.file.cid}")
    assert answer.body == CONTENT
    assert_inert(answer)
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-length"] == str(len(CONTENT))
    assert answer.headers["etag"] == f'"{site.file.cid}"'
    archive = site.ask(f"/ipfs/{site.archive.cid}")
    assert archive.body == ZSTD
    assert archive.headers["content-type"] == "application/zstd"
    assert archive.headers["content-disposition"] == f'attachment; filename="{site.archive.cid}.tar.zst"'


def test_a_path_leads_to_a_file(site: Site) -> None:
    answer = site.ask(f"/ipfs/{site.directory}/a%20b.bin")
    assert answer.body == CONTENT
    assert answer.headers["content-disposition"] == 'attachment; filename="a b.bin"'
    assert answer.headers["x-ipfs-roots"] == f"{site.directory},{site.file.cid}"
    answer = site.ask(f"/ipfs/{site.directory}/%C3%BC?filename=a%22b%0Ac/%C3%A4.bin")
    assert answer.body == ZSTD
    assert answer.headers["content-disposition"] == (
        "attachment; filename=\"a_b_c__.bin\"; filename*=UTF-8''a%22b%0Ac%2F%C3%A4.bin"
    )
    for path in ("nothing", "a b.bin/deeper", "a%2Fb", "..", "%00"):
        assert site.ask(f"/ipfs/{site.directory}/{path.replace(' ', '%20')}").status == 404
        assert site.ask(f"/ipfs/{site.directory}/{path.replace(' ', '%20')}?format=car").status == 404
    assert site.ask(f"/ipfs/{site.directory}/%ff").status == 400


@pytest.mark.parametrize(
    ("wanted", "part"),
    [
        ("bytes=0-0", (0, 1)),
        ("bytes=999-1000", (999, 1001)),
        ("bytes=5000-", (5000, 100_000)),
        ("bytes=-1", (99_999, 100_000)),
        ("bytes=-999999", (0, 100_000)),
        ("bytes=99999-200000", (99_999, 100_000)),
    ],
)
def test_one_range_is_given(wanted: str, part: tuple[int, int], site: Site) -> None:
    start, stop = part
    answer = site.ask(f"/ipfs/{site.file.cid}", Range=wanted)
    assert answer.status == 206
    assert answer.body == CONTENT[start:stop]
    assert answer.headers["content-range"] == f"bytes {start}-{stop - 1}/100000"
    assert site.ask(f"/ipfs/{site.file.cid}", Range=wanted, If_Range=answer.headers["etag"]).status == 206
    assert site.ask(f"/ipfs/{site.file.cid}", Range=wanted, If_Range='"other"').status == 200


@pytest.mark.parametrize(
    "wanted",
    [
        "bytes=0-1,5-6",
        "bytes=5-1",
        "bytes=-",
        "bytes=",
        "bytes=0-1, ",
        "bits=0-1",
        "bytes=٠-١",
        "bytes=+0-1",
        "bytes=0-99999999999999999999999999",
        "bytes=" + ",".join(f"{n}-{n}" for n in range(1000)),
    ],
)
def test_any_other_range_is_the_whole(wanted: str, site: Site) -> None:
    answer = site.ask(f"/ipfs/{site.file.cid}", Range=wanted.encode().decode("latin-1"))
    assert (answer.status, answer.body) == (200, CONTENT)
    leaf = site.ask(f"/ipfs/{site.leaf}?format=raw", Range=wanted.encode().decode("latin-1"))
    assert (leaf.status, leaf.body) == (200, CONTENT[:1000])


def test_a_range_outside_the_file_is_416(site: Site) -> None:
    for wanted in ("bytes=100000-", "bytes=100000-100001", "bytes=-0"):
        answer = site.ask(f"/ipfs/{site.file.cid}", Range=wanted)
        assert answer.status == 416
        assert answer.headers["content-range"] == "bytes */100000"


def test_a_block_in_part(site: Site) -> None:
    answer = site.ask(f"/ipfs/{site.leaf}?format=raw", Range="bytes=10-19")
    assert (answer.status, answer.body) == (206, CONTENT[10:20])
    assert answer.headers["content-type"] == "application/vnd.ipld.raw"


def test_large_files_come_whole() -> None:
    content = random.Random(2).randbytes(5 * MIB + 17)
    with serving() as served:
        file = add_file(served.blocks, content, leaf=50 * KIB, links=1024)
        assert served.ask(f"/ipfs/{file.cid}").body == content
        blocks = served.ask(f"/ipfs/{file.cid}?format=car").blocks()
        assert b"".join(block.data for block in blocks[1:]) == content


def spoiled(content: bytes) -> tuple[Blocks, Cid, Cid]:
    """Return a store with a file whose middle leaf rotted."""
    blocks = Blocks()
    file = add_file(blocks, content, leaf=64 * KIB, links=1024)
    victim = cid_of(content[len(content) // 2 // (64 * KIB) * 64 * KIB :][: 64 * KIB])
    blocks.spoil(victim)
    return blocks, file.cid, victim


def test_bad_bytes_never_complete_a_response() -> None:
    """Figure of E12: a block that rotted is not given, and what needs it is cut off."""
    content = random.Random(3).randbytes(4 * MIB)
    blocks, root, victim = spoiled(content)
    with serving(blocks) as served:
        assert served.ask(f"/ipfs/{victim}?format=raw").status == 404
        listed = served.ask("/dcat/v1/blocks", "POST", f"{root}\n{victim}\n".encode())
        assert [block.cid for block in listed.blocks()] == [root]
        for query in ("?format=car", ""):
            received = served.converse(f"GET /ipfs/{root}{query} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            assert received.startswith(b"HTTP/1.1 200")
            assert not received.endswith(b"0\r\n\r\n")
            assert 3 * 64 * KIB < len(received) < len(content)
            assert blocks.kept[victim.binary] not in received
            served.wait_for_log("BlockMismatchError")
        assert b"dcat_corrupt_blocks_total 4" in served.ask("/metrics").body
        assert b'"corrupt"' in served.ask("/health").body


def test_a_car_that_lacks_a_block_gives_what_there_is_and_is_cut_off() -> None:
    content = random.Random(4).randbytes(MIB)
    blocks, root, victim = spoiled(content)
    del blocks.kept[victim.binary]
    with serving(blocks) as served:
        received = served.converse(f"GET /ipfs/{root}?format=car HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        assert received.startswith(b"HTTP/1.1 200")
        assert content[: 64 * KIB] in received
        assert not received.endswith(b"0\r\n\r\n")
        assert served.ask(f"/ipfs/{root}?format=car&entity-bytes=0:1000").status == 200


@pytest.mark.long
def test_a_thousand_corruptions() -> None:
    """Figure of E12: 1,000 rotten stores, no complete bad response."""
    generator = random.Random(5)
    with serving() as served:
        for _ in range(1000):
            served.blocks.kept.clear()
            content = generator.randbytes(generator.randrange(2000, 20_000))
            file = add_file(served.blocks, content, leaf=1000)
            key = generator.choice(sorted(served.blocks.kept))
            served.blocks.spoil(Cid(key))
            for query in ("?format=car", ""):
                received = served.converse(f"GET /ipfs/{file.cid}{query} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
                assert received.startswith(b"HTTP/1.1 404") or served.blocks.kept[key] not in received
                if query == "":
                    assert content not in received
