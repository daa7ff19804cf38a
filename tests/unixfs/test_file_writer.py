"""Files are written with the CIDs of IPIP-499."""

import io

import pytest

from catalog.ipld.block import Block
from catalog.ipld.cid import cid_of
from catalog.limits import GIB
from catalog.unixfs.file import FileLink, file_node, raw_leaf
from catalog.unixfs.file_reader import read_file
from catalog.unixfs.file_writer import FileTree, import_file
from tests.unixfs.counting import CountingSource
from tests.unixfs.generated import chunks, profile


def test_small_files_of_the_profile_have_kubos_cids() -> None:
    for described in profile("unixfs-v1-2025")["files"]:
        if described.get("size", 0) > GIB // 2:
            continue
        if "content" in described:
            content = described["content"].encode()
        else:
            content = b"".join(chunks(described["seed"], described["size"], 1 << 20))
        source = CountingSource()
        link = import_file(io.BytesIO(content), source.keep)
        assert str(link.cid) == described["cid"]
        assert link.file_size == len(content)
        assert b"".join(read_file(link.cid, source)) == content


@pytest.mark.slow
def test_large_files_of_the_profile_have_kubos_cids() -> None:
    for described in profile("unixfs-v1-2025")["files"]:
        if described.get("size", 0) > GIB // 2:
            tree = FileTree(lambda block: None)
            for chunk in chunks(described["seed"], described["size"], 1 << 20):
                tree.add(raw_leaf(chunk)[1])
            assert str(tree.finish().cid) == described["cid"]


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 5, 8, 9, 10, 26, 27, 28, 29, 81, 82, 100])
def test_levels_are_filled_from_the_left(count: int) -> None:
    """The tree that grows by one leaf at a time is the one that a list of levels gives."""
    leaves = [raw_leaf(f"{number}".encode())[1] for number in range(count)]
    tree = FileTree(lambda block: None, max_links=3)
    for link in leaves:
        tree.add(link)
    level = leaves or [raw_leaf(b"")[1]]
    while len(level) > 1:
        level = [file_node(level[start : start + 3])[1] for start in range(0, len(level), 3)]
    assert tree.finish() == level[0]


def test_a_last_node_of_one_link_stays() -> None:
    tree = FileTree(lambda block: None)
    for number in range(2049):
        tree.add(FileLink(cid_of(number.to_bytes(4)), 4, 4))
    blocks: list[Block] = []
    expected = [
        file_node([FileLink(cid_of(n.to_bytes(4)), 4, 4) for n in part])[1] for part in (range(1024), range(1024, 2048), [2048])
    ]
    blocks.append(file_node(expected)[0])
    assert tree.finish().cid == blocks[0].cid
