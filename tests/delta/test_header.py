"""Headers are read strictly, and only those are written that a reader takes."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from catalog.delta.header import (
    BlockRange,
    DeltaHeader,
    DeltaSection,
    encode_header,
    max_frame_size,
    merge_ranges,
)
from catalog.errors import DeltaError
from catalog.ipld import dag_cbor
from catalog.ipld.cid import Cid
from catalog.ipld.varint import decode_varint, encode_varint
from catalog.limits import MIB
from tests.delta.pairs import Pair, tiny


def header_of(pair: Pair, **fields: object) -> bytes:
    """A delta whose header has other fields; frames of the right number of bytes behind it."""
    document: dict[str, object] = {
        "base": pair.base.archive,
        "format": "dcat-delta/1",
        "target": pair.target.archive,
        "sections": [{"size": 100, "frame": 50, "prefix": []}],
        **fields,
    }
    document = {key: value for key, value in document.items() if value is not ...}
    encoded = dag_cbor.encode(document)
    return encode_varint(len(encoded)) + encoded + bytes(50)


def section(**fields: object) -> list[dict[str, object]]:
    made: dict[str, object] = {"size": 100, "frame": 50, "prefix": [], **fields}
    return [{key: value for key, value in made.items() if value is not ...}]


def header_cases(pair: Pair) -> Iterator[tuple[str, bytes]]:
    good = header_of(pair)
    yield "nothing", b""
    yield "length that is not minimal", b"\x80\x00" + good
    yield "length of ten bytes", b"\xff" * 9 + b"\x01" + good
    yield "length above the limit", encode_varint(MIB + 1) + bytes(MIB + 1)
    yield "length beyond the end", encode_varint(1000) + good[1:]
    yield "trailing bytes in the header", encode_varint(decode_varint(good)[0] + 1) + good[2:]
    yield "not CBOR", b"\x01\xff"
    yield "a list", b"\x01\x80"
    for key in ("base", "format", "target", "sections"):
        yield f"no {key}", header_of(pair, **{key: ...})
        yield f"{key} is null", header_of(pair, **{key: None})
        yield f"{key} is text", header_of(pair, **{key: "x"})
    yield "a key more", header_of(pair, more=1)
    yield "another format", header_of(pair, format="dcat-delta/2")
    yield "another base", header_of(pair, base=pair.target.archive)
    yield "another target", header_of(pair, target=pair.base.archive)
    yield "base and target changed over", header_of(pair, base=pair.target.archive, target=pair.base.archive)
    yield "CIDv0", header_of(pair, base=Cid(pair.base.archive.binary[2:]))
    yield "1025 sections", header_of(pair, sections=section(frame=1) * 1025)
    yield "no sections", header_of(pair, sections=[])[:-50]
    for key in ("size", "frame", "prefix"):
        for value in (..., None, -1, 0, True, 1.0, "1", 1 << 40):
            yield f"section {key} {value}", header_of(pair, sections=section(**{key: value}))
    yield "a section's key more", header_of(pair, sections=section(more=1))
    yield "section is a list", header_of(pair, sections=[[100, 50, []]])
    yield "frame larger than its payload allows", header_of(pair, sections=section(size=1, frame=max_frame_size(1) + 1))
    for ranges in (
        [[0, 0]],
        [[-1, 1]],
        [[0]],
        [[0, 1, 1]],
        [0, 1],
        [{"a": 1}],
        [[0.0, 1]],
        [[0, True]],
        [[False, 1]],
        [[0, 2], [1, 1]],
        [[2, 1], [0, 1]],
        [[0, 1], [0, 1]],
        [[0, 8193]],
        [[0, 1], [2, 8192]],
        [[1 << 63, 1]],
        [[len(pair.base_order), 1]],
        [[0, len(pair.base_order) + 1]],
        [[0, 1 << 62]],
    ):
        yield f"prefix {ranges}", header_of(pair, sections=section(prefix=ranges))
    yield "sizes that end elsewhere", header_of(pair) + b"\0"
    yield "sizes above the archive's", header_of(pair, sections=section(size=32 * MIB, frame=1) * 50)


@pytest.mark.parametrize(("name", "data"), list(header_cases(tiny())), ids=lambda value: value if isinstance(value, str) else "")
def test_headers_that_lie_are_refused(name: str, data: bytes) -> None:
    rebuilt, error = tiny().try_read(data)
    assert error is not None
    assert not rebuilt


def test_ranges_are_merged() -> None:
    assert merge_ranges([0, 1, 2, 5, 7, 8]) == (BlockRange(0, 3), BlockRange(5, 1), BlockRange(7, 2))
    assert merge_ranges([]) == ()


def test_a_header_that_no_reader_would_take_is_not_written() -> None:
    pair = tiny()
    header = DeltaHeader(pair.base.archive, pair.target.archive, (DeltaSection(1, 1, ()),) * 1025)
    with pytest.raises(DeltaError, match="differ too much"):
        encode_header(header)
    encode_header(replace(header, sections=header.sections[:1024]))
