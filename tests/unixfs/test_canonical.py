"""Same entries, same directory, and same bytes, same file: whatever the order of edits, and however the bytes arrive."""

import io
import random
from collections.abc import Iterable, Mapping, Sequence

import pytest

from catalog.ipld.cid import DAG_PB, Cid, cid_of
from catalog.ipld.dag_pb import PBLink, decode_node, encode_node
from catalog.limits import MAX_FANOUT
from catalog.unixfs import directory, hamt
from catalog.unixfs.directory import build_directory, list_directory, update_directory
from catalog.unixfs.file import FileLink, file_node, raw_leaf
from catalog.unixfs.file_writer import FileTree, import_file
from catalog.unixfs.hamt import Entry
from catalog.unixfs.murmur3 import hash_name
from catalog.unixfs.node import UnixFSData, UnixFSType, decode_data, encode_data
from tests.unixfs.counting import CountingSource

V1 = cid_of(b"x")
V0 = Cid(cid_of(b"x", DAG_PB).binary[2:])


def crowded_hash(name: bytes) -> int:
    """Hash to two bits in each byte, so that a few names meet in the same bucket over many levels."""
    return hash_name(name) & 0x0303030303030303


def draw_names(chance: random.Random) -> list[str]:
    """Draw names of 1 to 300 bytes in text of several scripts, no two of one (crowded) hash."""
    lengths = chance.choice([[3], [3, 20, 60], [100, 119, 120, 121, 127, 128, 129], [3, 300]])
    found: dict[int, str] = {}
    for number in range(chance.choice([2, 6, 20, 50])):
        name = f"{number}".rjust(chance.choice(lengths), chance.choice("aé字"))
        found.setdefault(crowded_hash(name.encode()), name)
    return list(found.values())


def draw_entry(chance: random.Random, name: str) -> Entry:
    return Entry(name, chance.choice([V0, V1]), chance.choice([0, 1, 127, 128, 16_384, 1 << 40, 1 << 50]))


def plain_size(entries: Iterable[Entry]) -> int:
    """Return the size of the block of a plain directory with these entries."""
    links = [PBLink(entry.cid, entry.name.encode(), entry.dag_size) for entry in entries]
    return len(encode_node(links, encode_data(UnixFSData(UnixFSType.DIRECTORY))))


def check_directory(chance: random.Random, patch: pytest.MonkeyPatch) -> None:
    names = draw_names(chance)
    held = {name: draw_entry(chance, name) for name in names if chance.random() < 0.7}
    # Sizes at which the directory is just plain, just sharded, or either after a few edits.
    limit = max(0, plain_size(held.values()) + chance.choice([-200, -1, 0, 1, 200]))
    patch.setattr(directory, "MAX_DIRECTORY_BLOCK_SIZE", limit)
    patch.setattr(hamt, "hash_name", crowded_hash)
    source = CountingSource()
    link = build_directory(held.values(), source.keep)
    for _ in range(5):
        share = chance.choice([0.1, 0.5, 1.0])
        changes: dict[str, Entry | None] = {}
        for name in chance.sample(names, chance.choice([1, 1, min(4, len(names)), len(names)])):
            changes[name] = None if chance.random() < share else draw_entry(chance, name)
        link = update_directory(link.cid, changes, source, source.keep)
        held = apply(held, changes)
        shuffled = list(held.values())
        chance.shuffle(shuffled)
        assert link == build_directory(shuffled, lambda block: None)
        assert {entry.name: entry for entry in list_directory(link.cid, source)} == held
        kind = decode_data(decode_node(source.get(link.cid)).data or b"").type
        assert (kind is UnixFSType.DIRECTORY) == (plain_size(held.values()) <= limit)


def apply(held: Mapping[str, Entry], changes: Mapping[str, Entry | None]) -> dict[str, Entry]:
    return {name: entry for name, entry in {**held, **changes}.items() if entry is not None}


def check_directories(seeds: Iterable[int]) -> None:
    for seed in seeds:
        with pytest.MonkeyPatch.context() as patch:
            try:
                check_directory(random.Random(seed), patch)
            except Exception as error:
                error.add_note(f"seed {seed}")
                raise


@pytest.mark.slow
def test_no_edit_makes_two_directories_of_the_same_entries() -> None:
    check_directories(range(500))


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_no_edit_in_fifty_thousand_makes_two_directories() -> None:
    check_directories(range(500, 51_000))


def levels_of(leaves: Sequence[FileLink], max_links: int) -> FileLink:
    """Build a file's tree level by level, as the profile describes it."""
    level = list(leaves) or [raw_leaf(b"")[1]]
    while len(level) > 1:
        level = [file_node(level[start : start + max_links])[1] for start in range(0, len(level), max_links)]
    return level[0]


@pytest.mark.parametrize("max_links", [2, 3, 4, 5, 7])
def test_no_number_of_leaves_makes_two_files(max_links: int) -> None:
    leaves = [raw_leaf(b"%d" % number)[1] for number in range(130)]
    for count in range(len(leaves) + 1):
        tree = FileTree(lambda block: None, max_links=max_links)
        for leaf in leaves[:count]:
            tree.add(leaf)
        assert tree.finish() == levels_of(leaves[:count], max_links)


class Dribble(io.BytesIO):
    """A stream that gives as much as it likes."""

    def __init__(self, data: bytes, chance: random.Random) -> None:
        super().__init__(data)
        self._chance = chance

    def read(self, size: int | None = -1, /) -> bytes:
        assert size is not None
        return super().read(self._chance.randrange(1, size + 1))


@pytest.mark.parametrize("chunk_size", [1, 2, 7, 4096])
def test_no_size_and_no_stream_makes_two_files(chunk_size: int) -> None:
    chance = random.Random(chunk_size)
    around = [chunk_size * factor + more for factor in (1, 2, 5) for more in (-1, 0, 1)]
    if chunk_size < 4096:
        around += [chunk_size * factor + more for factor in (MAX_FANOUT, 2 * MAX_FANOUT) for more in (-1, 0, 1)]
    for size in {0, *around, *(chance.randrange(chunk_size * 40) for _ in range(20))}:
        data = chance.randbytes(size)
        leaves = [raw_leaf(data[start : start + chunk_size])[1] for start in range(0, size, chunk_size)]
        expected = levels_of(leaves, MAX_FANOUT)
        for stream in (io.BytesIO(data), Dribble(data, chance)):
            assert import_file(stream, lambda block: None, chunk_size=chunk_size) == expected
