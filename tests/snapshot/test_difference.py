"""What changed between two snapshots: exactly that, from few blocks, and no lie about the rest goes unnoticed."""

import random
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.errors import SnapshotError
from catalog.ipld.cid import Cid
from catalog.snapshot import edit, tree
from catalog.snapshot.difference import ReleaseDifference, diff_snapshots
from catalog.snapshot.line import Key, decode_line
from catalog.snapshot.reader import open_snapshot
from catalog.snapshot.tree import build_tree
from catalog.unixfs.file import FileLink, decode_file_node
from tests.snapshot.generated import bare_line, joined, keep_leaf, keep_node, keep_root
from tests.unixfs.counting import CountingSource

Lines = Mapping[Key, bytes]


def snapshot(source: CountingSource, lines: Lines) -> Cid:
    return keep_root(source, build_tree(sorted(lines.items()), source.keep), len(lines))


def cut(source: CountingSource, lines: Lines, size: int, fanout: int) -> Cid:
    """Make a snapshot of another shape: leaves of ``size`` bytes wherever that falls."""
    whole = joined(sorted(lines.items()))
    level = [keep_leaf(source, whole[start : start + size]) for start in range(0, len(whole), size)]
    while len(level) > 1:
        level = [keep_node(source, level[start : start + fanout]) for start in range(0, len(level), fanout)]
    return keep_root(source, level[0] if level else keep_leaf(source, b""), len(lines))


def difference(source: CountingSource, old: Cid, new: Cid) -> list[ReleaseDifference]:
    return list(diff_snapshots(open_snapshot(old, source), open_snapshot(new, source)))


def expected(old: Lines, new: Lines) -> list[ReleaseDifference]:
    def read(lines: Lines, key: Key) -> object:
        return decode_line(lines[key][:-1]) if key in lines else None

    keys = sorted(key for key in old.keys() | new.keys() if old.get(key) != new.get(key))
    return [ReleaseDifference(read(old, key), read(new, key)) for key in keys]  # type: ignore[arg-type]


def edited(chance: random.Random, lines: Lines, span: int, most: int) -> dict[Key, bytes]:
    changed = dict(lines)
    for _ in range(chance.randrange(most)):
        key, line = bare_line(chance.randrange(span), chance.randrange(3))
        if chance.random() < 0.3:
            changed.pop(key, None)
        else:
            changed[key] = line
    return changed


@pytest.fixture
def small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree, "MAX_FANOUT", 4)
    monkeypatch.setattr(tree, "MAX_SNAPSHOT_LEAF_SIZE", 700)
    monkeypatch.setattr(edit, "MAX_SNAPSHOT_LEAF_SIZE", 700)


@pytest.mark.slow
@pytest.mark.usefixtures("small_limits")
@settings(max_examples=80, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(1, 300), st.sampled_from([3, 20, 300]))
def test_what_differs_is_given(chance: random.Random, span: int, most: int) -> None:
    old = dict(bare_line(number) for number in range(span) if chance.random() < 0.7)
    new = edited(chance, old, span, most)
    source = CountingSource()
    assert difference(source, snapshot(source, old), snapshot(source, new)) == expected(old, new)


@pytest.mark.slow
@settings(max_examples=50, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(0, 120), st.integers(30, 900), st.integers(2, 9))
def test_any_shape_is_compared(chance: random.Random, span: int, size: int, fanout: int) -> None:
    old = dict(bare_line(number) for number in range(span) if chance.random() < 0.7)
    new = edited(chance, old, span + 1, 10)
    source = CountingSource()
    for first, second in (
        (cut(source, old, size, fanout), cut(source, new, size, fanout)),
        (snapshot(source, old), cut(source, new, size, fanout)),
        (cut(source, old, size, fanout), snapshot(source, new)),
    ):
        assert difference(source, first, second) == expected(old, new)
        assert [decode_line(line[:-1]) for _, line in sorted(new.items())] == list(open_snapshot(second, source).read())


def test_a_sync_of_one_release_reads_few_blocks() -> None:
    source = CountingSource()
    old = dict(bare_line(number) for number in range(20_000))
    new = old | dict([bare_line(7777, 1)])
    first, second = snapshot(source, old), snapshot(source, new)
    before, after = open_snapshot(first, source), open_snapshot(second, source)
    source.reset()
    assert len(list(diff_snapshots(before, after))) == 1
    assert len(source.read) < 20


def test_equal_trees_are_not_read() -> None:
    source = CountingSource()
    root = snapshot(source, dict(map(bare_line, range(500))))
    opened = open_snapshot(root, source)
    source.reset()
    assert list(diff_snapshots(opened, opened)) == []
    assert source.read == []


# Publishers who lie about what they kept


