"""Files are read lazily and exactly, in every older shape; files that lie are refused."""

import itertools
import random
from collections.abc import Iterable, Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.errors import BlockNotFoundError, CodecError
from catalog.ipld.block import Block
from catalog.ipld.cid import DAG_CBOR, DAG_PB, Cid, cid_of
from catalog.ipld.dag_pb import PBLink, encode_node
from catalog.limits import MAX_DAG_DEPTH, MAX_FANOUT
from catalog.unixfs.file import FileLink, raw_leaf
from catalog.unixfs.file_reader import read_file, read_file_batches, read_file_size, split_batches
from catalog.unixfs.file_writer import FileTree
from catalog.unixfs.node import UnixFSData, UnixFSType, encode_data
from tests.unixfs.counting import CountingSource
from tests.unixfs.generated import chunks, profile


def build(source: CountingSource, pieces: Sequence[bytes], *, max_links: int = MAX_FANOUT) -> FileLink:
    tree = FileTree(source.keep, max_links=max_links)
    for piece in pieces:
        block, link = raw_leaf(piece)
        source.keep(block)
        tree.add(link)
    return tree.finish()


def node(
    source: CountingSource,
    children: Sequence[FileLink],
    *,
    data: bytes | None = None,
    sizes: Sequence[int] | None = None,
    filesize: int | None = None,
    name: bytes | None = b"",
    kind: UnixFSType = UnixFSType.FILE,
    v0: bool = False,
) -> FileLink:
    """Make a node that may lie."""
    sizes = [child.file_size for child in children] if sizes is None else sizes
    size = sum(sizes) + len(data or b"")
    message = UnixFSData(kind, data, size if filesize is None else filesize, tuple(sizes))
    block = encode_node([PBLink(child.cid, name, child.dag_size) for child in children], encode_data(message))
    cid = cid_of(block, DAG_PB)
    if v0:
        cid = Cid(cid.binary[2:])
    source.put(cid, block)
    return FileLink(cid, size, len(block) + sum(child.dag_size for child in children))


def leaf(source: CountingSource, data: bytes) -> FileLink:
    block, link = raw_leaf(data)
    source.keep(block)
    return link


def whole(cid: Cid, source: CountingSource) -> bytes:
    return b"".join(read_file(cid, source))


def test_files_of_the_old_profile_are_read() -> None:
    """CIDv0, dag-pb leaves of 256 KiB, 174 links: what plain `ipfs add` gave for ten years."""
    for described in profile("unixfs-v0-2015")["files"]:
        source = CountingSource()
        if "content" in described:
            pieces = [described["content"].encode()]
        else:
            pieces = list(chunks(described["seed"], described["size"], 1 << 18))
        level = [node(source, [], data=piece, v0=True) for piece in pieces]
        while len(level) > 1:
            level = [node(source, level[start : start + 174], v0=True) for start in range(0, len(level), 174)]
        assert str(level[0].cid) == described["cid"]
        assert whole(level[0].cid, source) == b"".join(pieces)


def test_well_known_files() -> None:
    source = CountingSource()
    assert str(build(source, []).cid) == "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"
    assert whole(build(source, []).cid, source) == b""
    empty = node(source, [], filesize=0)
    assert str(cid_of(bytes.fromhex("0a0408021800"), DAG_PB)) == "bafybeif7ztnhq65lumvvtr4ekcwd2ifwgm3awq4zfr3srh462rwyinlb4y"
    assert empty.cid == cid_of(bytes.fromhex("0a0408021800"), DAG_PB)
    assert whole(empty.cid, source) == b""


@given(st.lists(st.binary(min_size=1, max_size=30), max_size=30), st.integers(2, 5), st.integers(0, 400), st.integers(0, 400))
def test_ranges_are_slices(pieces: list[bytes], max_links: int, start: int, end: int) -> None:
    source = CountingSource()
    link = build(source, pieces, max_links=max_links)
    content = b"".join(pieces)
    assert read_file_size(link.cid, source) == link.file_size == len(content)
    assert whole(link.cid, source) == content
    assert b"".join(read_file(link.cid, source, start=start, end=end)) == content[start:end]
    assert b"".join(split_batches(read_file_batches(link.cid, source, start=start, read_ahead=1))) == content[start:]


