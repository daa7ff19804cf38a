"""Rebuilt blocks are those of the target, within its limits."""

import pytest

from catalog.delta.header import (
    DeltaHeader,
    DeltaSection,
    encode_header,
)
from catalog.delta.reader import read_delta
from catalog.errors import DeltaError
from catalog.image.encoder import compress_chunk
from catalog.ipld.cid import DAG_PB, Cid, cid_of
from catalog.unixfs.file import FileLink, file_node, raw_leaf
from tests.delta.pairs import build, compress, contents_of, payload_of, tiny, vector
from tests.factory.golden import DELTAS

LEAF = FileLink(cid_of(b"leaf"), 4, 4)
V0 = FileLink(Cid(b"\x12\x20" + bytes(32)), 4, 4)
CBOR = FileLink(cid_of(b"leaf", 0x71), 4, 4)


def node_of(*links: FileLink) -> bytes:
    return file_node(links)[0].data


@pytest.mark.parametrize(
    "node",
    [
        b"",
        b"\x0a\x02\x08\x01",  # an empty folder
        b"\x0a\x06\x08\x02\x12\x00\x18\x00",  # an empty file
        b"\x0a\x09\x08\x02\x12\x03abc\x18\x03",  # a file with its bytes inside
        node_of(V0),
        node_of(CBOR),
        node_of(LEAF).replace(b"\x12\x00", b"\x12\x01", 1) + b"",
        node_of(LEAF) + b"\x00",
        node_of(LEAF).replace(b"\x08\x02\x18\x04", b"\x08\x02\x18\x05"),
        node_of(*[LEAF] * 1024).replace(node_of(LEAF)[:46], node_of(LEAF)[:46] * 2, 1),
    ],
)
def test_nodes_of_a_target_are_strict(node: bytes) -> None:
    held = tiny().held
    target = cid_of(node, DAG_PB)
    payload = payload_of([node]) or b"\0"
    data = encode_header(DeltaHeader(tiny().base.archive, target, (DeltaSection(len(payload), len(compress(payload)), ()),)))
    with pytest.raises(DeltaError):
        list(read_delta([data + compress(payload)], tiny().base.archive, target, held, unpacked=1 << 30, size=1 << 30))


def test_a_target_has_eight_levels_at_most() -> None:
    pair = tiny()
    for depth in (8, 9):
        block, child = raw_leaf(compress_chunk(b"content"))
        contents = [b"content"]
        for _ in range(depth):
            block, child = file_node([child])
            contents.append(block.data)
        payload = payload_of(contents[::-1])
        header = DeltaHeader(pair.base.archive, child.cid, (DeltaSection(len(payload), len(compress(payload)), ()),))
        data = encode_header(header) + compress(payload)
        rebuilt = read_delta([data], pair.base.archive, child.cid, pair.held, unpacked=1 << 20, size=1 << 20)
        if depth == 8:
            assert len(list(rebuilt)) == 9
        else:
            with pytest.raises(DeltaError, match="deeper than"):
                list(rebuilt)


def test_leaves_stay_within_what_the_release_says() -> None:
    pair = vector()
    data = (DELTAS / "one-section.delta").read_bytes()
    for unpacked, size in ((1_000_000, 1 << 30), (1 << 30, 100_000)):
        with pytest.raises(DeltaError, match=r"hold more|are larger"):
            list(read_delta([data], pair.base.archive, pair.target.archive, pair.held, unpacked=unpacked, size=size))


def test_a_section_that_goes_wrong_keeps_all_that_matched() -> None:
    pair = vector()
    contents = contents_of(pair)
    for position in (1, len(contents) // 2, len(contents) - 1):
        changed = bytearray(contents[position])
        changed[-1] ^= 1
        rebuilt, error = pair.try_read(build(pair, [payload_of([*contents[:position], bytes(changed), *contents[position + 1 :]])]))
        assert error is not None
        assert len(rebuilt) == position
