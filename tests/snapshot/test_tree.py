"""The tree of releases: cut by its content, the same whatever the order of edits, changed by its paths only."""

import random
from collections.abc import Iterator

import pytest

from catalog.ipld.block import Block
from catalog.ipld.cid import RAW, cid_of
from catalog.limits import MAX_FANOUT, MAX_SNAPSHOT_LEAF_SIZE
from catalog.snapshot import tree
from catalog.snapshot.edit import update_tree
from catalog.snapshot.line import Key
from catalog.snapshot.tree import build_tree, ends_leaf
from catalog.snapshot.view import TreeView, UncutError
from catalog.unixfs.file import FileLink, decode_file_node
from catalog.unixfs.file_reader import read_file
from tests.snapshot.generated import bare_line, joined, keep_leaf, keep_node
from tests.unixfs.counting import CountingSource

Lines = dict[Key, bytes]


def build(lines: Lines, source: CountingSource) -> FileLink:
    return build_tree(sorted(lines.items()), source.keep)


def leaves_of(root: FileLink, source: CountingSource) -> list[bytes]:
    if root.cid.codec == RAW:
        return [source.get(root.cid)]
    links = decode_file_node(root.cid, source.get(root.cid)).links
    return [leaf for link in links for leaf in leaves_of(link, source)]


def nodes_of(root: FileLink, source: CountingSource) -> Iterator[tuple[FileLink, ...]]:
    if root.cid.codec != RAW:
        links = decode_file_node(root.cid, source.get(root.cid)).links
        yield links
        for link in links:
            yield from nodes_of(link, source)


def test_every_cut_follows_the_rule() -> None:
    source = CountingSource()
    lines = dict(bare_line(number) for number in range(20_000))
    root = build(lines, source)
    leaves = leaves_of(root, source)
    assert b"".join(leaves) == joined(lines.items()) == b"".join(read_file(root.cid, source))
    keys = iter(sorted(lines))
    for number, leaf in enumerate(leaves):
        inside = [next(keys) for _ in range(leaf.count(b"\n"))]
        assert not any(map(ends_leaf, inside[:-1]))
        assert ends_leaf(inside[-1]) or number == len(leaves) - 1
    assert 400 < len(leaves) < 900
    for links in nodes_of(root, source):
        assert not any(link.cid.binary[-1] == 0 for link in links[:-1])


def test_a_leaf_ends_before_it_would_pass_1_mib() -> None:
    """No ending line for long: names are chosen so that no digest begins with five zero bits."""
    source = CountingSource()
    numbers = (number for number in range(10**6) if not ends_leaf(bare_line(number)[0]))
    line = b"x" * 8191 + b"\n"
    keys = [bare_line(next(numbers))[0] for _ in range(300)]
    root = build(dict.fromkeys(keys, line), source)
    assert list(map(len, leaves_of(root, source))) == [MAX_SNAPSHOT_LEAF_SIZE, MAX_SNAPSHOT_LEAF_SIZE, 44 * 8192]


def test_a_node_ends_at_1024_links() -> None:
    builder = tree.TreeBuilder(lambda block: None)
    links = [FileLink(cid, 1, 1) for number in range(2500) if (cid := cid_of(number.to_bytes(4))).binary[-1]][:2100]
    for link in links:
        builder.add_subtree(0, link)
    source = CountingSource()
    expected = [keep_node(source, links[start : start + MAX_FANOUT]) for start in range(0, 2100, MAX_FANOUT)]
    assert builder.finish() == keep_node(source, expected)


def test_one_leaf_is_the_root_even_where_it_would_end_a_node() -> None:
    source = CountingSource()
    found = next(number for number in range(10**5) if cid_of(bare_line(1, number)[1]).binary[-1] == 0)
    key, line = bare_line(1, found)
    assert build({key: line}, source).cid == cid_of(line)
    other = bare_line(9_000)
    both = build({key: line, other[0]: other[1]}, source)
    assert joined([(key, line), other]) == b"".join(read_file(both.cid, source))


def check_edits(chance: random.Random, lines: Lines, span: int, steps: int, most: int) -> None:
    source = CountingSource()
    root = build(lines, source)
    for _ in range(steps):
        changes: dict[Key, bytes | None] = {}
        share = chance.random()
        for _ in range(chance.randrange(most)):
            key, line = bare_line(chance.randrange(span), chance.randrange(3))
            changes[key] = None if chance.random() < share else line
        written = update_tree(root, changes, source, source.keep)
        assert written.replaced == {key: lines[key][:-1] for key in changes if key in lines}
        lines = {key: line for key, line in {**lines, **changes}.items() if line is not None}
        root = written.root
        assert root == build(lines, CountingSource())


def test_edits_of_a_large_tree_give_the_tree_of_a_whole_build() -> None:
    check_edits(random.Random(1), dict(bare_line(number) for number in range(0, 20_000, 2)), 20_000, 15, 40)


def test_one_edit_reads_and_writes_its_path_only() -> None:
    source = CountingSource()
    root = build(dict(bare_line(number) for number in range(20_000)), source)
    for key, line in (bare_line(7777, 1), bare_line(20_001), (("a", "0"), bare_line(1)[1])):
        source.reset()
        new: list[Block] = []
        update_tree(root, {key: line}, source, new.append)
        assert len(source.read) < 40
        assert len(new) < 8


def test_taking_all_out_leaves_the_empty_leaf() -> None:
    source = CountingSource()
    lines = dict(bare_line(number) for number in range(500))
    root = build(lines, source)
    assert update_tree(root, dict.fromkeys(lines), source, source.keep).root.cid == cid_of(b"")
    assert update_tree(build({}, source), dict(lines), source, source.keep).root == root


def test_another_writers_shape_is_noticed() -> None:
    source = CountingSource()
    lines = [bare_line(number)[1] for number in range(10)]
    whole = b"".join(lines)
    halves = keep_node(source, [keep_leaf(source, whole[:100]), keep_leaf(source, whole[100:])])
    uneven = keep_node(source, [keep_leaf(source, lines[0]), keep_node(source, [keep_leaf(source, lines[1])])])
    for root in (halves, uneven):
        with pytest.raises(UncutError):
            update_tree(root, dict([bare_line(5, 1), bare_line(11)]), source, source.keep)
    assert TreeView(source).height(uneven) == 1
