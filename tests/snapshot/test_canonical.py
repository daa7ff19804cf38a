"""Same releases, same root: edits, differences and merges of trees are held against whole builds, in many shapes of trees.

The limits and the shares of names and CIDs that end leaves and nodes are drawn for each example, so that small trees have every
shape that the format allows: many levels, nodes over one node that ended by its CID, leaves cut by size or by name. The seeds are
fixed: an example that fails is found again by its number.
"""

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, partial

import pytest

from catalog.limits import MAX_LINE_SIZE
from catalog.snapshot import edit, tree
from catalog.snapshot.difference import ReleaseDifference, diff_snapshots
from catalog.snapshot.edit import update_tree
from catalog.snapshot.line import Key, decode_line, encode_line, line_key
from catalog.snapshot.reader import open_snapshot
from catalog.snapshot.tree import build_tree, ends_leaf
from catalog.trust.merge import merge_release
from catalog.unixfs.file import FileLink, decode_file_node, file_node, raw_leaf
from tests.snapshot.generated import bare_line, keep_root
from tests.unixfs.counting import CountingSource

Lines = dict[Key, bytes]
Changes = dict[Key, bytes | None]
DrawLine = Callable[[int], tuple[Key, bytes]]

EXAMPLES, PARTS = 1000, 4
LONG_EXAMPLES, LONG_PARTS = 100_000, 8
SMALL_LINE_SIZE = 400  # the most of one line, where limits are small


@cache
def small_line(number: int, content: int, padding: int) -> tuple[Key, bytes]:
    return padded_line(number, content, padding * 30)


def padded_line(number: int, content: int, padding: int) -> tuple[Key, bytes]:
    """Make a line of at least 126 bytes, with two annotations where one cannot hold the padding."""
    key, line = bare_line(number)
    parts = [b'"a":"%d%s"' % (content, b"x" * min(padding, 4000))]
    if padding > 4000:
        parts.append(b'"b":"%s"' % (b"x" * (padding - 4000)))
    return key, line.replace(b'"annotations":{}', b'"annotations":{%s}' % b",".join(parts), 1)


def build(lines: Mapping[Key, bytes], source: CountingSource) -> FileLink:
    return build_tree(sorted(lines.items()), source.keep)


def specified_root(lines: Lines) -> FileLink:
    """Build the tree as the format's text says it, level by level."""
    limits = vars(tree)
    leaves: list[list[bytes]] = [[]]
    for key, line in sorted(lines.items()):
        if sum(map(len, leaves[-1])) + len(line) > limits["MAX_SNAPSHOT_LEAF_SIZE"]:
            leaves.append([])
        leaves[-1].append(line)
        if ends_leaf(key):
            leaves.append([])
    level = [raw_leaf(b"".join(leaf))[1] for leaf in leaves if leaf] or [raw_leaf(b"")[1]]
    while len(level) > 1:
        groups: list[list[FileLink]] = [[]]
        for link in level:
            groups[-1].append(link)
            if link.cid.binary[-1] < limits["_NODE_ENDS_BELOW"] or len(groups[-1]) == limits["MAX_FANOUT"]:
                groups.append([])
        level = [file_node(group)[1] for group in groups if group]
    return level[0]


def apply(lines: Mapping[Key, bytes], changes: Mapping[Key, bytes | None]) -> Lines:
    return {key: line for key, line in {**lines, **changes}.items() if line is not None}


