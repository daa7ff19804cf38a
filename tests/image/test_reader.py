"""Archives from strangers: canonical or refused, every layer verified before the tar can complete, and no more read than needed."""

import io
import json
import tarfile
from collections.abc import Iterator

import pytest
import zstandard

from catalog.errors import ArchiveError, BlockNotFoundError, CodecError, VerificationError
from catalog.image.canonical import END, build_header
from catalog.image.chunking import cut_metadata
from catalog.image.dag import StoredArchive
from catalog.image.encoder import compress_chunk, inflate_frame
from catalog.image.reader import iter_stored, read_archive, tar_size, write_tar
from catalog.ipld.block import Block
from catalog.ipld.cid import DAG_PB, Cid, cid_of
from catalog.ipld.dag_pb import PBLink, encode_node
from catalog.model.digest import DiffID
from catalog.unixfs.file import FileLink, decode_file_node, file_node, raw_leaf
from catalog.unixfs.file_reader import read_file
from catalog.unixfs.file_writer import FileTree
from catalog.unixfs.node import UnixFSData, UnixFSType, encode_data
from tests.factory.archives import MemoryBlocks, store_export, store_image
from tests.factory.exports import digest
from tests.factory.golden import IMAGES, read_golden
from tests.factory.images import APP, BASE, SAMPLE, make_image


def names(tar: bytes) -> list[str]:
    with tarfile.open(fileobj=io.BytesIO(tar)) as opened:
        return opened.getnames()


def test_a_pull_sees_the_layers_before_it_fetches_any() -> None:
    blocks = MemoryBlocks()
    archive = store_image(SAMPLE, blocks)
    blocks.read.clear()
    view = read_archive(archive.archive, blocks)
    root = decode_file_node(archive.archive, blocks.blocks[archive.archive])
    assert set(blocks.read) == {archive.archive, root.links[0].cid}
    assert (view.config, view.config_digest, view.manifest_digest) == (SAMPLE.config, archive.config, archive.manifest)
    assert (view.size, view.unpacked) == (archive.size, archive.unpacked)
    assert [layer.cid for layer in view.layers] == list(dict.fromkeys(layer.cid for layer in archive.layers))
    assert view.image.diff_ids == tuple(layer.diff_id for layer in archive.layers)


@pytest.mark.parametrize("name", ["sample.tar", "odd.tar.zst", "nolayers.tar"])
def test_stored_bytes_are_the_tar_compressed(name: str) -> None:
    blocks = MemoryBlocks()
    archive = store_export(read_golden(IMAGES / name), blocks)
    view = read_archive(archive.archive, blocks)
    stored, tar = b"".join(iter_stored(view, blocks)), b"".join(write_tar(view, blocks))
    assert stored == b"".join(read_file(archive.archive, blocks))
    assert zstandard.ZstdDecompressor().stream_reader(stored, read_across_frames=True).read() == tar
    assert (len(stored), len(tar)) == (view.size, view.unpacked)


def test_layers_that_the_engine_has_are_left_out_unread() -> None:
    blocks = MemoryBlocks()
    archive = store_image(SAMPLE, blocks)
    view = read_archive(archive.archive, blocks)
    left_out = [layer.diff_id for layer in view.layers[:2]]
    for layer in view.layers[:2]:
        del blocks.blocks[layer.cid]
    tar = b"".join(write_tar(view, blocks, left_out))
    assert len(tar) == tar_size(view, left_out)
    assert names(tar)[5:] == [f"blobs/sha256/{layer.diff_id.hex}" for layer in view.layers[2:]]
    assert tar_size(view) == view.unpacked
    everything = [layer.diff_id for layer in view.layers]
    assert names(b"".join(write_tar(view, blocks, everything)))[-1] == f"blobs/sha256/{view.config_digest.hex}"
    with pytest.raises(BlockNotFoundError):
        b"".join(write_tar(view, blocks))


def take(pieces: Iterator[bytes]) -> tuple[bytes, VerificationError]:
    """Return what comes out before the error, and the error."""
    taken = b""
    try:
        for piece in pieces:
            taken += piece
    except VerificationError as error:
        return taken, error
    raise AssertionError("it was not refused")


def rebuild(archive: StoredArchive, blocks: MemoryBlocks, position: int, content: bytes) -> Cid:
    """Return the archive with the child at ``position`` replaced by a file of ``content``."""
    links = list(decode_file_node(archive.archive, blocks.blocks[archive.archive]).links)
    links[position] = put_file(content, blocks)
    block, link = file_node(links)
    blocks.put_node(block)
    return link.cid


