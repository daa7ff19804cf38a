"""CARs: the IPFS projects' files, round trips, limits, and every kind of damage."""

import hashlib
import io
import json
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.errors import BlockMismatchError, CodecError
from catalog.ipld.block import Block
from catalog.ipld.car import CarReader, encode_car, encode_header, write_car
from catalog.ipld.cid import DAG_PB, cid_of, parse_cid
from catalog.ipld.varint import encode_varint
from catalog.limits import MAX_CAR_HEADER_SIZE, MAX_CAR_ROOTS
from tests.needs import vectors

CID = cid_of(b"x")
GOOD = b"".join(encode_car([CID], [Block(CID, b"x")]))

# How many blocks each file holds; what is not here must be refused.
COUNTS = {
    "boxo/directory-with-multilayer-hamt-and-multiblock-files.car": 18,
    "boxo/fixtures.car": 7,
    "boxo/unixfs-dir-with-mode-mtime.car": 10,
    "go-car/sample-rw-bs-v2.car": 3,
    "go-car/sample-unixfs-v2.car": 3,
    "go-car/simple-unixfs-missing-blocks.car": 17,
    "go-car/simple-unixfs.car": 22,
    "go-unixfsnode/wikipedia-cryptographic-hash-function.car": 5,
    "ipld-spec/carv1-basic.car": 8,
    "ipld-spec/carv2-basic.car": 5,
    "kubo/TestDagStat.car": 4,
    "kubo/TestDagStatCARv2.car": 4,
    "kubo/TestName.car": 4,
    "kubo/partial-dag-scope-entity.car": 1,
}