class Hostile:
    """Two levels of leaves to rearrange: an honest old snapshot, and its parts."""

    def __init__(self) -> None:
        self.source = CountingSource()
        self.lines = dict(map(bare_line, range(1500)))
        tree = build_tree(sorted(self.lines.items()), self.source.keep)
        self.leaves = list(decode_file_node(tree.cid, self.source.get(tree.cid)).links)
        assert len(self.leaves) > 30
        self.nodes = [keep_node(self.source, self.leaves[start : start + 5]) for start in range(0, len(self.leaves), 5)]
        self.old = keep_root(self.source, keep_node(self.source, self.nodes), 1500)
        assert len(list(open_snapshot(self.old, self.source).read())) == 1500

    def refuse(self, children: Sequence[FileLink], problem: str, count: int = 1500) -> None:
        """Offer a new snapshot over ``children``: refused by the difference, and read whole as well."""
        root = keep_root(self.source, keep_node(self.source, children), count)
        with pytest.raises(SnapshotError) as caught:
            difference(self.source, self.old, root)
        assert problem in f"{caught.value.message}; {caught.value.why}"
        with pytest.raises(SnapshotError):
            list(open_snapshot(root, self.source).read())


@pytest.fixture
def hostile() -> Hostile:
    return Hostile()


def test_kept_parts_cannot_change_places(hostile: Hostile) -> None:
    one, two, *rest = hostile.nodes
    hostile.refuse([two, one, *rest], "sorted")
    swapped = keep_node(hostile.source, [hostile.leaves[1], hostile.leaves[0], *hostile.leaves[2:5]])
    hostile.refuse([swapped, two, *rest], "sorted")


def test_kept_parts_cannot_stand_twice(hostile: Hostile) -> None:
    one, two, *rest = hostile.nodes
    hostile.refuse([one, one, two, *rest], "sorted", 1500 + 160)
    again = keep_node(hostile.source, [*hostile.leaves[5:10], hostile.leaves[0]])
    hostile.refuse([one, again, *rest], "sorted", 1500 + 30)


def test_kept_parts_cannot_have_another_size(hostile: Hostile) -> None:
    one, two, *rest = hostile.nodes
    hostile.refuse([one, two._replace(file_size=two.file_size + 1), *rest], "size that is not its own")


def test_new_leaves_cannot_overlap_what_surrounds_them(hostile: Hostile) -> None:
    one, _two, three, *rest = hostile.nodes
    inside_one = keep_leaf(hostile.source, joined([bare_line(3, 1)]))
    hostile.refuse([one, keep_node(hostile.source, [inside_one]), three, *rest], "sorted")
    inside_three = keep_leaf(hostile.source, joined([bare_line(1499, 1)]))
    hostile.refuse([one, keep_node(hostile.source, [inside_three]), three, *rest], "sorted")


def test_new_lines_ascend(hostile: Hostile) -> None:
    one, two, *rest = hostile.nodes
    for numbers in ((1, 0), (0, 0)):
        first = keep_leaf(hostile.source, joined(bare_line(number, place) for place, number in enumerate(numbers)))
        hostile.refuse([keep_node(hostile.source, [first]), two, *rest], "sorted")
    assert one.file_size


def test_the_number_of_lines_is_as_stated(hostile: Hostile) -> None:
    one, two, *rest = hostile.nodes
    changed = keep_leaf(hostile.source, joined([bare_line(0, 1)]))
    fewer = keep_node(hostile.source, [changed, *hostile.leaves[1:5]])
    for count in (1, 1499, 1500, 1501):
        hostile.refuse([fewer, two, *rest], "number of releases", count)
    root = keep_root(hostile.source, keep_node(hostile.source, hostile.nodes), 1499)
    with pytest.raises(SnapshotError, match="number of releases"):
        difference(hostile.source, hostile.old, root)
    assert one.file_size


def test_new_lines_are_held_to_their_form(hostile: Hostile) -> None:
    one, two, *rest = hostile.nodes
    line = bare_line(0, 1)[1]
    for bad in (line.replace(b":", b": ", 1), line.replace(b"null", b"nil"), b"{}\n", b"{\n", line.replace(b'"n0000"', b'"N0000"')):
        leaf = keep_leaf(hostile.source, bad)
        hostile.refuse([keep_node(hostile.source, [leaf, *hostile.leaves[1:5]]), two, *rest], "", 1469)
    assert one.file_size


def test_new_nodes_and_leaves_have_the_size_that_is_stated(hostile: Hostile) -> None:
    one, two, *rest = hostile.nodes
    line = bare_line(0, 1)[1]
    leaf = keep_leaf(hostile.source, line)
    short = leaf._replace(file_size=len(line) - 1, dag_size=len(line) - 1)
    hostile.refuse([keep_node(hostile.source, [short, *hostile.leaves[1:5]]), two, *rest], "its parent says")
    node = keep_node(hostile.source, [leaf, *hostile.leaves[1:5]])
    hostile.refuse([node._replace(file_size=node.file_size - 1), two, *rest], "its parent says")
    empty = keep_leaf(hostile.source, b"")
    root = keep_root(hostile.source, keep_node(hostile.source, [keep_node(hostile.source, [empty, leaf]), two, *rest]), 1)
    with pytest.raises(SnapshotError, match="no bytes"):
        difference(hostile.source, hostile.old, root)
    assert one.file_size
