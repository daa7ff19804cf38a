"""Writing snapshots: the golden CIDs, and the same root whatever the order of releases and edits."""

import random
from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.errors import InvalidInputError, SnapshotError
from catalog.ipld.block import Block
from catalog.ipld.cid import Cid, parse_cid
from catalog.model.release import Release
from catalog.snapshot import writer
from catalog.snapshot.images import image_paths
from catalog.snapshot.line import decode_line
from catalog.snapshot.reader import open_snapshot
from catalog.snapshot.writer import WrittenSnapshot, update_snapshot, write_snapshot
from catalog.unixfs.directory import find_entry, list_directory
from catalog.unixfs.file_reader import read_file
from tests.snapshot.generated import EXPECTED, PUBLISHED, dag_size, golden_lines, keep_leaf, keep_node, keep_root, release
from tests.unixfs.counting import CountingSource
from tests.unixfs.paths import resolve_path


def write(releases: list[Release], source: CountingSource, *, title: str = "t") -> WrittenSnapshot:
    return write_snapshot(releases, title=title, published=PUBLISHED, previous=None, dag_size=dag_size, put=source.keep)


def golden(name: str, source: CountingSource, releases: list[Release] | None = None) -> WrittenSnapshot:
    head = EXPECTED[name]
    if releases is None:
        releases = [decode_line(line) for line in golden_lines(name)]
    return write_snapshot(
        releases,
        title=head["title"],
        published=head["published"],
        previous=head["previous"] and parse_cid(head["previous"]),
        dag_size=dag_size,
        put=source.keep,
    )


@pytest.mark.parametrize("name", ["empty", "small", "large"])
def test_golden_catalogues(name: str) -> None:
    expected = EXPECTED[name]
    source = CountingSource()
    releases = [decode_line(line) for line in golden_lines(name)]
    random.Random(1).shuffle(releases)
    written = golden(name, source, releases)
    assert str(written.root) == expected["snapshot_cid"]
    assert written.releases == expected["releases"]
    assert len(list(source.cids())) == expected["blocks"]
    snapshot = open_snapshot(written.root, source)
    assert str(snapshot.releases.cid) == expected["releases_cid"]
    assert snapshot.releases.file_size == expected["releases_bytes"]
    assert str(snapshot.images.cid) == expected["images_cid"]
    head = find_entry(written.root, "catalogue.json", source)
    assert head is not None
    assert str(head.cid) == expected["catalogue_cid"]
    assert written.dag_size == len(source.get(written.root)) + sum(entry.dag_size for entry in list_directory(written.root, source))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["small", "large"])
def test_golden_catalogues_by_way_of_edits(name: str) -> None:
    """Publishing a catalogue in many steps gives the root of one: images/ becomes sharded on the way."""
    source = CountingSource()
    releases = [decode_line(line) for line in golden_lines(name)]
    random.Random(2).shuffle(releases)
    cuts = [0, 1, 2, len(releases) // 3, len(releases) - 3, len(releases)]
    root = golden("empty", source).root
    for start, end in pairwise(cuts):
        changes = {"changes": releases[start:end], "dag_size": dag_size, "source": source, "put": source.keep}
        root = update_snapshot(root, published=PUBLISHED, title="x", **changes).root  # type: ignore[arg-type]
    snapshot = open_snapshot(root, source)
    assert str(snapshot.releases.cid) == EXPECTED[name]["releases_cid"]
    assert str(snapshot.images.cid) == EXPECTED[name]["images_cid"]
    assert snapshot.catalogue.releases == len(releases)


def test_plain_tools_find_what_they_look_for() -> None:
    source = CountingSource()
    written = golden("small", source)
    images = [*golden_images(written.root, source)]
    assert len(images) == len(set(images)) == 9
    delta = "bafybeibxyxpz3pdqkbxjo2to2v5j34rnozfoayrcno5zqzoy6yqi5cae6y.delta"
    for path, cid in (
        ("web/1.11.linux-arm64.tar.zst", "bafybeihgc5i2ks4zm76ttkbq34nrzz3wvnkqafu7u3rwaco5dw54vzs62e"),
        (f"web/1.11.linux-arm64.{delta}", "bafkreibnp7qwlvfgey3namr4vbpjaztxl4qoyberencwj5fozsf2dtzwie"),
        ("team/api/2.8.1.linux-arm64.tar.zst", "bafybeibxyxpz3pdqkbxjo2to2v5j34rnozfoayrcno5zqzoy6yqi5cae6y"),
    ):
        assert resolve_path(written.root, ["images", *path.split("/")], source) == parse_cid(cid)
    lines = find_entry(written.root, "releases.ndjson", source)
    assert lines is not None
    assert b"".join(read_file(lines.cid, source)).split(b"\n")[:-1] == golden_lines("small")


def golden_images(root: Cid, source: CountingSource) -> Iterator[str]:
    for published in open_snapshot(root, source).read():
        yield from ("/".join(path) for path, _ in image_paths(published))


@given(st.lists(st.integers(0, 60), max_size=40, unique=True), st.randoms(use_true_random=False))
def test_the_order_of_releases_does_not_matter(numbers: list[int], chance: random.Random) -> None:
    source = CountingSource()
    releases = [release(number, number % 4) for number in numbers]
    root = write(releases, source).root
    chance.shuffle(releases)
    assert write(releases, CountingSource()).root == root
    assert sorted(open_snapshot(root, source).read(), key=repr) == sorted(releases, key=repr)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(st.tuples(st.integers(0, 80), st.integers(0, 8)), max_size=8), max_size=6))