@given(st.randoms(use_true_random=False), st.integers(0, 300), st.integers(0, 300))
def test_any_shape_is_read(source_of_chance: random.Random, start: int, end: int) -> None:
    """Children of any depth and kind, shared, empty, in raw and dag-pb leaves of both CID versions."""
    source = CountingSource()
    pool: list[tuple[FileLink, bytes]] = []
    for number in range(6):
        content = bytes([65 + number]) * source_of_chance.randrange(12)
        kind = source_of_chance.choice([UnixFSType.FILE, UnixFSType.RAW])
        link = leaf(source, content) if number % 2 else node(source, [], data=content, kind=kind, v0=number % 3 == 0)
        pool.append((link, content))
    for _ in range(source_of_chance.randrange(1, 6)):
        chosen = [source_of_chance.choice(pool) for _ in range(source_of_chance.randrange(1, 6))]
        link = node(source, [entry for entry, _ in chosen], name=source_of_chance.choice([b"", None]))
        pool.append((link, b"".join(content for _, content in chosen)))
    root, content = pool[-1]
    assert whole(root.cid, source) == content
    assert b"".join(read_file(root.cid, source, start=start, end=end)) == content[start:end]


def test_a_trickle_tree_is_read() -> None:
    """Direct leaves first, then subtrees of growing depth (`ipfs add --trickle`)."""
    source = CountingSource()
    numbers = itertools.count()

    def leaves(count: int) -> list[FileLink]:
        return [leaf(source, b"%03d" % next(numbers)) for _ in range(count)]

    def subtree(depth: int) -> FileLink:
        return node(source, leaves(3) + [subtree(level) for level in range(depth) for _ in range(2)])

    root = subtree(4)
    content = b"".join(b"%03d" % number for number in range(next(numbers)))
    assert whole(root.cid, source) == content
    assert b"".join(read_file(root.cid, source, start=100, end=200)) == content[100:200]


def test_only_what_is_needed_is_fetched() -> None:
    source = CountingSource()
    link = build(source, [bytes([number]) * 10 for number in range(100)], max_links=10)
    source.reset()
    assert b"".join(read_file(link.cid, source, start=555, end=566)) == bytes([55]) * 5 + bytes([56]) * 6
    assert len(source.read) == 4  # the root, one node, two leaves
    source.reset()
    next(read_file(link.cid, source))
    assert len(source.read) < 22  # the root, nodes ahead, the first node's leaves


def test_leaves_come_many_in_one_request() -> None:
    source = CountingSource()
    link = build(source, [number.to_bytes(2) * 10 for number in range(1000)])
    source.reset()
    list(read_file(link.cid, source))
    assert source.requests == 2


def test_memory_is_bounded_by_read_ahead() -> None:
    source = CountingSource()
    link = build(source, [number.to_bytes(2) * 500 for number in range(100)])
    source.reset()
    next(read_file_batches(link.cid, source, read_ahead=10_000))
    assert len(source.read) == 11


class CopyingSource(CountingSource):
    """Gives a copy of each block, and counts those that somebody still has."""

    def __init__(self) -> None:
        super().__init__()
        self.alive = 0

    def get(self, cid: Cid) -> bytes:
        source = self

        class Counted(bytes):
            def __del__(self) -> None:
                source.alive -= 1

        self.alive += 1
        return Counted(super().get(cid))

    def get_many(self, cids: Iterable[Cid]) -> Iterator[Block]:
        for cid in cids:
            yield Block(cid, self.get(cid))


@pytest.mark.parametrize("different", [20, 10])
def test_what_was_yielded_is_not_kept(different: int) -> None:
    """Of the blocks fetched ahead only those that come next take memory, where some are repeated too."""
    source = CopyingSource()
    link = build(source, [bytes([number % different]) * 500 for number in range(20)])
    held = [source.alive for _ in read_file(link.cid, source)]
    assert held == [min(left, different) for left in range(20, 0, -1)]


def test_what_one_request_fetched_comes_at_once_and_no_node_is_kept() -> None:
    source = CopyingSource()
    pieces = [bytes([number]) * 500 for number in range(20)]
    link = build(source, pieces, max_links=4)
    seen: list[bytes] = []
    for batch in read_file_batches(link.cid, source, start=300, read_ahead=1000):
        assert source.alive <= len(batch) <= 2
        seen += map(bytes, batch)
        batch.clear()
    assert b"".join(seen) == b"".join(pieces)[300:]


def test_a_missing_block_is_reported_by_the_source() -> None:
    source = CountingSource()
    link = build(source, [b"a", b"b", b"c"])
    source.delete([cid_of(b"b")])
    with pytest.raises(BlockNotFoundError):
        whole(link.cid, source)


