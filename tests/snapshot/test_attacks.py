"""Hostile snapshots are refused by name, in bounded work, whatever the publisher wrote."""

import pytest

from catalog.errors import BlockNotFoundError, SnapshotError
from catalog.ipld.cid import DAG_PB, Cid, cid_of
from catalog.ipld.dag_pb import PBLink, encode_node
from catalog.limits import GIB, MAX_DAG_DEPTH, MAX_RELEASES, MAX_SNAPSHOT_LEAF_SIZE
from catalog.snapshot.catalogue import Catalogue, decode_catalogue, encode_catalogue
from catalog.snapshot.difference import diff_snapshots
from catalog.snapshot.reader import open_snapshot
from catalog.unixfs.directory import build_directory
from catalog.unixfs.file import FileLink
from catalog.unixfs.hamt import Entry
from catalog.unixfs.node import UnixFSData, UnixFSType, encode_data
from tests.property.mutate import JSON_TOKENS, Target, check_memory, check_target
from tests.snapshot.generated import PUBLISHED, bare_line, joined, keep_leaf, keep_node, keep_root
from tests.unixfs.counting import CountingSource

LINES = [bare_line(number) for number in range(100)]


def refuse(source: CountingSource, root: Cid, problem: str, *, most_blocks: int = 200) -> None:
    """Both ways of reading refuse it: whole, and by its difference to an honest snapshot."""
    honest = keep_root(source, keep_leaf(source, joined(LINES[:3])), 3)
    source.reset()
    with pytest.raises(SnapshotError) as caught:
        list(open_snapshot(root, source).read())
    assert problem in f"{caught.value.message}; {caught.value.why}"
    with pytest.raises(SnapshotError):
        list(diff_snapshots(open_snapshot(honest, source), open_snapshot(root, source)))
    assert len(source.read) < most_blocks


def refuse_leaf(data: bytes, count: int, problem: str) -> None:
    source = CountingSource()
    refuse(source, keep_root(source, keep_leaf(source, data), count), problem)


def lying_node(source: CountingSource, children: list[FileLink], sizes: list[int]) -> FileLink:
    message = UnixFSData(UnixFSType.FILE, filesize=sum(sizes), blocksizes=tuple(sizes))
    block = encode_node([PBLink(child.cid, b"", child.dag_size) for child in children], encode_data(message))
    source.put(cid_of(block, DAG_PB), block)
    return FileLink(cid_of(block, DAG_PB), sum(sizes), len(block))


def test_lines_out_of_order_or_twice() -> None:
    one, two = LINES[:2]
    refuse_leaf(joined([two, one]), 2, "stands after n0000@v01")
    refuse_leaf(joined([one, one]), 2, "stands twice")
    refuse_leaf(joined([one, bare_line(0, 1)]), 2, "stands twice")


def test_lines_that_are_not_canonical() -> None:
    line = LINES[0][1]
    refuse_leaf(line.replace(b":", b": ", 1), 1, "RFC 8785")
    refuse_leaf(line.replace(b'"removed":null', b'"removed":null,"removed":null'), 1, "RFC 8785")
    refuse_leaf(line.replace(b"n0000", b"\\u006e0000"), 1, "RFC 8785")
    refuse_leaf(line.replace(b"\n", b"\r\n"), 1, "RFC 8785")
    refuse_leaf(b"\xff\n", 1, "not UTF-8")
    refuse_leaf(b'{"a":' + b"[" * 5000 + b"\n", 1, "canonical JSON")


def test_lines_without_an_end_or_without_a_beginning() -> None:
    refuse_leaf(LINES[0][1][:-1], 1, "no end")
    refuse_leaf(b"\n" + LINES[0][1], 2, "canonical JSON")
    refuse_leaf(b"\n", 1, "canonical JSON")
    refuse_leaf(b"x" * 9000, 1, "without an end")
    refuse_leaf(b"x" * 9000 + b"\n", 1, "a line of 9001 bytes")


def test_numbers_that_are_not_those_of_the_lines() -> None:
    for count in (0, 1, 3, MAX_RELEASES):
        refuse_leaf(joined(LINES[:2]), count, "another number of releases")
    source = CountingSource()
    refuse(source, keep_root(source, keep_leaf(source, joined(LINES[:2])), MAX_RELEASES + 1), "at most 2000000")


def test_a_leaf_above_the_limit() -> None:
    lines = [bare_line(number) for number in range(9000)]
    data = joined(lines)
    assert len(data) > MAX_SNAPSHOT_LEAF_SIZE
    source = CountingSource()
    first = keep_leaf(source, data)
    refuse(source, keep_root(source, keep_node(source, [first, keep_leaf(source, LINES[0][1])]), 9001), "a leaf of")


def test_more_bytes_than_a_snapshot_may_have() -> None:
    source = CountingSource()
    leaf = keep_leaf(source, LINES[0][1])
    node = leaf
    for _ in range(4):
        node = keep_node(source, [node] * 100)
    assert node.file_size > GIB
    refuse(source, keep_root(source, node, 10**6), "at most 1073741824", most_blocks=40)


def test_the_same_leaf_many_times() -> None:
    """Four blocks that unfold to a million lines: the second one is out of order."""
    source = CountingSource()
    leaf = keep_leaf(source, LINES[0][1])
    node = keep_node(source, [keep_node(source, [leaf] * 1000)] * 1000)
    refuse(source, keep_root(source, node, 10**6), "stands twice", most_blocks=40)


def test_a_line_that_never_ends_over_many_leaves() -> None:
    source = CountingSource()
    leaf = keep_leaf(source, b"{" + b"x" * 1000)
    node = keep_node(source, [keep_node(source, [leaf] * 1000)] * 1000)
    refuse(source, keep_root(source, node, 10**6), "without an end", most_blocks=40)