class Dripping(io.BytesIO):
    """A stream that gives less than it was asked for, as sockets do."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(min(size, 3) if size and size > 0 else size)


def read(data: bytes) -> list[Block]:
    return list(CarReader(io.BytesIO(data)))


def test_the_projects_files_are_read() -> None:
    folder = vectors("car")
    for name, count in COUNTS.items():
        blocks = read((folder / name).read_bytes())
        assert len(blocks) == count, name
        for cid, data in blocks:
            assert hashlib.sha256(data).digest() == cid.digest
    gateway = sorted((folder / "gateway-conformance").rglob("trustless_gateway_car/*.car"))
    assert gateway
    for path in gateway:
        assert read(path.read_bytes())


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("badheaderlength", "a header of 216830324832 bytes"),
        ("badsectionlength", "a section of 216830324832 bytes"),
        ("sample-corrupt-pragma", "cut short"),
        ("sample-rootless-v42", "not that of a CARv1"),
        ("sample-v1-with-zero-len-section2", "CID"),
    ],
)
def test_negative_files_are_refused(name: str, problem: str) -> None:
    with pytest.raises(CodecError, match=problem):
        read((vectors("car") / f"go-car/{name}.car").read_bytes())


@pytest.mark.parametrize("name", ["carv1-basic", "carv2-basic"])
def test_blocks_are_where_the_specification_says(name: str) -> None:
    folder = vectors("car") / "ipld-spec"
    described = json.loads((folder / f"{name}.json").read_text())
    data = (folder / f"{name}.car").read_bytes()
    reader = CarReader(io.BytesIO(data))
    offset = 51 if reader.version == 2 else 0
    for block, entry in zip(reader, described["blocks"], strict=True):
        assert block.cid == parse_cid(entry["cid"]["/"])
        start = entry["blockOffset"] + (offset if data[entry["blockOffset"] :][: len(block.data)] != block.data else 0)
        assert block.data == data[start : start + entry["blockLength"]]


@given(st.lists(st.binary(max_size=300), max_size=8), st.integers(0, 3))
def test_what_is_written_is_read(contents: list[bytes], roots: int) -> None:
    blocks = [Block(cid_of(data, DAG_PB), data) for data in contents]
    out = io.BytesIO()
    size = write_car(out, [block.cid for block in blocks[:roots]], blocks)
    assert size == len(out.getvalue())
    for stream in (io.BytesIO(out.getvalue()), Dripping(out.getvalue())):
        reader = CarReader(stream)
        assert list(reader.roots) == [block.cid for block in blocks[:roots]]
        assert list(reader) == blocks
        assert reader.bytes_read == size


def test_worked_header() -> None:
    header = encode_header([CID])
    assert header[0] == 0x3A
    assert len(header) == 59
    assert header[1:].hex().startswith("a265726f6f747381d82a582500")


def test_blocks_are_written_one_by_one() -> None:
    """Memory is that of one block: nothing is taken from the source before the last piece was given."""
    taken: list[int] = []

    def source() -> Iterator[Block]:
        for number in range(3):
            taken.append(number)
            yield Block(cid_of(bytes([number])), bytes([number]))

    pieces = encode_car([], source())
    next(pieces)
    assert taken == []
    next(pieces)
    next(pieces)
    assert taken == [0]


def test_every_cut_within_a_section_is_an_error() -> None:
    header = len(encode_header([CID]))
    for size in range(len(GOOD)):
        if size == header:
            assert read(GOOD[:size]) == []  # a file may end between sections
        else:
            with pytest.raises(CodecError):
                read(GOOD[:size])


def test_every_flipped_byte_behind_the_header_is_an_error() -> None:
    for place in range(len(encode_header([CID])), len(GOOD)):
        for bit in range(8):
            damaged = bytearray(GOOD)
            damaged[place] ^= 1 << bit
            with pytest.raises((CodecError, BlockMismatchError)):
                read(bytes(damaged))


def test_a_section_of_no_bytes_is_an_error() -> None:
    with pytest.raises(CodecError, match="without bytes"):
        read(GOOD + b"\0")


def test_limits_hold_before_anything_is_read() -> None:
    class Counting(io.BytesIO):
        most = 0

        def read(self, size: int | None = -1, /) -> bytes:
            self.most = max(self.most, size or 0)
            return super().read(size)

    for prefix in (encode_varint(MAX_CAR_HEADER_SIZE + 1), GOOD + encode_varint(1 << 40)):
        stream = Counting(prefix + bytes(1000))
        with pytest.raises(CodecError, match="bytes"):
            list(CarReader(stream))
        assert stream.most <= MAX_CAR_HEADER_SIZE
    with pytest.raises(CodecError, match="roots"):
        CarReader(io.BytesIO(encode_header([CID] * (MAX_CAR_ROOTS + 1))))
    large = b"x" * 100
    car = b"".join(encode_car([], [Block(cid_of(large), large)]))
    assert len(read(car)) == 1
    with pytest.raises(CodecError, match="a section of"):
        list(CarReader(io.BytesIO(car), max_block_size=99))


def v2(payload: bytes, *, offset: int = 51, size: int | None = None, padding: int = 0, index: bytes = b"") -> bytes:
    fields = bytes(16) + b"".join(number.to_bytes(8, "little") for number in (offset, len(payload) if size is None else size, 0))
    return bytes.fromhex("0aa16776657273696f6e02") + fields + bytes(padding) + payload + index


def test_carv2_ends_with_its_payload() -> None:
    assert [block.data for block in read(v2(GOOD, index=b"\x00\x01 whatever"))] == [b"x"]
    assert [block.data for block in read(v2(GOOD, offset=51 + 100, padding=100))] == [b"x"]


@pytest.mark.parametrize(
    "data",
    [
        v2(GOOD, size=len(GOOD) - 1),
        v2(GOOD, size=10),
        v2(GOOD, size=0),
        v2(GOOD, offset=50),
        v2(GOOD, offset=1 << 40),
        v2(v2(GOOD)),
        v2(GOOD)[:40],
    ],
    ids=["short by one", "shorter than the header", "empty", "inside the header", "far away", "a CARv2 in a CARv2", "cut"],
)
def test_a_carv2_that_contradicts_itself_is_refused(data: bytes) -> None:
    with pytest.raises(CodecError):
        read(data)


def test_headers_are_strict() -> None:
    for header in (
        b"\xa1\x65roots\x80",
        b"\xa2\x65roots\x80\x67version\x02",
        b"\xa2\x65roots\x80\x67version\xf5",
        b"\xa2\x65roots\xf6\x67version\x01",
        b"\xa2\x65roots\x81\x01\x67version\x01",
        b"\xa3\x61a\x00\x65roots\x80\x67version\x01",
        b"\x80",
    ):
        with pytest.raises(CodecError):
            CarReader(io.BytesIO(encode_varint(len(header)) + header))
