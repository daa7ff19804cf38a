"""The UnixFS Data message: round trips and strictness."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.errors import CodecError
from catalog.ipld.varint import encode_varint
from catalog.unixfs.node import UnixFSData, UnixFSType, decode_data, encode_data

numbers = st.integers(0, 2**64 - 1)
messages = st.builds(
    UnixFSData,
    st.sampled_from(UnixFSType),
    st.none() | st.binary(max_size=50),
    st.none() | numbers,
    st.lists(numbers, max_size=5).map(tuple),
    st.none() | numbers,
    st.none() | numbers,
)


@given(messages)
def test_what_is_written_is_read(message: UnixFSData) -> None:
    assert decode_data(encode_data(message)) == message


def test_packed_block_sizes_are_read() -> None:
    sizes = (1, 300, 1 << 40)
    packed = b"".join(map(encode_varint, sizes))
    assert decode_data(b"\x08\x02\x22" + encode_varint(len(packed)) + packed).blocksizes == sizes


@pytest.mark.parametrize(
    ("data", "mtime"),
    [("080138ed03420308e807", (1000, 0)), ("080142070801150a000000", (1, 10)), ("0801420b08ffffffffffffffffff01", (-1, 0))],
)
def test_mode_and_mtime_are_read(data: str, mtime: tuple[int, int]) -> None:
    assert decode_data(bytes.fromhex(data)).mtime == mtime


@pytest.mark.parametrize(
    ("what", "data"),
    [
        ("nothing", ""),
        ("no type", "1800"),
        ("an unknown type", "0806"),
        ("the type twice", "08020802"),
        ("data twice", "080212001200"),
        ("an unknown field", "08024801"),
        ("a wrong wire type", "08021001"),
        ("a field cut short", "0802120561"),
        ("a varint that is not minimal", "0882001801"),
        ("a mode of 33 bits", "080238ffffffff7f"),
        ("a time without seconds", "0802420515e8030000"),
        ("nanoseconds of zero", "0802420708011500000000"),
        ("a second of nanoseconds", "08024207080115" + (10**9).to_bytes(4, "little").hex()),
        ("bytes behind a time", "08024203080100"),
    ],
)
def test_other_messages_are_refused(what: str, data: str) -> None:
    with pytest.raises(CodecError):
        decode_data(bytes.fromhex(data))
