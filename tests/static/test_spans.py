"""Where leaves stand, and which of them one request brings."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.errors import CodecError
from catalog.ipld.cid import RAW, Cid, cid_of
from catalog.static.spans import Span, locate_leaves, plan_ranges
from catalog.unixfs.file import FileLink, raw_leaf
from catalog.unixfs.file_writer import FileTree


def build(leaves: list[bytes], width: int = 3) -> tuple[FileLink, dict[Cid, bytes]]:
    nodes: dict[Cid, bytes] = {}
    tree = FileTree(lambda block: nodes.update([block]), max_links=width)
    for leaf in leaves:
        tree.add(raw_leaf(leaf)[1])
    return tree.finish(), nodes


@given(st.lists(st.binary(min_size=20, max_size=60), min_size=1, max_size=40), st.integers(2, 9))
def test_every_leaf_is_found_where_it_stands(leaves: list[bytes], width: int) -> None:
    root, nodes = build(leaves, width)
    content = b"".join(leaves)
    spans = list(locate_leaves(root.cid, len(content), nodes))
    assert {span.cid for span in spans} == {cid_of(leaf) for leaf in leaves}
    for span in spans:
        assert content.index(content[span.offset : span.offset + span.size]) <= span.offset
        assert cid_of(content[span.offset : span.offset + span.size]) == span.cid


def test_a_single_leaf_is_the_whole_file() -> None:
    leaf = cid_of(b"leaf")
    assert list(locate_leaves(leaf, 4, {})) == [Span(leaf, 0, 4)]


def test_nodes_that_do_not_fit_are_refused() -> None:
    root, nodes = build([b"%020d" % number for number in range(30)])
    size = root.file_size
    wrong: list[tuple[int, dict[Cid, bytes]]] = [
        (size - 1, nodes),
        (size, {cid: data for cid, data in nodes.items() if cid == root.cid}),
        (size, dict.fromkeys(nodes, nodes[root.cid])),
        (size, dict.fromkeys(nodes, b"noise")),
    ]
    for stated, given_nodes in wrong:
        with pytest.raises(CodecError):
            list(locate_leaves(root.cid, stated, given_nodes))


def test_a_small_dag_that_unfolds_to_very_many_leaves_is_stopped() -> None:
    """A node that links one child 1024 times, above another such node, and so on."""
    nodes: dict[Cid, bytes] = {}
    link = raw_leaf(b"x")[1]
    for _ in range(4):
        tree = FileTree(lambda block: nodes.update([block]))
        for _ in range(1024):
            tree.add(link)
        link = tree.finish()
    with pytest.raises(CodecError):
        list(locate_leaves(link.cid, 1 << 22, nodes))


def spans_of(pairs: list[tuple[int, int]]) -> list[Span]:
    return [Span(cid_of(b"%d" % number, RAW), offset, size) for number, (offset, size) in enumerate(pairs)]


def test_neighbours_come_in_one_request() -> None:
    assert len(plan_ranges(spans_of([(200, 100), (0, 100), (100, 100)]))) == 1


def test_small_gaps_are_bridged_and_large_ones_are_not() -> None:
    mib = 1 << 20
    found = plan_ranges(spans_of([(0, mib), (mib + 9000, mib), (9 * mib, mib)]))
    assert [(part.start, part.end) for part in found] == [(0, 2 * mib + 9000), (9 * mib, 10 * mib)]


def test_nothing_is_planned_for_nothing() -> None:
    assert plan_ranges([]) == []


@given(st.lists(st.tuples(st.integers(1, 300_000), st.integers(0, 400_000)), min_size=1, max_size=60))
def test_ranges_hold_all_and_waste_little(steps: list[tuple[int, int]]) -> None:
    pairs, offset = [], 0
    for size, gap in steps:
        offset += gap
        pairs.append((offset, size))
        offset += size
    spans = spans_of(pairs)
    found = plan_ranges(reversed(spans))
    assert [span for part in found for span in part.spans] == spans
    for part in found:
        assert part.start == part.spans[0].offset
        assert part.end == part.spans[-1].offset + part.spans[-1].size
    wanted = sum(span.size for span in spans)
    waste = sum(part.end - part.start for part in found) - wanted
    assert waste <= max(wanted // 20, 16 * 1024 * len(spans))
