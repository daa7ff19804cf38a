"""The nodes of files: encoded and decoded one by one."""

import pytest

from catalog.ipld.cid import cid_of, parse_cid
from catalog.limits import MAX_FANOUT
from catalog.unixfs.file import decode_file_node, file_node, raw_leaf
from tests.unixfs.generated import chunks


def test_worked_bytes_of_a_root() -> None:
    """1 MiB and one byte, as in the vector of IPIP-499."""
    first, second = (raw_leaf(piece)[1] for piece in chunks("chunk-v1-seed", (1 << 20) + 1, 1 << 20))
    block, link = file_node([first, second])
    assert len(block.data) == 104
    assert block.data.hex().endswith("0a0c080218818040208080402001")
    assert link.dag_size == 104 + (1 << 20) + 1


def test_a_node_has_at_least_one_child_and_at_most_1024() -> None:
    link = raw_leaf(b"x")[1]
    for count in (0, MAX_FANOUT + 1):
        with pytest.raises(ValueError, match="children"):
            file_node([link] * count)


def test_a_node_is_decoded_by_itself() -> None:
    one, two = raw_leaf(b"1")[1], raw_leaf(b"22")[1]
    block, link = file_node([one, two])
    decoded = decode_file_node(block.cid, block.data)
    assert decoded.links == (one, two)
    assert decoded.file_size == link.file_size == 3
    assert decode_file_node(cid_of(b"raw"), b"raw").data == b"raw"
    assert parse_cid(str(block.cid)) == block.cid