def test_edits_in_any_order_give_the_snapshot_of_a_whole_write(edits: list[list[tuple[int, int]]]) -> None:
    """Releases come, change, get and lose images, so that directories of images come and go."""
    source = CountingSource()
    held: dict[str, Release] = {}
    root = write([], source).root
    for edit in edits:
        changes = {(changed := release(number, content)).reference: changed for number, content in edit}
        held |= changes
        previous = root
        new: list[Block] = []
        written = update_snapshot(root, changes.values(), published=PUBLISHED, dag_size=dag_size, source=source, put=new.append)
        for block in new:
            source.keep(block)
        root = written.root
        expected = write_snapshot(
            held.values(), title="t", published=PUBLISHED, previous=previous, dag_size=dag_size, put=CountingSource().keep
        )
        assert written == expected
        if new:
            assert new[-1].cid == root  # the root comes last, so that it never points to what is not there


@pytest.mark.slow
def test_publishing_one_more_reads_and_writes_its_paths_only() -> None:
    source = CountingSource()
    root = golden("large", source).root
    more = release(3, 1)
    source.reset()
    new: list[Block] = []
    written = update_snapshot(root, [more], published=PUBLISHED, dag_size=dag_size, source=source, put=new.append)
    assert written.releases == 18001
    assert len(source.read) < 50
    assert len(new) < 12
    assert sum(len(block.data) for block in new) < 200_000


def test_head_of_an_update() -> None:
    source = CountingSource()
    first = write([release(1)], source)
    other = write([release(2)], source)
    kept = {"dag_size": dag_size, "source": source, "put": source.keep}
    second = update_snapshot(first.root, [release(1, 5)], published="2027-01-01T00:00:00Z", **kept)  # type: ignore[arg-type]
    head = open_snapshot(second.root, source).catalogue
    assert (head.title, head.previous, head.published, head.releases) == ("t", first.root, "2027-01-01T00:00:00Z", 1)
    merged = update_snapshot(first.root, [], published=PUBLISHED, title="new", previous=other.root, **kept)  # type: ignore[arg-type]
    head = open_snapshot(merged.root, source).catalogue
    assert (head.title, head.previous) == ("new", other.root)


def test_another_writers_shape_is_rewritten_whole() -> None:
    source = CountingSource()
    whole = b"".join(line + b"\n" for line in golden_lines("small"))
    pieces = [keep_leaf(source, whole[start : start + 1000]) for start in range(0, len(whole), 1000)]
    foreign = keep_root(source, keep_node(source, pieces), 7)
    old = [decode_line(line) for line in golden_lines("small")]
    changes = [release(0, 1), old[3]]
    written = update_snapshot(foreign, changes, published=PUBLISHED, dag_size=dag_size, source=source, put=source.keep)
    snapshot = open_snapshot(written.root, source)
    assert snapshot.releases == open_snapshot(write([*old, release(0, 1)], source).root, source).releases
    assert snapshot.catalogue.releases == 8


def test_a_release_that_does_not_fit_is_named() -> None:
    long = Release("a", "1", PUBLISHED, annotations={"a": "x" * 4096, "b": "y" * 4096})
    with pytest.raises(InvalidInputError, match="a@1 makes a line"):
        write([long], CountingSource())


def test_a_catalogue_that_nobody_would_read_is_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "MAX_RELEASES", 3)
    with pytest.raises(SnapshotError, match="do not fit"):
        write([release(number) for number in range(4)], CountingSource())
