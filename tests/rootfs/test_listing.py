"""A layer is listed from its chunks as tarfile lists its bytes, without inflating the large files in it."""

import hashlib
import io
import json
import random
import tarfile

import pytest
import zstandard

from catalog.errors import LockedError
from catalog.image.encoder import compress_chunk
from catalog.image.reader import ArchivedLayer, read_archive
from catalog.ipld.cid import Cid
from catalog.model.digest import DiffID
from catalog.rootfs.content import Mark
from catalog.rootfs.leaves import list_leaves
from catalog.rootfs.listing import LayerListing, decode_listing, encode_listing, list_layer, open_layer
from catalog.unixfs.file import file_node, raw_leaf
from tests.factory.archives import MemoryBlocks, store_image
from tests.factory.images import make_image, versioned_text
from tests.factory.tars import make_tar

FILES = {
    "etc/os-release": b"ID=sample\n",
    "usr/lib/one": versioned_text("1", 40_000),
    "usr/lib/large.so": versioned_text("1", 900_000, seed=2),
    "empty": b"",
    **{f"usr/share/doc/{number}": b"text %d\n" % number * number for number in range(400)},
    "exact": versioned_text("1", 262_144, seed=3),
    "last": b"the end",
}


def stored(tar: bytes) -> tuple[ArchivedLayer, MemoryBlocks]:
    blocks = MemoryBlocks()
    archive = store_image(make_image([tar]), blocks)
    return read_archive(archive.archive, blocks).layers[0], blocks


def here(_cid: Cid) -> bool:
    return True


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_a_listing_is_what_tarfile_lists(form: int) -> None:
    tar = make_tar({**FILES, "link": ("symlink", "empty"), "hard": ("hardlink", "last")}, mtime=1_600_000_000, form=form)
    layer, blocks = stored(tar)
    listing = list_layer(layer, blocks, here)
    with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
        members = archive.getmembers()
    found = [(entry.path, entry.size, entry.mtime, entry.mode, entry.target) for entry in listing.entries]
    assert found == [(member.name, member.size, member.mtime, member.mode, member.linkname) for member in members]
    assert [entry.offset for entry in listing.entries if entry.size] == [member.offset_data for member in members if member.size]
    assert listing.problem == ""
    assert listing.exact


def test_a_file_is_read_from_the_blocks_that_hold_it() -> None:
    layer, blocks = stored(make_tar(FILES))
    listing = list_layer(layer, blocks, here)
    reader = open_layer(layer, listing, blocks, here)
    for entry in listing.entries:
        blocks.read.clear()
        assert b"".join(reader.read_at(entry.offset, entry.size)) == FILES[entry.path], entry.path
        assert len(blocks.read) <= 2 + entry.size // 32_768


def test_of_large_files_only_the_beginnings_of_frames_are_read() -> None:
    layer, blocks = stored(make_tar(FILES))
    expected = list_layer(layer, blocks, here)
    blocks.read.clear()
    assert list_layer(layer, blocks, here, read_start=lambda cid, size: blocks.blocks[cid][:size]) == expected
    large = {leaf.cid for leaf in list_leaves(layer, blocks) if leaf.stored_size > 32_768}
    assert large
    assert not large & set(blocks.read)


@pytest.mark.parametrize("damage", ["size", "magic", "empty", "other"])
def test_a_wrong_beginning_of_a_frame_makes_no_listing_wrong(damage: str) -> None:
    """Beginnings are not verified: where the layer ends shows it, and verified blocks are read then."""
    layer, blocks = stored(make_tar(FILES))
    other = compress_chunk(versioned_text("1", 100_000))

    def read_start(cid: Cid, size: int) -> bytes:
        start = bytearray(blocks.blocks[cid][:size])
        if damage == "size":
            start[6] ^= 1
        elif damage == "magic":
            start[0] ^= 1
        elif damage == "other":
            return other[:size]
        return bytes(start if damage != "empty" else b"")

    assert list_layer(layer, blocks, here, read_start=read_start) == list_layer(layer, blocks, here)


def test_large_files_are_named_by_their_leaves() -> None:
    layer, blocks = stored(make_tar(FILES))
    listing = list_layer(layer, blocks, here)
    assert all(entry.content.startswith("leaves:") == (entry.size >= 32_768) for entry in listing.entries if entry.size)
    assert [mark.number for mark in listing.marks] == list(range(1, len(list_leaves(layer, blocks))))


def test_leaves_that_are_not_here_are_fetched_only_where_headers_are_in_them() -> None:
    whole = {f"f{number}": versioned_text(str(number), 200_000, seed=number) for number in range(20)}
    layer, blocks = stored(make_tar(whole))
    inner = {layer.cid}
    blocks.read.clear()
    listing = list_layer(layer, blocks, lambda _cid: False)
    fetched = sum(len(blocks.blocks[cid]) for cid in set(blocks.read) - inner)
    assert [entry.path for entry in listing.entries] == list(whole)
    assert fetched < layer.stored_size / 20
    assert not listing.exact


