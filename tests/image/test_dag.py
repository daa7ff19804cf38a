"""Archives come out chunk by chunk as the vectors say, whatever the sink already holds and however the bytes come."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.errors import ArchiveError
from catalog.image.dag import ChunkSink, LayerWriter, StoredLayer, build_archive
from catalog.image.encoder import EMPTY_FRAME, frame_content_size
from catalog.image.reader import read_archive, write_tar
from catalog.image.walk import walk
from catalog.ipld.cid import Cid, cid_of, parse_cid
from catalog.unixfs.file import decode_file_node
from catalog.unixfs.file_reader import read_file
from tests.factory.archives import MemoryBlocks, read_images, store_export, store_image
from tests.factory.exports import digest
from tests.factory.golden import DELTAS, IMAGES, read_expected, read_golden
from tests.factory.images import APP, BASE, SAMPLE, make_image

GOLDEN = [("sample.tar", "expected.json"), ("odd.tar.zst", "expected-odd.json"), ("nolayers.tar", "expected-nolayers.json")]


@pytest.mark.parametrize(("name", "expected"), GOLDEN)
@pytest.mark.parametrize("size", [1 << 16, 99_991])
def test_golden_archives(name: str, expected: str, size: int) -> None:
    golden = json.loads((IMAGES / expected).read_text())
    blocks = MemoryBlocks()
    archive = store_export(read_golden(IMAGES / name), blocks, size=size)
    assert str(archive.archive) == golden["archive_cid"]
    assert str(archive.config) == golden["config_digest"]
    assert str(archive.manifest) == golden["manifest_digest"]
    assert (archive.size, archive.unpacked) == (golden["archive_size"], golden["uncompressed_size"])
    assert list(dict.fromkeys(str(layer.cid) for layer in archive.layers)) == golden["layer_cids"]
    walked = list(walk(archive.archive, blocks))
    assert (len(walked), sum(block.is_leaf for block in walked)) == (golden["blocks"], golden["leaves"])
    assert blocks.get(archive.archive).hex() == golden["root_block_hex"] or archive.archive.codec == 0x55
    tar = b"".join(write_tar(read_archive(archive.archive, blocks), blocks))
    assert digest(tar) == golden["archive_sha256_uncompressed"]
    for layer in archive.layers:
        frames = read_file(layer.cid, blocks)
        assert [frame_content_size(frame) for frame in frames] == golden["layer_chunk_lengths"][str(layer.diff_id)]


def dag_size(cid: Cid, blocks: MemoryBlocks) -> int:
    """All blocks under a CID, each as often as it is linked."""
    block = blocks.get(cid)
    return len(block) + sum(dag_size(link.cid, blocks) for link in decode_file_node(cid, block).links)


def test_sizes_are_what_is_there() -> None:
    blocks = MemoryBlocks()
    archive = store_image(SAMPLE, blocks)
    assert archive.dag_size == dag_size(archive.archive, blocks)
    for layer, data in zip(archive.layers, SAMPLE.layers, strict=True):
        assert (layer.size, layer.dag_size) == (len(data), dag_size(layer.cid, blocks))
        assert layer.stored_size == sum(map(len, read_file(layer.cid, blocks)))
    assert archive.created == "2026-11-24T06:33:30Z"


def test_own_frames_are_not_compressed_again() -> None:
    blocks = MemoryBlocks()
    first = store_image(SAMPLE, blocks)
    made = blocks.compressed
    assert store_image(SAMPLE, blocks) == first
    assert blocks.compressed == made


def test_frames_that_are_present_and_new_ones_keep_their_order() -> None:
    whole, known = MemoryBlocks(), MemoryBlocks()
    archive = store_image(SAMPLE, whole)
    for position, (content_digest, frame) in enumerate(whole.frames.items()):
        if position % 3:
            known.frames[content_digest] = frame
            known.blocks[frame.cid] = whole.blocks[frame.cid]
    assert store_image(SAMPLE, known).archive == archive.archive
    assert known.blocks == whole.blocks


def test_an_empty_layer_is_the_frame_of_no_bytes() -> None:
    blocks = MemoryBlocks()
    layer = LayerWriter(blocks).finish()
    assert layer.cid == cid_of(EMPTY_FRAME)
    assert (layer.size, layer.stored_size) == (0, len(EMPTY_FRAME))
    assert b"".join(write_tar(read_archive(store_image(make_image([b""]), blocks).archive, blocks), blocks))


@pytest.mark.parametrize("count", [1023, 1024, 1025, 2048])
def test_levels_are_filled_from_the_left(count: int) -> None:
    """Files of exactly T bytes one after another: two leaves each, and one for the end."""
    blocks = MemoryBlocks()
    members = b"".join(_member(number) for number in range(count // 2))
    writer = LayerWriter(blocks)
    writer.feed(members + (bytes(1024) if count % 2 else b""))
    layer = writer.finish()
    root = decode_file_node(layer.cid, blocks.get(layer.cid))
    if count <= 1024:
        assert len(root.links) == count
    else:
        assert [len(decode_file_node(link.cid, blocks.get(link.cid)).links) for link in root.links] == [1024, count - 1024]


def _member(number: int) -> bytes:
    header = bytearray(512)
    header[0:8] = b"%08d" % number
    header[124:135] = b"%011o" % 32768
    header[156:157] = b"0"
    return bytes(header) + bytes([number % 256]) * 32768


def test_many_layers() -> None:
    blocks = MemoryBlocks()
    layers = [b"%d" % (number % 110) for number in range(120)]
    image = make_image(layers)
    archive = store_image(image, blocks)
    root = decode_file_node(archive.archive, blocks.get(archive.archive))
    assert len(root.links) == 2 * 110 + 1
    assert len(archive.layers) == 120


def test_511_distinct_layers_are_the_most() -> None:
    blocks = MemoryBlocks()
    most = make_image([b"%d" % number for number in range(511)])
    cid = store_image(most, blocks).archive
    assert len(decode_file_node(cid, blocks.get(cid)).links) == 1023
    with pytest.raises(ArchiveError, match="512 distinct layers"):
        store_image(make_image([*most.layers, b"one more"]), blocks)


def test_layers_of_another_config_are_refused() -> None:
    blocks = MemoryBlocks()
    layers = list(store_image(SAMPLE, blocks).layers)
    sink: ChunkSink = blocks
    for wrong in (layers[:-1], [*layers, layers[0]], [layers[1], layers[0], *layers[2:]], []):
        with pytest.raises(ArchiveError, match="names other layers"):
            build_archive(SAMPLE.config, wrong, sink)


def test_a_shared_layer_has_one_cid() -> None:
    blocks = MemoryBlocks()
    first = store_image(make_image([BASE, APP]), blocks)
    before = len(blocks.blocks)
    second = store_image(make_image([BASE], labels={"v": "2"}), blocks)
    assert first.layers[0] == second.layers[0]
    assert len(blocks.blocks) == before + 2  # metadata and the root; the end is shared as well


@settings(max_examples=25, deadline=None)
@given(st.lists(st.binary(max_size=3000), max_size=5), st.integers(1, 4000))
def test_any_layers_come_back(contents: list[bytes], size: int) -> None:
    image = make_image(contents)
    blocks = MemoryBlocks()
    layers: list[StoredLayer] = []
    for content in contents:
        writer = LayerWriter(blocks)
        for start in range(0, len(content), size):
            writer.feed(content[start : start + size])
        layers.append(writer.finish())
    archive = build_archive(image.config, layers, blocks)
    tar = b"".join(write_tar(read_archive(archive.archive, blocks), blocks))
    again = read_images(tar, MemoryBlocks()).choose()
    assert (again.config, again.layers) == (image.config, tuple(layers))


def test_walk_order_of_the_delta_vector() -> None:
    golden = read_expected(DELTAS)
    blocks = MemoryBlocks()
    base = store_export(read_golden(IMAGES / "sample.tar"), blocks)
    target = store_export(read_golden(DELTAS / "target.tar.zst"), blocks)
    assert str(target.archive) == golden["target"]["archive_cid"]
    known = {block.cid for block in walk(base.archive, blocks)}
    new = [block for block in walk(target.archive, blocks) if block.cid not in known]
    assert [block.cid for block in new] == [parse_cid(text) for text in golden["new_blocks"]]
    assert sum(block.size for block in new) == golden["new_bytes"]
    for block in new:
        assert block.size == len(blocks.get(block.cid))
