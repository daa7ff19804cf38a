"""The outlines of many snapshots of one catalogue: all of each is found, and little is written for one."""

from pathlib import Path

import pytest

from catalog.hosting.folder import Folder, open_folder
from catalog.hosting.snapshots import write_snapshot
from catalog.image.walk import walk
from catalog.ipld.block import Block
from catalog.ipld.cid import Cid, verify_block
from catalog.snapshot.reader import open_snapshot
from catalog.snapshot.writer import update_snapshot
from catalog.snapshot.writer import write_snapshot as write_index
from catalog.static.layout import outline_path, pack_index_path, pack_path
from catalog.static.outline import decode_outline
from catalog.static.pack import decode_index
from tests.factory.archives import MemoryBlocks
from tests.factory.releases import make_release
from tests.factory.times import AT


def first_index(blocks: MemoryBlocks, count: int) -> Cid:
    releases = [make_release(f"name-{number:05}", "1.0", content=number) for number in range(count)]
    return write_index(releases, title="", published=AT, previous=None, dag_size=lambda cid: 1, put=blocks.put_node).root


def add_release(blocks: MemoryBlocks, root: Cid, number: int) -> Cid:
    release = make_release(f"name-{number * 97 % 900:05}", f"2.{number}", content=number)
    return update_snapshot(root, [release], published=AT, dag_size=lambda cid: 1, source=blocks, put=blocks.put_node).root


def blocks_from(folder: Folder, root: Cid) -> dict[Cid, bytes]:
    """Return all blocks to which the outline of a snapshot leads."""
    data = folder.read(outline_path(root))
    assert data is not None
    outline = decode_outline(root, data)
    found = {block.cid: block.data for block in outline.blocks}
    for before in outline.before:
        data = folder.read(outline_path(before))
        assert data is not None
        found.update((block.cid, block.data) for block in decode_outline(before, data).blocks)
    for pack in outline.packs:
        data, index = folder.read(pack_path(pack.digest)), folder.read(pack_index_path(pack.digest))
        assert data is not None
        assert index is not None
        assert (len(data), len(index)) == (pack.size, pack.index_size)
        for span in decode_index(index, pack.size):
            found[span.cid] = data[span.offset : span.offset + span.size]
            verify_block(span.cid, found[span.cid])
    return found


def check_snapshot(folder: Folder, root: Cid, blocks: MemoryBlocks) -> None:
    source = MemoryBlocks(Block(cid, data) for cid, data in blocks_from(folder, root).items())
    releases = open_snapshot(root, blocks).releases.cid
    assert {block.cid for block in walk(releases, blocks)} <= source.blocks.keys()


def test_a_small_catalogue_is_one_file(tmp_path: Path) -> None:
    blocks = MemoryBlocks()
    first = first_index(blocks, 20)
    second = add_release(blocks, first, 1)
    with open_folder(tmp_path / "files") as folder:
        write_snapshot(folder, first, None, blocks)
        outline = write_snapshot(folder, second, first, blocks)
        assert (outline.before, outline.packs) == ((), ())
        check_snapshot(folder, second, blocks)


@pytest.mark.slow
def test_a_large_catalogue_is_written_by_what_is_new(tmp_path: Path) -> None:
    blocks = MemoryBlocks()
    root = first_index(blocks, 900)
    whole = sum(map(len, blocks.blocks.values()))
    written = []
    with open_folder(tmp_path / "files") as folder:
        write_snapshot(folder, root, None, blocks)
        check_snapshot(folder, root, blocks)
        for number in range(40):
            last, root = root, add_release(blocks, root, number)
            before = folder.written
            outline = write_snapshot(folder, root, last, blocks)
            written.append(folder.written - before)
            assert len(outline.before) <= 16
            assert len(outline.packs) <= 4
            if number % 20 == 19:
                check_snapshot(folder, root, blocks)
        check_snapshot(folder, last, blocks)  # a follower may still be reading it
    assert sorted(written)[len(written) * 9 // 10] < 200_000  # nine in ten write only what is new
    assert sum(written) < 8 * whole


def test_what_is_missing_in_the_folder_is_written_again(tmp_path: Path) -> None:
    blocks = MemoryBlocks()
    first = first_index(blocks, 700)
    second = add_release(blocks, first, 1)
    with open_folder(tmp_path / "files") as folder:
        (pack,) = write_snapshot(folder, first, None, blocks).packs
        (tmp_path / "files" / pack_path(pack.digest)).unlink()
        outline = write_snapshot(folder, second, first, blocks)
        assert all(folder.has(pack_path(other.digest)) for other in outline.packs)
        check_snapshot(folder, second, blocks)