def put_file(content: bytes, blocks: MemoryBlocks) -> FileLink:
    tree = FileTree(blocks.put_node)
    for chunk in cut_metadata(content) or [b""]:
        block, leaf = raw_leaf(compress_chunk(chunk))
        blocks.put_node(block)
        tree.add(leaf)
    return tree.finish()


def content_of(cid: Cid, blocks: MemoryBlocks) -> bytes:
    return b"".join(inflate_frame(frame) for frame in read_file(cid, blocks))


@pytest.fixture
def small() -> tuple[StoredArchive, MemoryBlocks, bytes]:
    """An image of two layers, its blocks, and its metadata."""
    blocks = MemoryBlocks()
    archive = store_image(make_image([BASE, APP]), blocks)
    return archive, blocks, content_of(decode_file_node(archive.archive, blocks.blocks[archive.archive]).links[0].cid, blocks)


Small = tuple[StoredArchive, MemoryBlocks, bytes]


def test_metadata_that_differs_in_any_byte_is_refused(small: Small) -> None:
    archive, blocks, head = small
    for offset in range(0, len(head), 7):
        changed = head[:offset] + bytes([head[offset] ^ 1]) + head[offset + 1 :]
        with pytest.raises(VerificationError):
            read_archive(rebuild(archive, blocks, 0, changed), blocks)


@pytest.mark.parametrize("extra", [bytes(512), END, build_header("repositories", 2) + b"{}".ljust(512, b"\0")])
def test_metadata_with_more_in_it_is_refused(small: Small, extra: bytes) -> None:
    archive, blocks, head = small
    for changed in (head + extra, extra + head, head[:-512] + extra + head[-512:]):
        with pytest.raises(ArchiveError):
            read_archive(rebuild(archive, blocks, 0, changed), blocks)


def test_a_root_of_another_shape_is_refused(small: Small) -> None:
    archive, blocks, _ = small
    links = list(decode_file_node(archive.archive, blocks.blocks[archive.archive]).links)
    for changed in (links[:-1], [*links, links[-1]], [links[0], *links], links[:1] + links[2:], links[:3]):
        block, link = file_node(changed)
        blocks.put_node(block)
        with pytest.raises(ArchiveError, match="not canonical"):
            read_archive(link.cid, blocks)


def test_a_hidden_member_between_layers_never_comes_out(small: Small) -> None:
    """`write_tar` writes its own gaps; `iter_stored` gives stored bytes, so it refuses before it gives any of them."""
    archive, blocks, _ = small
    tags = b'[{"RepoTags":["victim:latest"]}]'
    hidden = build_header("manifest.json", len(tags)) + tags.ljust(512, b"\0")
    gap = content_of(decode_file_node(archive.archive, blocks.blocks[archive.archive]).links[2].cid, blocks)
    cid = rebuild(archive, blocks, 2, gap[:-512] + hidden + gap[-512:])
    view = read_archive(cid, blocks)
    assert digest(b"".join(write_tar(view, blocks))) == digest(b"".join(write_tar(read_archive(archive.archive, blocks), blocks)))
    taken, error = take(iter_stored(view, blocks))
    assert "between its layers" in error.why
    assert b"victim" not in zstandard.ZstdDecompressor().stream_reader(taken, read_across_frames=True).read()


@pytest.mark.parametrize("content", [b"", BASE[:-1], BASE + b"\0", BASE[:100] + b"!" + BASE[101:], bytes(len(BASE))])
def test_a_layer_that_is_not_its_diff_id_never_completes(small: Small, content: bytes) -> None:
    archive, blocks, _ = small
    view = read_archive(rebuild(archive, blocks, 1, content), blocks)
    for given in (write_tar(view, blocks), iter_stored(view, blocks)):
        taken, _ = take(given)
        assert len(taken) < len(view.frame.head) + 512
    assert tar_size(view, [view.layers[0].diff_id]) == len(b"".join(write_tar(view, blocks, [view.layers[0].diff_id])))


def test_a_layer_that_inflates_too_far_is_stopped_early(small: Small) -> None:
    archive, blocks, _ = small
    frame, leaf = raw_leaf(compress_chunk(bytes(512 * 1024)))
    blocks.put_node(frame)
    node, link = file_node([leaf] * 1000)
    blocks.put_node(node)
    links = list(decode_file_node(archive.archive, blocks.blocks[archive.archive]).links)
    links[1] = link
    root, archive_link = file_node(links)
    blocks.put_node(root)
    view = read_archive(archive_link.cid, blocks)
    taken, error = take(write_tar(view, blocks))
    assert "inflates to more" in error.message
    assert len(taken) < len(view.frame.head) + 512


