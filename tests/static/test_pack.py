"""The index of a pack."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.errors import CodecError
from catalog.ipld.block import Block
from catalog.ipld.cid import cid_of
from catalog.static.pack import decode_index, encode_index


@given(st.lists(st.binary(max_size=300), max_size=20, unique=True))
def test_what_is_written_is_read(contents: list[bytes]) -> None:
    blocks = [Block(cid_of(data), data) for data in contents]
    pack = b"".join(contents)
    spans = list(decode_index(encode_index(blocks), len(pack)))
    assert [pack[span.offset : span.offset + span.size] for span in spans] == contents
    assert [span.cid for span in spans] == [block.cid for block in blocks]


@pytest.mark.parametrize(
    ("index", "size"),
    [
        (b"noise", 5),
        (cid_of(b"x").binary, 1),
        (cid_of(b"x").binary + b"\x01", 2),
        (cid_of(b"x").binary + b"\x81\x00", 1),
        (cid_of(b"x").binary + b"\xff\xff\xff\xff\x0f", 1),
    ],
)
def test_what_is_no_index_of_the_pack_is_refused(index: bytes, size: int) -> None:
    with pytest.raises(CodecError):
        list(decode_index(index, size))