@pytest.mark.parametrize("seed", range(6))
def test_a_long_file_that_is_not_here_is_passed_over_exactly_and_not_fetched(seed: int) -> None:
    """Its last leaves may be several although less than 256 KiB of it are left."""
    sizes = [random.Random(seed).randrange(600_000, 2_000_000) for _ in range(6)]
    whole = {f"f{number}": versioned_text("1", size & ~1, seed=100 * seed + number) for number, size in enumerate(sizes)}
    layer, blocks = stored(make_tar(whole))
    expected = list_layer(layer, blocks, here)
    blocks.read.clear()
    listing = list_layer(layer, blocks, lambda _cid: False)
    assert [entry[:] for entry in listing.entries] == [entry[:] for entry in expected.entries]
    assert listing.problem == ""
    assert not listing.exact
    leaves = set(blocks.read) - {layer.cid}
    assert sum(len(blocks.blocks[cid]) for cid in leaves) < layer.stored_size / 2
    for entry in listing.entries:
        assert b"".join(open_layer(layer, listing, blocks, here).read_at(entry.offset, entry.size)) == whole[entry.path]


def test_files_that_hold_tars_are_passed_over() -> None:
    """A leaf of such a file may begin with a header: where the layer ends shows that it was not the layer's own."""
    inner = make_tar({f"inner{number}": bytes(512 * 1023) for number in range(12)})
    whole = {"a.tar": inner, "b": versioned_text("1", 300_000), "c.tar": inner, "last": b"the end"}
    layer, blocks = stored(make_tar(whole))
    listing = list_layer(layer, blocks, lambda _cid: False)
    assert [(entry.path, entry.size) for entry in listing.entries] == [(name, len(content)) for name, content in whole.items()]
    assert listing.problem == ""


def test_what_cannot_be_inferred_is_fetched() -> None:
    """Blocks of another cut than the canonical one: here each leaf holds 100,000 bytes."""
    tar = make_tar({"one": versioned_text("1", 700_000), "two": versioned_text("2", 900_000), "last": b"the end"})
    blocks = MemoryBlocks()
    links = []
    for start in range(0, len(tar), 100_000):
        block, link = raw_leaf(compress_chunk(tar[start : start + 100_000]))
        blocks.put_node(block)
        links.append(link)
    block, root = file_node(links)
    blocks.put_node(block)
    layer = ArchivedLayer(DiffID(hashlib.sha256(tar).digest()), len(tar), root.cid, root.file_size)
    listing = list_layer(layer, blocks, lambda _cid: False)
    assert listing == list_layer(layer, blocks, here)
    assert [entry.path for entry in listing.entries] == ["one", "two", "last"]
    assert listing.exact


def test_equal_content_has_equal_names_and_different_content_different_ones() -> None:
    one, other = stored(make_tar(FILES)), stored(make_tar({**FILES, "usr/lib/large.so": versioned_text("2", 900_000, seed=2)}))
    before = {entry.path: entry.content for entry in list_layer(*one, here).entries}
    after = {entry.path: entry.content for entry in list_layer(*other, here).entries}
    assert {path for path in before if before[path] != after[path]} == {"usr/lib/large.so"}


def test_a_layer_that_is_not_a_tar_says_where_it_ends() -> None:
    layer, blocks = stored(make_tar({"a": b"x"})[:1024] + b"not a header" * 200)
    listing = list_layer(layer, blocks, here)
    assert [entry.path for entry in listing.entries] == ["a"]
    assert "checksum" in listing.problem


def test_a_file_that_claims_more_than_the_layer_ends_the_listing() -> None:
    info = tarfile.TarInfo("huge")
    info.size = 1 << 40
    layer, blocks = stored(info.tobuf() + bytes(2048))
    assert list_layer(layer, blocks, here).problem == "a file is longer than the layer"


def test_a_listing_is_kept_and_read_back_whole() -> None:
    layer, blocks = stored(make_tar({**FILES, "link": ("symlink", "a\nb")}))
    listing = list_layer(layer, blocks, here)
    assert decode_listing(encode_listing(listing)) == listing


@pytest.mark.parametrize("data", [b"", b"nothing", zstandard.compress(b"[]"), zstandard.compress(b'{"format":"dcat-files/9"}')])
def test_what_is_not_a_listing_is_made_again(data: bytes) -> None:
    assert decode_listing(data) is None


def test_a_damaged_listing_never_raises() -> None:
    data = encode_listing(LayerListing((), (Mark(1, 5), Mark(2, 11))))
    for place in range(len(data)):
        spoilt = bytearray(data)
        spoilt[place] ^= 1 << random.Random(place).randrange(8)
        decode_listing(bytes(spoilt))


def test_a_listing_stops_when_it_is_told() -> None:
    layer, blocks = stored(make_tar(FILES))
    with pytest.raises(LockedError):
        list_layer(layer, blocks, here, lambda: True)


def test_the_listing_is_small() -> None:
    layer, blocks = stored(make_tar(FILES))
    listing = list_layer(layer, blocks, here)
    data = encode_listing(listing)
    assert len(data) < 100 * len(listing.entries)
    assert json.loads(zstandard.decompress(data))["format"] == "dcat-files/1"