def test_frames_without_content_are_no_way_to_make_work(small: Small) -> None:
    archive, blocks, _ = small
    frame, leaf = raw_leaf(compress_chunk(b""))
    blocks.put_node(frame)
    links = list(decode_file_node(archive.archive, blocks.blocks[archive.archive]).links)
    for position, match in ((0, "too large|no image archive"), (1, "without content")):
        child = leaf
        for _ in range(3):
            block, child = file_node([child] * (60 if position == 0 else 1000))
            blocks.put_node(block)
        root, link = file_node([*links[:position], child, *links[position + 1 :]])
        blocks.put_node(root)
        with pytest.raises(VerificationError, match=match):
            b"".join(write_tar(read_archive(link.cid, blocks), blocks))


def test_bomb_of_forty_blocks_is_refused() -> None:
    blocks = MemoryBlocks()
    frame, child = raw_leaf(compress_chunk(b"x" * 1000))
    blocks.put_node(frame)
    for _ in range(40):
        block, child = file_node([child, child])
        blocks.put_node(block)
    with pytest.raises(VerificationError):
        read_archive(child.cid, blocks)


def test_what_is_no_archive_is_refused() -> None:
    blocks = MemoryBlocks()
    folder = encode_node([PBLink(cid_of(b"x"), b"name", 1)], encode_data(UnixFSData(UnixFSType.DIRECTORY)))
    for data, codec in ((b"", 0x55), (b"text", 0x55), (compress_chunk(b"text" * 5000), 0x55), (folder, DAG_PB), (b"\xff", DAG_PB)):
        blocks.put_node(Block(cid_of(data, codec), data))
        with pytest.raises((VerificationError, CodecError)):
            read_archive(cid_of(data, codec), blocks)
    with pytest.raises(BlockNotFoundError):
        read_archive(cid_of(b"absent"), blocks)


def test_sizes_that_lie_about_blocks_are_refused(small: Small) -> None:
    archive, blocks, _ = small
    links = list(decode_file_node(archive.archive, blocks.blocks[archive.archive]).links)
    for position in range(len(links)):
        changed = list(links)
        changed[position] = FileLink(links[position].cid, links[position].file_size + 1, links[position].dag_size + 1)
        block, link = file_node(changed)
        blocks.put_node(block)
        with pytest.raises(VerificationError):
            b"".join(iter_stored(read_archive(link.cid, blocks), blocks))


def test_a_giant_claims_nothing() -> None:
    blocks = MemoryBlocks()
    leaf = cid_of(b"absent")
    message = UnixFSData(UnixFSType.FILE, filesize=1 << 60, blocksizes=(1 << 60,))
    block = encode_node([PBLink(leaf, b"", 1 << 60)], encode_data(message))
    blocks.put_node(Block(cid_of(block, DAG_PB), block))
    with pytest.raises(ArchiveError, match="has 1152921504606846976 bytes"):
        read_archive(cid_of(block, DAG_PB), blocks)


def test_large_metadata_is_a_file_of_its_own() -> None:
    blocks = MemoryBlocks()
    labels = {f"label-{number}": digest(b"%d" % number) for number in range(8000)}
    for layers in ([BASE], []):
        archive = store_image(make_image(layers, labels=labels), blocks)
        view = read_archive(archive.archive, blocks)
        assert json.loads(view.config)["config"]["Labels"] == labels
        assert len(b"".join(write_tar(view, blocks))) == archive.unpacked
        assert len(b"".join(iter_stored(view, blocks))) == archive.size


def test_another_encoders_frames_are_read_as_well(small: Small) -> None:
    """The encoder decides CIDs; a reader takes whatever inflates to the right bytes."""
    archive, blocks, _ = small
    links = list(decode_file_node(archive.archive, blocks.blocks[archive.archive]).links)
    frame, leaf = raw_leaf(zstandard.ZstdCompressor(level=19).compress(BASE))
    blocks.put_node(frame)
    root, link = file_node([links[0], leaf, *links[2:]])
    blocks.put_node(root)
    view = read_archive(link.cid, blocks)
    assert view.layers[0].diff_id == DiffID.of(BASE)
    assert BASE in b"".join(write_tar(view, blocks))
