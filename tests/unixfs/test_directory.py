"""Directories: Kubo's CIDs on both sides of the threshold, updates that give what a whole build gives, and shards that lie."""

import io
import random
from collections.abc import Iterable, Mapping

import mmh3
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.errors import CodecError
from catalog.ipld.block import Block
from catalog.ipld.car import CarReader
from catalog.ipld.cid import DAG_PB, Cid, cid_of, parse_cid
from catalog.ipld.dag_pb import PBLink, decode_node, encode_node
from catalog.unixfs.directory import build_directory, find_entry, is_directory, list_directory, update_directory
from catalog.unixfs.file_reader import read_file
from catalog.unixfs.hamt import DirectoryLink, Entry
from catalog.unixfs.murmur3 import hash_name
from catalog.unixfs.node import UnixFSData, UnixFSType, decode_data, encode_data
from tests.needs import vectors
from tests.unixfs.counting import CountingSource
from tests.unixfs.generated import names, profile
from tests.unixfs.paths import resolve_path

X = cid_of(b"x")


def put(source: CountingSource, links: Iterable[PBLink], message: UnixFSData) -> Cid:
    block = encode_node(list(links), encode_data(message))
    cid = cid_of(block, DAG_PB)
    source.put(cid, block)
    return cid


def shard(
    source: CountingSource, slots: Mapping[str, Cid], *, fanout: int = 256, hash_type: int = 0x22, bits: int | None = None
) -> Cid:
    """Make a shard that may lie; keys are link names."""
    width = len(f"{fanout - 1:X}")
    if bits is None:
        bits = sum({1 << int(name[:width], 16) for name in slots})
    data = bits.to_bytes((bits.bit_length() + 7) // 8)
    message = UnixFSData(UnixFSType.HAMT_SHARD, data, hash_type=hash_type, fanout=fanout)
    return put(source, [PBLink(cid, name.encode(), 1) for name, cid in slots.items()], message)


def many(count: int, *, length: int = 40) -> list[Entry]:
    return [Entry(f"{number:0{length}d}", X, 1) for number in range(count)]


def name_in(path: str) -> str:
    """Find a name whose hash begins with the given bytes in hex."""
    return next(name for number in range(1 << 22) if f"{hash_name((name := f'{number}').encode()):016X}".startswith(path))


# Hashing


@given(st.binary(max_size=100))
def test_the_hash_is_murmur3(name: bytes) -> None:
    assert hash_name(name) == mmh3.hash64(name, 0, x64arch=True, signed=False)[0]


def test_the_specifications_example() -> None:
    assert f"{hash_name(b'470.txt'):016x}" == "006e88df5847e67c"


# Building


@pytest.mark.parametrize("number", [0, 1])
def test_both_sides_of_the_threshold_are_kubos(number: int) -> None:
    described = profile("unixfs-v1-2025")["dirs"][number]
    source = CountingSource()
    entries = [Entry(name, X, 1) for name in names(described)]
    link = build_directory(entries, source.keep)
    assert str(link.cid) == described["cid"]
    root = decode_node(source.get(link.cid))
    assert decode_data(root.data or b"").type == (UnixFSType.DIRECTORY if described["kind"] == "basic" else UnixFSType.HAMT_SHARD)
    assert sorted(list_directory(link.cid, source)) == sorted(entries)
    source.reset()
    assert find_entry(link.cid, entries[77].name, source) == entries[77]
    assert len(source.read) <= 3
    assert find_entry(link.cid, "absent", source) is None


def test_the_empty_directory() -> None:
    source = CountingSource()
    link = build_directory([], source.keep)
    assert str(link.cid) == "bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354"
    assert link.dag_size == 4
    assert list(list_directory(link.cid, source)) == []
    assert is_directory(link.cid, source.get(link.cid))


def test_two_entries_of_one_name_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="one name"):
        build_directory([Entry("a", X, 1), Entry("a", X, 2)], lambda block: None)


# Updating


def check_update(before: Mapping[str, Entry], changes: Mapping[str, Entry | None]) -> None:
    source = CountingSource()
    root = build_directory(before.values(), source.keep)
    after = {name: entry for name, entry in {**before, **changes}.items() if entry is not None}
    new: list[Block] = []
    link = update_directory(root.cid, changes, source, new.append)
    expected: list[Block] = []
    assert link == build_directory(after.values(), expected.append)
    assert {block.cid for block in new} <= {block.cid for block in expected}
    for block in new:
        source.keep(block)
    assert {entry.name: entry for entry in list_directory(link.cid, source)} == after