# Files that lie


def refuse(link: FileLink | Cid, source: CountingSource, problem: str) -> None:
    with pytest.raises(CodecError) as caught:
        whole(link.cid if isinstance(link, FileLink) else link, source)
    assert problem in f"{caught.value.message}; {caught.value.why}"


def test_lies_about_sizes_are_refused() -> None:
    source = CountingSource()
    one, two = leaf(source, b"1"), leaf(source, b"22")
    inner = node(source, [one, two])
    refuse(node(source, [one, two], sizes=[1]), source, "links and 1 block sizes")
    refuse(node(source, [one, two], filesize=4), source, "claims 4 bytes and holds 3")
    refuse(node(source, [one, FileLink(two.cid, 3, 3)]), source, "its parent says 3")
    refuse(node(source, [one, FileLink(two.cid, 2, 3)]), source, "says 2 and 3 bytes of one leaf")
    refuse(node(source, [one, FileLink(inner.cid, 4, inner.dag_size)]), source, "its parent says 4")
    refuse(node(source, [two, two._replace(file_size=3, dag_size=3)]), source, "two sizes")
    refuse(node(source, [node(source, [], data=b"abc", filesize=2)], sizes=[2]), source, "claims 2 bytes and holds 3")


def test_what_readers_disagree_about_is_refused() -> None:
    source = CountingSource()
    one = leaf(source, b"1")
    refuse(node(source, [one], data=b"own"), source, "both links and bytes")
    refuse(node(source, [one], name=b"chunk"), source, "a link with a name")


def test_what_is_no_file_is_refused() -> None:
    source = CountingSource()
    one = leaf(source, b"1")
    refuse(node(source, [one], kind=UnixFSType.DIRECTORY), source, "it is a UnixFS directory")
    refuse(node(source, [], data=b"target", kind=UnixFSType.SYMLINK), source, "it is a UnixFS symlink")
    for data, codec in ((b"", DAG_PB), (b"\xa0", DAG_CBOR), (b"\x0a\x00", DAG_PB)):
        cid = cid_of(data, codec)
        source.put(cid, data)
        refuse(cid, source, "UnixFS")
    directory = node(source, [one], kind=UnixFSType.DIRECTORY)
    refuse(node(source, [one, FileLink(directory.cid, 1, directory.dag_size)]), source, "it is a UnixFS directory")


def test_more_links_than_the_limit_are_refused() -> None:
    source = CountingSource()
    one = leaf(source, b"1")
    assert len(whole(node(source, [one] * MAX_FANOUT).cid, source)) == MAX_FANOUT
    refuse(node(source, [one] * (MAX_FANOUT + 1)), source, "1025 links")


def test_a_deep_chain_is_refused() -> None:
    source = CountingSource()
    link = leaf(source, b"x")
    for _ in range(MAX_DAG_DEPTH):
        link = node(source, [link])
    assert whole(link.cid, source) == b"x"
    refuse(node(source, [link]), source, f"deeper than {MAX_DAG_DEPTH}")
    for _ in range(10_000):
        link = node(source, [link])
    source.reset()
    refuse(link, source, "deeper")
    assert len(source.read) <= MAX_DAG_DEPTH + 1


def test_a_bomb_is_refused_at_its_root() -> None:
    """40 blocks that unfold to 2⁴⁰ bytes: the root says so, and nothing else is read."""
    source = CountingSource()
    link = leaf(source, b"x")
    for _ in range(40):
        link = node(source, [link, link])
    assert link.file_size == 2**40
    source.reset()
    refuse(link, source, "at most")
    assert source.read == [link.cid]


def test_a_bomb_that_hides_its_size_is_refused() -> None:
    source = CountingSource()
    link = leaf(source, b"x" * 1000)
    for _ in range(30):
        link = node(source, [link, link])
    lying = node(source, [link._replace(file_size=10)])
    source.reset()
    refuse(lying, source, "its parent says 10")
    assert len(source.read) == 2


def test_a_bomb_of_nothing_costs_nothing() -> None:
    """Children of no bytes unfold to 2³⁰ visits of nodes, but none is made."""
    source = CountingSource()
    link = leaf(source, b"")
    for _ in range(30):
        link = node(source, [link, link])
    root = node(source, [link, leaf(source, b"end")])
    source.reset()
    assert whole(root.cid, source) == b"end"
    assert len(source.read) == 2