def draw_changes(chance: random.Random, pool: Sequence[int], starts: Callable[[], Sequence[int]], draw_line: DrawLine) -> Changes:
    """Draw an edit: some numbers of the pool, a run of them, the ends, some of the first lines of leaves (``starts``), or all."""
    kind = chance.randrange(8)
    if kind < 3:
        numbers: Sequence[int] = chance.choices(pool, k=chance.choice([1, 1, 2, 5, 30]))
    elif kind == 3:
        start = chance.randrange(len(pool))
        numbers = pool[start : start + chance.choice([2, 10, 60])]
    elif kind == 4:
        numbers = chance.choice([pool[:1], pool[-1:], [pool[0], pool[-1]]])
    elif kind < 7:
        numbers = chance.choices(starts() or pool, k=chance.choice([1, 1, 3]))
    else:
        numbers = pool if chance.random() < 0.2 else pool[len(pool) // 2 :][:1]
    share = chance.choice([0.0, 0.1, 0.5, 1.0])
    return {key: None if chance.random() < share else line for key, line in map(draw_line, numbers)}


def starts_of(root: FileLink, source: CountingSource) -> list[int]:
    """Return the numbers of the first lines of all leaves."""
    if root.file_size == 0:
        return []
    links, data, _ = decode_file_node(root.cid, source.get(root.cid))
    if not links:
        name, version = line_key(data.split(b"\n", 1)[0])
        return [int(name[1:]) * 100 + int(version[1:])]
    return [number for link in links for number in starts_of(link, source)]


@cache
def bare_key(number: int) -> Key:
    return bare_line(number)[0]


def check_update(source: CountingSource, root: FileLink, lines: Lines, changes: Changes) -> tuple[FileLink, Lines]:
    """Edit a tree; return the root and the lines after it, if they are those of a whole build."""
    written = update_tree(root, changes, source, source.keep)
    after = apply(lines, changes)
    assert written.root == build(after, source)
    assert written.replaced == {key: lines[key][:-1] for key in changes if key in lines}
    return written.root, after


def check_difference(source: CountingSource, old: tuple[FileLink, Lines], new: tuple[FileLink, Lines]) -> list[ReleaseDifference]:
    """Compare two snapshots; return what differs, if it is what a comparison of all lines gives."""
    (old_root, old_lines), (new_root, new_lines) = old, new
    old_snapshot, new_snapshot = (
        open_snapshot(keep_root(source, root, len(lines)), source) for root, lines in ((old_root, old_lines), (new_root, new_lines))
    )
    found = list(diff_snapshots(old_snapshot, new_snapshot))
    differing = sorted(key for key in old_lines.keys() | new_lines.keys() if old_lines.get(key) != new_lines.get(key))
    assert found == [
        ReleaseDifference(*(decode_line(lines[key][:-1]) if key in lines else None for lines in (old_lines, new_lines)))
        for key in differing
    ]
    return found


def check_merge(
    source: CountingSource, base: tuple[FileLink, Lines], mine: tuple[FileLink, Lines], theirs: tuple[FileLink, Lines]
) -> tuple[FileLink, Lines]:
    """Merge as two homes of one key do: what differs between ``base`` and ``theirs`` is merged into ``mine``."""
    root, lines = mine
    changes: Changes = {}
    for difference in check_difference(source, base, theirs):
        if difference.after is None:
            continue
        key = (difference.after.name, difference.after.version)
        own = decode_line(lines[key][:-1]) if key in lines else None
        merged = merge_release(difference.before, own, difference.after).release
        if merged != own:
            changes[key] = encode_line(merged)
    return check_update(source, root, lines, changes)


def check_example(chance: random.Random, lines: Lines, pool: Sequence[int], draw_line: DrawLine) -> None:
    """Edit, compare and merge; every root has to be that of a whole build."""
    source = CountingSource()
    base = (build(lines, source), lines)
    assert base[0] == specified_root(lines)
    sides = []
    for _ in range(2):
        side = base
        for _ in range(2):
            changes = draw_changes(chance, pool, partial(starts_of, side[0], source), draw_line)
            side = check_update(source, *side, changes)
        sides.append(side)
    mine, theirs = sides
    merged = check_merge(source, base, mine, theirs)
    taken = check_merge(source, theirs, theirs, merged)
    if theirs[1].keys() <= merged[1].keys():
        assert taken == merged, "both homes end with one root"


def check_small_trees(seeds: Iterable[int]) -> None:
    for seed in seeds:
        chance = random.Random(seed)
        with pytest.MonkeyPatch.context() as patch:
            leaf_size = chance.choice([500, 700, 1500])
            patch.setattr(tree, "MAX_FANOUT", chance.choice([2, 3, 4, 4, 16]))
            patch.setattr(tree, "MAX_SNAPSHOT_LEAF_SIZE", leaf_size)
            patch.setattr(edit, "MAX_SNAPSHOT_LEAF_SIZE", leaf_size)
            patch.setattr(edit, "MAX_LINE_SIZE", SMALL_LINE_SIZE)
            patch.setattr(tree, "_LEAF_ENDS_BELOW", chance.choice([0, 8, 8, 64, 256]))
            patch.setattr(tree, "_NODE_ENDS_BELOW", chance.choice([0, 1, 32, 100, 160]))
            span = chance.choice([3, 12, 40, 40, 90, 150])
            paddings = chance.choice([1, 3, 9])

            def draw_line(number: int, chance: random.Random = chance, paddings: int = paddings) -> tuple[Key, bytes]:
                return small_line(number, chance.randrange(2), chance.randrange(paddings))

            share = chance.choice([0.2, 0.7, 1.0])
            lines = dict(draw_line(number) for number in range(span) if chance.random() < share)
            try:
                check_example(chance, lines, range(span + 2), draw_line)
            except Exception as error:
                error.add_note(f"seed {seed}")
                raise


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
def test_small_trees(part: int) -> None:
    check_small_trees(range(part, EXAMPLES, PARTS))


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("part", range(LONG_PARTS))
def test_a_hundred_thousand_small_trees(part: int) -> None:
    check_small_trees(range(EXAMPLES + part, EXAMPLES + LONG_EXAMPLES, LONG_PARTS))


# The real limits


def check_large_lines(seeds: Iterable[int]) -> None:
    """Lines to 8 KiB, with names of which few end a leaf, so that leaves are cut at 1 MiB; a few leaves make several levels."""
    most = MAX_LINE_SIZE - len(padded_line(0, 0, 4001)[1]) + 4001
    for seed in seeds:
        chance = random.Random(seed)
        numbers = [number for number in range(700) if not ends_leaf(bare_key(number)) or chance.random() < 0.2]

        def draw_line(number: int, chance: random.Random = chance) -> tuple[Key, bytes]:
            padding = most if chance.random() < 0.6 else chance.randrange(most)
            return padded_line(number, chance.randrange(2), padding)

        lines = dict(map(draw_line, numbers[: chance.choice([150, 400, 600])]))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(tree, "_NODE_ENDS_BELOW", chance.choice([1, 100, 160]))
            try:
                check_example(chance, lines, numbers, draw_line)
            except Exception as error:
                error.add_note(f"seed {seed}")
                raise


@pytest.mark.slow
def test_large_lines() -> None:
    assert len(padded_line(1, 1, 8000)[1]) < MAX_LINE_SIZE
    decode_line(padded_line(1, 1, 8000)[1][:-1])
    check_large_lines(range(12))


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_thousands_of_large_lines() -> None:
    check_large_lines(range(12, 4000))


@pytest.mark.parametrize("number", [0, 1, 9000])
def test_a_first_node_that_ends_by_its_cid(number: int) -> None:
    """With the real limits: the first node is the only child of the one above, until an edit gives it another CID."""
    source = CountingSource()
    lines = dict(bare_line(number, 2) for number in range(20_000))
    first, _ = children(build(lines, source), source)[:2]
    leaf, *leaves = children(first, source)
    rest = source.get(leaf.cid).split(b"\n", 1)[1]

    def first_node(content: int) -> FileLink:
        return file_node([raw_leaf(bare_line(0, content)[1] + rest)[1], *leaves])[1]

    found = next(content for content in range(3, 10**5) if first_node(content).cid.binary[-1] == 0)
    lines |= dict([bare_line(0, found)])
    root = build(lines, source)
    assert children(children(root, source)[0], source) == (first_node(found),)
    check_update(source, root, lines, dict([bare_line(number, 10**6)]))


@pytest.mark.slow
def test_a_node_whose_last_leaf_was_cut_by_its_size() -> None:
    """With the real limits: the first leaf, alone in a node, takes in the next line when that becomes shorter."""
    source = CountingSource()
    numbers = [number for number in range(600) if not ends_leaf(bare_key(number))][:400]
    most = MAX_LINE_SIZE - len(padded_line(0, 0, 4001)[1]) + 4001

    def lines_with(content: int) -> Lines:
        first = padded_line(numbers[0], content, 7000)
        return dict([first, *(padded_line(number, 0, most) for number in numbers[1:])])

    def first_leaf(content: int) -> bytes:
        return b"".join(list(lines_with(content).values())[:128])

    found = next(content for content in range(100, 10**5) if raw_leaf(first_leaf(content))[1].cid.binary[-1] == 0)
    lines = lines_with(found)
    root = build(lines, source)
    assert children(children(root, source)[0], source) == (raw_leaf(first_leaf(found))[1],)
    check_update(source, root, lines, dict([padded_line(numbers[128], 0, 0)]))
    check_update(source, root, lines, {bare_key(numbers[128]): None} | dict([padded_line(numbers[129], 0, 0)]))


def children(link: FileLink, source: CountingSource) -> tuple[FileLink, ...]:
    return decode_file_node(link.cid, source.get(link.cid)).links