entries = st.dictionaries(st.integers(0, 400), st.integers(1, 1 << 40) | st.none(), max_size=30)


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(st.integers(0, 400), entries)
def test_an_update_gives_what_a_whole_build_gives(count: int, changes: dict[int, int | None]) -> None:
    """Names of 900 bytes, so that about 275 entries are the threshold and edits cross it both ways."""

    def name(number: int) -> str:
        return f"{number:0900d}"

    before = {name(number): Entry(name(number), X, 1) for number in range(count)}
    check_update(before, {name(number): size if size is None else Entry(name(number), X, size) for number, size in changes.items()})


def test_shards_collapse_and_the_directory_becomes_a_plain_one_again() -> None:
    before = {entry.name: entry for entry in many(300, length=900)}
    check_update(before, dict.fromkeys(list(before)[:1]))
    check_update(before, dict.fromkeys(list(before)[:50]))
    check_update(before, dict.fromkeys(list(before)[:299]))
    check_update(before, dict.fromkeys(before))
    first, second = [name for number in range(2000) if hash_name((name := f"{number}").encode()) >> 56 == 0xAB][:2]
    for added in ([first], [first, second]):
        grown = before | {name: Entry(name, X, 1) for name in added}
        check_update(before, {name: Entry(name, X, 1) for name in added})
        check_update(grown, dict.fromkeys(added))


def test_a_random_walk_of_edits_never_leaves_the_canonical_shape() -> None:
    chance = random.Random(5)
    source = CountingSource()
    held: dict[str, Entry] = {}
    root = build_directory([], source.keep)
    for step in range(60):
        changes: dict[str, Entry | None] = {}
        for _ in range(chance.randrange(1, 40)):
            name = f"{chance.randrange(500):0700d}"
            changes[name] = None if chance.random() < (0.3 if step < 30 else 0.7) else Entry(name, X, chance.randrange(1, 10**6))
        root = update_directory(root.cid, changes, source, source.keep)
        held = {name: entry for name, entry in {**held, **changes}.items() if entry is not None}
        assert root == build_directory(held.values(), lambda block: None)


def test_an_update_reads_and_writes_the_paths_only() -> None:
    source = CountingSource()
    root = build_directory(many(20_000), source.keep)
    source.reset()
    new: list[Block] = []
    update_directory(root.cid, {"new": Entry("new", X, 1)}, source, new.append)
    assert len(source.read) <= 4
    assert len(new) <= 4


# Reading


def load(path: str) -> tuple[Cid, CountingSource]:
    reader = CarReader(io.BytesIO((vectors("car") / path).read_bytes()))
    return reader.roots[0], CountingSource(reader)


@pytest.mark.parametrize(
    ("path", "count"),
    [
        ("boxo/directory-with-multilayer-hamt-and-multiblock-files.car", 2),
        ("gateway-conformance/trustless_gateway_car/single-layer-hamt-with-multi-block-files.car", 1000),
        ("gateway-conformance/path_gateway_unixfs/dir-with-files.car", 4),
    ],
)
def test_directories_of_the_projects_are_read(path: str, count: int) -> None:
    root, source = load(path)
    found = list(list_directory(root, source))
    assert len(found) == count
    for entry in found:
        assert find_entry(root, entry.name, source) == entry


def test_one_entry_is_found_by_the_blocks_of_its_path() -> None:
    """The file holds nothing but the path to one article in a directory of all of Wikipedia."""
    root, source = load("go-unixfsnode/wikipedia-cryptographic-hash-function.car")
    assert resolve_path(root, ["wiki", "Cryptographic_hash_function"], source) is not None


def test_paths() -> None:
    source = CountingSource()
    file = cid_of(b"content")
    inner = build_directory([Entry("file", file, 7)], source.keep)
    root = build_directory([Entry("dir", *inner)], source.keep)
    source.put(file, b"content")
    assert resolve_path(root.cid, [], source) == root.cid
    assert resolve_path(root.cid, ["dir", "file"], source) == file
    assert resolve_path(root.cid, ["dir", "other"], source) is None
    assert b"".join(read_file(file, source)) == b"content"
    with pytest.raises(CodecError, match="not a directory"):
        resolve_path(root.cid, ["dir", "file", "deeper"], source)