def test_leaves_of_nothing() -> None:
    source = CountingSource()
    node = keep_leaf(source, b"")
    for _ in range(5):
        node = keep_node(source, [node] * 1024)
    refuse(source, keep_root(source, node, 10**6), "another number", most_blocks=40)


def test_a_deep_chain() -> None:
    source = CountingSource()
    node = keep_leaf(source, LINES[0][1])
    for _ in range(MAX_DAG_DEPTH + 5):
        node = keep_node(source, [node])
    refuse(source, keep_root(source, node, 1), "deeper than 64", most_blocks=300)


def test_more_links_than_a_node_may_have() -> None:
    source = CountingSource()
    leaves = [keep_leaf(source, line) for _, line in map(bare_line, range(1025))]
    node = lying_node(source, leaves, [leaf.file_size for leaf in leaves])
    refuse(source, keep_root(source, node, 1025), "1025 links")


def test_sizes_that_lie() -> None:
    source = CountingSource()
    leaf, other = keep_leaf(source, LINES[0][1]), keep_leaf(source, LINES[1][1])
    inner = keep_node(source, [other])
    for child in (other, inner):
        for wrong in (child.file_size - 1, child.file_size + 1, GIB // 2):
            size = child._replace(dag_size=wrong if child is other else child.dag_size)
            node = lying_node(source, [leaf, size], [leaf.file_size, wrong])
            refuse(source, keep_root(source, node, 2), "its parent says")


def test_what_is_no_snapshot() -> None:
    source = CountingSource()
    leaf = keep_leaf(source, LINES[0][1])
    for root, problem in (
        (leaf.cid, "is not a directory"),
        (keep_node(source, [leaf]).cid, "is not a directory"),
        (build_directory([], source.keep).cid, "has no catalogue.json"),
        (build_directory([Entry("catalogue.json", *leaf[::2])], source.keep).cid, "has no images"),
    ):
        with pytest.raises(SnapshotError) as caught:
            open_snapshot(root, source)
        assert problem in f"{caught.value.message}; {caught.value.why}"
    directory = build_directory([], source.keep)
    refuse(source, keep_root(source, FileLink(directory.cid, 0, 4), 0), "is not a file")


HEAD = encode_catalogue(Catalogue("t", PUBLISHED, cid_of(b""), 0))


def test_heads() -> None:
    assert decode_catalogue(HEAD).title == "t"
    extended = HEAD.replace(b'"title"', b'"theme":"dark","title"')
    assert decode_catalogue(extended).extra == {"theme": "dark"}
    assert encode_catalogue(decode_catalogue(extended)) == extended
    for bad, problem in (
        (HEAD[:-1], "line feed"),
        (HEAD + b"\n", "canonical"),
        (HEAD.replace(b"catalogue/1", b"catalogue/2"), "'dcat-catalogue/2'"),
        (b"{}\n", "None"),
        (HEAD.replace(b'"title":"t"', b'"titled":"t"'), 'no "title"'),
        (HEAD.replace(b'"t"', b"1"), "title"),
        (HEAD.replace(b'"t"', b'"' + b"x" * 4097 + b'"'), "title"),
        (HEAD.replace(b":0,", b":-1,"), "claims -1 releases"),
        (HEAD.replace(b":0,", b":true,"), "claims True releases"),
        (HEAD.replace(b"2026", b"20266"), "time"),
        (HEAD.replace(b'"baf', b'"Baf'), "previous"),
        (HEAD.replace(b'"previous":"', b'"previous":"Qm'), "previous"),
    ):
        with pytest.raises(SnapshotError) as caught:
            decode_catalogue(bad)
        assert problem in f"{caught.value.message}; {caught.value.why}"


def test_a_head_that_never_ends() -> None:
    source = CountingSource()
    leaf = keep_leaf(source, b"x" * 70_000)
    root = keep_root(source, keep_leaf(source, b""), 0, catalogue=b"x" * 70_000)
    with pytest.raises(SnapshotError) as caught:
        open_snapshot(root, source)
    assert "at most" in caught.value.why or "70000" in caught.value.why
    assert leaf.file_size == 70_000


def _read(tree: bytes) -> None:
    """Read a releases file whose root is the given block, over ten good leaves."""
    source = CountingSource()
    for _, line in LINES[:10]:
        keep_leaf(source, line)
    source.put(cid_of(tree, DAG_PB), tree)
    list(open_snapshot(keep_root(source, FileLink(cid_of(tree, DAG_PB), 1, 1), 10), source).read())


def _seed() -> bytes:
    source = CountingSource()
    return source.get(keep_node(source, [keep_leaf(source, line) for _, line in LINES[:10]]).cid)


TARGETS = [
    Target(
        "catalogue.json",
        decode_catalogue,
        SnapshotError,
        [HEAD, HEAD.replace(b'"t"', '"Ü"'.encode())],
        JSON_TOKENS,
        encode_catalogue,
    ),
]


@pytest.mark.parametrize("target", TARGETS, ids=str)
def test_damaged_heads_are_refused_by_their_own_error(target: Target) -> None:
    check_target(target, 25_000)


@pytest.mark.long
@pytest.mark.parametrize("target", TARGETS, ids=str)
def test_a_million_damaged_heads(target: Target) -> None:
    check_memory(__name__, target.name, 1_000_000)


def test_damaged_trees_are_refused() -> None:
    check_target(Target("releases tree", _read, (SnapshotError, BlockNotFoundError), [_seed()]), 25_000)