def test_the_first_of_two_equal_names_counts() -> None:
    source = CountingSource()
    message = UnixFSData(UnixFSType.DIRECTORY)
    other = cid_of(b"other")
    cid = put(source, [PBLink(X, b"a", 1), PBLink(other, b"a", 2), PBLink(other, b"b", 3)], message)
    assert list(list_directory(cid, source)) == [Entry("a", X, 1), Entry("b", other, 3)]


@pytest.mark.parametrize("name", [b"", b".", b"..", b"a/b", b"/", b"a\0b", b"\xff", b"../../etc/passwd"])
def test_names_that_no_directory_may_hold_are_refused(name: bytes) -> None:
    source = CountingSource()
    cid = put(source, [PBLink(X, name, 1)], UnixFSData(UnixFSType.DIRECTORY))
    with pytest.raises(CodecError):
        list(list_directory(cid, source))


# Shards that lie


def refuse(root: Cid, source: CountingSource, problem: str) -> None:
    with pytest.raises(CodecError) as caught:
        list(list_directory(root, source))
    assert problem in f"{caught.value.message}; {caught.value.why}"


def test_shards_that_contradict_themselves_are_refused() -> None:
    source = CountingSource()
    name = name_in("AB")
    good = shard(source, {f"AB{name}": X})
    assert list(list_directory(good, source)) == [Entry(name, X, 1)]
    refuse(shard(source, {f"AB{name}": X}, bits=1), source, "contradicts its links")
    refuse(shard(source, {f"AB{name}": X}, hash_type=0x12), source, "function other than")
    refuse(shard(source, {f"AC{name}": X}), source, "in the wrong bucket")
    refuse(shard(source, {f"AB{name}": X, f"AB{name}2": X}), source, "out of order")
    refuse(shard(source, {f"ab{name}": X}), source, "without a bucket")
    refuse(shard(source, {"AB..": X}), source, "an entry named")
    for fanout in (0, 4, 100, 2048, 1 << 40):
        refuse(shard(source, {}, fanout=fanout, bits=0), source, "fan-out")


def test_a_shard_cannot_stand_in_two_places() -> None:
    """256 links to one shard would make 256ⁿ entries of n blocks."""
    source = CountingSource()
    name = name_in("AB12")
    inner = shard(source, {f"12{name}": X})
    refuse(shard(source, {"AB": inner, "AC": inner}), source, "wrong bucket")
    bomb = inner
    for _ in range(6):
        bomb = shard(source, {f"{bucket:02X}": bomb for bucket in range(256)})
    source.reset()
    refuse(bomb, source, "wrong bucket")
    assert len(source.read) <= 9


def test_empty_and_endless_shards_are_refused() -> None:
    source = CountingSource()
    empty = shard(source, {}, bits=0)
    assert list(list_directory(empty, source)) == []
    refuse(shard(source, {"00": empty}), source, "is empty")
    chain = shard(source, {"00": empty})
    for _ in range(20):
        chain = shard(source, {"00": chain})
    source.reset()
    refuse(chain, source, "deeper than its hash")
    assert len(source.read) <= 9
    assert find_entry(chain, name_in("0000"), source) is None


def test_other_fanouts_are_read_but_not_mixed() -> None:
    source = CountingSource()
    name = name_in("A")
    assert hash_name(name.encode()) >> 60 == 0xA
    small = shard(source, {f"A{name}": X}, fanout=16)
    assert list(list_directory(small, source)) == [Entry(name, X, 1)]
    assert find_entry(small, name, source) == Entry(name, X, 1)
    refuse(shard(source, {"AB": small}), source, "another fan-out")
    large = shard(source, {f"{hash_name(name.encode()) >> 54:03X}{name}": X}, fanout=1024)
    assert find_entry(large, name, source) == Entry(name, X, 1)
    updated = update_directory(small, {"new": Entry("new", X, 1)}, source, source.keep)
    assert updated == build_directory([Entry(name, X, 1), Entry("new", X, 1)], lambda block: None)


def test_what_is_no_directory_is_refused() -> None:
    source = CountingSource([Block(X, b"x")])
    refuse(X, source, "not a directory")
    file = put(source, [], UnixFSData(UnixFSType.FILE, b"x", 1))
    refuse(file, source, "it is a UnixFS file")
    assert not is_directory(file, source.get(file))
    assert not is_directory(X, b"x")
    assert DirectoryLink(parse_cid(str(X)), 1).cid == X
