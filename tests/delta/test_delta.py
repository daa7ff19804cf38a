"""Deltas rebuild exactly what is missing; one that lies in any way gives right blocks or none."""

import io
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache

import pytest
import zstandard

from catalog.delta import reader as delta_reader
from catalog.delta import rebuilder as rebuilding
from catalog.delta.contents import content_of
from catalog.delta.header import (
    BlockRange,
    DeltaHeader,
    DeltaSection,
    decode_header,
    encode_header,
    max_frame_size,
    merge_ranges,
)
from catalog.delta.reader import read_delta
from catalog.delta.writer import PUBLISHED_LEVEL, WIRE_LEVEL, write_delta
from catalog.errors import BlockNotFoundError, DeltaError, EncoderError, VerificationError
from catalog.image import encoder
from catalog.image.dag import StoredArchive
from catalog.image.encoder import compress_chunk
from catalog.image.walk import walk
from catalog.image.zstd import CompressionParameter, ZstdCompressor, ZstdDict
from catalog.ipld import dag_cbor
from catalog.ipld.block import Block
from catalog.ipld.cid import DAG_PB, Cid, cid_of
from catalog.ipld.varint import decode_varint, encode_varint
from catalog.limits import MIB
from catalog.unixfs.file import FileLink, file_node, raw_leaf
from tests.factory.archives import MemoryBlocks, store_export, store_image
from tests.factory.golden import DELTAS, IMAGES, read_expected, read_golden
from tests.factory.images import APP, BASE, PACKAGES, make_image
from tests.factory.tars import make_layer
from tests.property.mutate import CBOR_TOKENS, Target, check_memory, check_target

NAMES = ["one-section.delta", "sections.delta"]


class Pair:
    """A base and a target, what the base's holder has, and the blocks that it lacks, in order."""

    def __init__(self, base: Callable[[MemoryBlocks], StoredArchive], target: Callable[[MemoryBlocks], StoredArchive]) -> None:
        self.held, self.all = MemoryBlocks(), MemoryBlocks()
        self.base, self.target = base(self.held), target(self.all)
        base(self.all)
        self.base_order = [block.cid for block in walk(self.base.archive, self.all)]
        self.new = [block.cid for block in walk(self.target.archive, self.all) if block.cid not in self.held.blocks]

    def read(self, data: bytes, *, blocks: MemoryBlocks | None = None) -> Iterator[Block]:
        return read_delta(
            (data[start : start + 10_000] for start in range(0, len(data), 10_000)),
            self.base.archive,
            self.target.archive,
            blocks or self.held,
            unpacked=self.target.unpacked,
            size=self.target.size,
            file_size=len(data),
        )

    def try_read(self, data: bytes, *, blocks: MemoryBlocks | None = None) -> tuple[list[Block], DeltaError | None]:
        """Return what came, each of it checked, and how it ended."""
        rebuilt: list[Block] = []
        try:
            for block in self.read(data, blocks=blocks):
                assert self.all.blocks[block.cid] == block.data
                rebuilt.append(block)
        except DeltaError as error:
            assert [block.cid for block in rebuilt] == self.new[: len(rebuilt)]
            return rebuilt, error
        assert [block.cid for block in rebuilt] == self.new
        return rebuilt, None

    def write(self, level: int = WIRE_LEVEL) -> bytes:
        frames = io.BytesIO()
        written = write_delta(self.base.archive, self.target.archive, self.all, frames, level=level)
        data = written.head + frames.getvalue()
        assert written.size == len(data)
        assert (written.new_blocks, written.new_bytes) == (len(self.new), sum(len(self.all.blocks[cid]) for cid in self.new))
        return data

    def content(self, cid: Cid) -> bytes:
        return content_of(Block(cid, self.all.blocks[cid]))


@cache
def vector() -> Pair:
    return Pair(
        lambda blocks: store_export(read_golden(IMAGES / "sample.tar"), blocks),
        lambda blocks: store_export(read_golden(DELTAS / "target.tar.zst"), blocks),
    )


@cache
def tiny() -> Pair:
    """Two images of a few small blocks: six of the target are new."""
    changed = make_layer({"app/main.py": b"print('hello again')\n"})
    return Pair(
        lambda blocks: store_image(make_image([PACKAGES, APP]), blocks),
        lambda blocks: store_image(make_image([PACKAGES, changed], labels={"v": "2"}), blocks),
    )


def compress(payload: bytes, prefix: bytes = b"", *, window_log: int = 20, checksum: int = 0) -> bytes:
    options: dict[int, int] = {CompressionParameter.window_log: window_log, CompressionParameter.checksum_flag: checksum}
    dictionary = ZstdDict(prefix, is_raw=True).as_prefix if len(prefix) >= 8 else None
    return ZstdCompressor(options=options, zstd_dict=dictionary).compress(payload, ZstdCompressor.FLUSH_FRAME)


def payload_of(contents: Sequence[bytes]) -> bytes:
    return b"".join(encode_varint(len(content)) + content for content in contents)


def build(
    pair: Pair,
    payloads: Sequence[bytes],
    *,
    prefixes: Sequence[tuple[BlockRange, ...]] = (),
    frames: Sequence[bytes] | None = None,
    sections: Callable[[list[DeltaSection]], list[DeltaSection]] = list,
    base: Cid | None = None,
    target: Cid | None = None,
) -> bytes:
    """A delta of any payloads; the rest can be made to lie."""
    ranges = list(prefixes) or [()] * len(payloads)
    contents = [
        b"".join(pair.content(pair.base_order[index]) for first, n in r for index in range(first, first + n)) for r in ranges
    ]
    made = frames or [compress(payload, prefix) for payload, prefix in zip(payloads, contents, strict=True)]
    described = [DeltaSection(len(payload), len(frame), r) for payload, frame, r in zip(payloads, made, ranges, strict=True)]
    header = DeltaHeader(base or pair.base.archive, target or pair.target.archive, tuple(sections(described)))
    return encode_header(header) + b"".join(made)


@pytest.mark.parametrize("name", NAMES)
def test_vectors_rebuild_the_target(name: str) -> None:
    golden = read_expected(DELTAS)
    pair, data = vector(), (DELTAS / name).read_bytes()
    rebuilt, error = pair.try_read(data)
    assert error is None
    assert [str(block.cid) for block in rebuilt] == golden["new_blocks"]
    assert sum(len(block.data) for block in rebuilt) == golden["new_bytes"]
    length, start = decode_varint(data)
    header = decode_header(data[start : start + length])
    assert [
        {"size": section.size, "frame": section.frame, "prefix": [list(blocks) for blocks in section.prefix]}
        for section in header.sections
    ] == golden["deltas"][name]["sections"]
    assert encode_header(header) == data[: start + length]


@pytest.mark.parametrize("level", [1, WIRE_LEVEL, PUBLISHED_LEVEL])
def test_own_deltas_are_read_back(level: int) -> None:
    for pair in (vector(), tiny()):
        data = pair.write(level)
        assert pair.try_read(data)[1] is None
    assert len(vector().write(PUBLISHED_LEVEL)) <= (DELTAS / "one-section.delta").stat().st_size * 1.02


def test_sections_and_prefixes_within_their_budgets(monkeypatch: pytest.MonkeyPatch) -> None:
    """With small ones, the prefix is chosen near the section's place, and many sections give the same blocks."""
    monkeypatch.setattr("catalog.delta.writer._SECTION_SIZE", 300_000)
    monkeypatch.setattr("catalog.delta.writer._PREFIX_SIZE", 600_000)
    pair = vector()
    data = pair.write()
    length, start = decode_varint(data)
    sections = decode_header(data[start : start + length]).sections
    assert len(sections) >= 4
    for section in sections:
        assert section.size <= 300_000
        assert sum(len(pair.content(pair.base_order[index])) for index in section.prefix_blocks) <= 600_000
    assert pair.try_read(data)[1] is None
    assert len(data) < 400_000


def test_an_image_without_layers_and_one_with() -> None:
    none, some = make_image([]), make_image([BASE, APP])
    for first, second in itertools.permutations((none, some)):
        pair = Pair(lambda blocks, image=first: store_image(image, blocks), lambda blocks, image=second: store_image(image, blocks))  # type: ignore[misc]
        assert pair.try_read(pair.write())[1] is None


def test_a_delta_that_is_not_worth_it_is_given_up() -> None:
    pair = vector()
    with pytest.raises(DeltaError, match="differ too much"):
        write_delta(pair.base.archive, pair.target.archive, pair.all, io.BytesIO(), max_size=100_000)
    with pytest.raises(DeltaError, match="no delta to itself"):
        write_delta(pair.base.archive, pair.base.archive, pair.all, io.BytesIO())
    with pytest.raises(BlockNotFoundError):
        write_delta(pair.base.archive, pair.target.archive, pair.held, io.BytesIO())


def test_blocks_come_while_the_delta_is_still_on_its_way() -> None:
    pair, data = vector(), (DELTAS / "sections.delta").read_bytes()
    taken = 0

    def slowly() -> Iterator[bytes]:
        nonlocal taken
        for start in range(0, len(data), 4096):
            taken = start
            yield data[start : start + 4096]

    blocks = read_delta(slowly(), pair.base.archive, pair.target.archive, pair.held, unpacked=pair.target.unpacked, size=1 << 30)
    assert next(blocks).cid == pair.target.archive
    assert taken < 20_000


def test_a_reader_that_stops_leaves_nothing_running() -> None:
    pair = vector()
    blocks = pair.read((DELTAS / "sections.delta").read_bytes())
    next(blocks)
    blocks.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_a_delta_cut_anywhere_keeps_what_matched(name: str, share: float) -> None:
    data = (DELTAS / name).read_bytes()
    pair, cut = vector(), data[: int(len(data) * share)]
    blocks = read_delta(
        [cut], pair.base.archive, pair.target.archive, pair.held, unpacked=pair.target.unpacked, size=pair.target.size
    )
    kept: list[Block] = []
    with pytest.raises(DeltaError, match=r"cut short|not a delta"):
        kept.extend(blocks)
    if name == "sections.delta" and share > 0.1:
        assert kept


def test_a_home_that_lost_base_blocks_gets_no_delta() -> None:
    pair, data = vector(), (DELTAS / "one-section.delta").read_bytes()
    length, start = decode_varint(data)
    needed = [pair.base_order[index] for index in decode_header(data[start : start + length]).sections[0].prefix_blocks]
    for cid in (needed[0], needed[3], needed[-1]):
        blocks = MemoryBlocks(Block(*pair_) for pair_ in pair.held.blocks.items() if pair_[0] != cid)
        rebuilt, error = pair.try_read(data, blocks=blocks)
        assert error is not None
        assert "not here whole" in error.message
        assert not rebuilt


def test_another_encoder_is_refused_before_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoder, "compress_chunk", lambda content: zstandard.ZstdCompressor(level=1).compress(content))
    encoder._checked.clear()
    with pytest.raises(EncoderError):
        next(vector().read((DELTAS / "one-section.delta").read_bytes()))


# --- what lies -----------------------------------------------------------------------------------------------------------------


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


def contents_of(pair: Pair) -> list[bytes]:
    return [pair.content(cid) for cid in pair.new]


def frame_cases(pair: Pair) -> Iterator[tuple[str, bytes]]:
    contents = contents_of(pair)
    payload = payload_of(contents)
    size = len(payload)
    bomb = zstandard.ZstdCompressor().compress(bytes(1 << 28))
    everything = (BlockRange(0, len(pair.base_order)),)
    yield "not a zstd frame", build(pair, [payload], frames=[bytes(size)])
    yield "skippable frame", build(pair, [payload], frames=[b"\x50\x2a\x4d\x18\x04\x00\x00\x00abcd" + compress(payload)])
    yield "two frames", build(pair, [payload], frames=[compress(payload[:50]) + compress(payload[50:])])
    yield "bytes behind the frame", build(pair, [payload], frames=[compress(payload) + b"\0"])
    yield "cut frame", build(pair, [payload], frames=[compress(payload)[:-1]])
    yield "checksum", build(pair, [payload], frames=[compress(payload, checksum=1)])
    yield "no content size", build(pair, [payload], frames=[zstandard.ZstdCompressor(write_content_size=False).compress(payload)])
    yield "another content size", build(pair, [payload], frames=[compress(payload + b"\0")])
    yield "bomb", build(pair, [payload], frames=[bomb[: max_frame_size(size)]])
    forged = compress(payload)[:4] + b"\x40\x98" + (size - 256).to_bytes(2, "little")
    yield "window of 2^29", build(pair, [payload], frames=[forged + compress(payload)[6:]])
    rle = b"\x28\xb5\x2f\xfd\x60" + (size - 256).to_bytes(2, "little") + b"\x02\x00\x10\x00" * 200
    yield "inflates for ever", build(pair, [payload], frames=[rle])
    yield "a prefix that is not meant", build(pair, [payload], prefixes=[everything], frames=[compress(payload, payload[:900] * 9)])
    yield "sections in the wrong order", build(pair, [payload_of(contents[1:]), payload_of(contents[:1])])
    yield "sections changed over", build(pair, [payload_of(contents[:1]), payload_of(contents[1:])], sections=lambda s: s[::-1])


def content_cases(pair: Pair) -> Iterator[tuple[str, list[bytes]]]:
    contents = contents_of(pair)
    for position in range(len(contents)):
        yield f"content {position} missing", contents[:position] + contents[position + 1 :]
        yield f"content {position} twice", contents[: position + 1] + contents[position:]
        yield f"content {position} foreign", [*contents[:position], b"foreign", *contents[position + 1 :]]
        yield f"content {position} empty", [*contents[:position], b"", *contents[position + 1 :]]
    yield "one too many", [*contents, contents[-1]]
    yield "reversed", contents[::-1]
    yield "leaf above 512 KiB", [*contents[:1], bytes(512 * 1024 + 1), *contents[2:]]
    yield "node above 64 KiB", [bytes(64 * 1024 + 1), *contents[1:]]


def lengths_that_lie(pair: Pair) -> Iterator[tuple[str, bytes]]:
    contents = contents_of(pair)
    whole, last = payload_of(contents[:-1]), contents[-1]
    yield "not minimal", whole + b"\xff\x00" + last
    yield "ten bytes", whole + b"\xff" * 9 + b"\x01" + last
    yield "cut", whole + b"\xff"
    yield "beyond the section", whole + encode_varint(len(last) + 1) + last
    yield "far beyond", whole + b"\xff" * 8 + b"\x7f" + last
    yield "spread over two sections", whole + encode_varint(len(last)) + last[:-1]


LIES = [
    *frame_cases(tiny()),
    *((name, build(tiny(), [payload_of(contents)])) for name, contents in content_cases(tiny())),
    *((name, build(tiny(), [payload])) for name, payload in lengths_that_lie(tiny())),
]


def test_what_the_table_is_made_of_is_good() -> None:
    pair = tiny()
    contents = contents_of(pair)
    assert pair.try_read(build(pair, [payload_of(contents)]))[1] is None
    assert pair.try_read(build(pair, [payload_of([content]) for content in contents]))[1] is None
    everything = (BlockRange(0, len(pair.base_order)),)
    assert pair.try_read(build(pair, [payload_of(contents)], prefixes=[everything]))[1] is None


@pytest.mark.parametrize(("name", "data"), LIES, ids=[name for name, _ in LIES])
def test_deltas_that_lie_give_right_blocks_or_none(name: str, data: bytes) -> None:
    _, error = tiny().try_read(data)
    assert error is not None


def test_a_short_prefix_is_none() -> None:
    """Under 8 bytes of contents a frame is made without a prefix."""
    pair = Pair(
        lambda blocks: store_image(make_image([b""]), blocks),
        lambda blocks: store_image(make_image([b"", b"1"]), blocks),
    )
    position = pair.base_order.index(cid_of(encoder.EMPTY_FRAME))
    data = build(pair, [payload_of(contents_of(pair))], prefixes=[(BlockRange(position, 1),)])
    assert pair.try_read(data)[1] is None


def test_prefixes_are_counted_together(monkeypatch: pytest.MonkeyPatch) -> None:
    pair = tiny()
    everything = (BlockRange(0, len(pair.base_order)),)
    data = build(pair, [payload_of([content]) for content in contents_of(pair)], prefixes=[everything] * len(pair.new))
    assert pair.try_read(data)[1] is None
    monkeypatch.setattr(delta_reader, "MAX_DELTA_PREFIX_SIZE", 60_000)
    _, error = pair.try_read(data)
    assert error is not None
    assert "prefixes are too large" in error.message


def test_prefix_sizes_are_summed_before_anything_is_inflated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks that state 512 KiB each, in a few bytes: the one that passes the limit is not inflated any more."""
    zeros, leaf = raw_leaf(compress_chunk(bytes(512 * 1024)))
    held = MemoryBlocks([zeros])
    links: list[FileLink] = []
    for number in range(1, 71):
        block, link = raw_leaf(compress_chunk(bytes(512 * 1024 - 1) + bytes([number])))
        held.put_node(block)
        links.append(link)
    root, link = file_node([leaf, *links])
    held.put_node(root)
    inflated = 0

    def counting(block: Block) -> bytes:
        nonlocal inflated
        inflated += 1
        return content_of(block)

    monkeypatch.setattr(delta_reader, "content_of", counting)
    header = DeltaHeader(link.cid, cid_of(b"target"), (DeltaSection(10, 19, (BlockRange(1, 71),)),))
    data = encode_header(header) + compress(b"0123456789")
    assert len(compress(b"0123456789")) == 19
    with pytest.raises(DeltaError, match="prefixes are too large"):
        list(read_delta([data], link.cid, cid_of(b"target"), held, unpacked=1 << 30, size=1 << 30))
    assert inflated == 64


def target_of(content: bytes, codec: int) -> tuple[Cid, bytes]:
    return cid_of(content, codec), content


def node_of(*links: FileLink) -> bytes:
    return file_node(links)[0].data


LEAF = FileLink(cid_of(b"leaf"), 4, 4)
V0 = FileLink(Cid(b"\x12\x20" + bytes(32)), 4, 4)
CBOR = FileLink(cid_of(b"leaf", 0x71), 4, 4)


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


def test_ranges_are_merged() -> None:
    assert merge_ranges([0, 1, 2, 5, 7, 8]) == (BlockRange(0, 3), BlockRange(5, 1), BlockRange(7, 2))
    assert merge_ranges([]) == ()


def test_a_header_that_no_reader_would_take_is_not_written() -> None:
    pair = tiny()
    header = DeltaHeader(pair.base.archive, pair.target.archive, (DeltaSection(1, 1, ()),) * 1025)
    with pytest.raises(DeltaError, match="differ too much"):
        encode_header(header)
    encode_header(replace(header, sections=header.sections[:1024]))


# --- damage --------------------------------------------------------------------------------------------------------------------

_frames: dict[bytes, bytes] = {}


def remembered(content: bytes | bytearray | memoryview) -> bytes:
    """The same encoder, asked once for each content: a flipped delta has nearly always the same ones."""
    key = bytes(content)
    if key not in _frames:
        if len(_frames) > 200:
            _frames.clear()
        _frames[key] = compress_chunk(content)
    return _frames[key]


def flip(name: str, offsets: Sequence[int], monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(rebuilding, "compress_chunk", remembered)
    pair, data = vector(), bytearray((DELTAS / name).read_bytes())
    refused = 0
    for offset in offsets:
        bit = 1 << offset % 8
        data[offset] ^= bit
        refused += pair.try_read(bytes(data))[1] is not None
        data[offset] ^= bit
    return refused


@pytest.mark.parametrize("name", NAMES)
def test_flipped_bytes_are_refused_or_harmless(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    size = (DELTAS / name).stat().st_size
    offsets = [*range(200), *range(200, size, size // 250)]
    assert flip(name, offsets, monkeypatch) >= len(offsets) * 0.9


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("part", range(8))
@pytest.mark.parametrize("name", NAMES)
def test_every_byte_flipped(name: str, part: int, monkeypatch: pytest.MonkeyPatch) -> None:
    offsets = range(part, (DELTAS / name).stat().st_size, 8)
    assert flip(name, offsets, monkeypatch) >= len(offsets) * 0.9


def read_tiny(data: bytes) -> None:
    """Whatever the bytes: right blocks, or a `DeltaError`."""
    pair = tiny()
    for block in read_delta(
        [data], pair.base.archive, pair.target.archive, pair.held, unpacked=pair.target.unpacked, size=pair.target.size
    ):
        assert pair.all.blocks[block.cid] == block.data


def tiny_seeds() -> list[bytes]:
    pair = tiny()
    contents = contents_of(pair)
    last = (BlockRange(len(pair.base_order) - 3, 2),)
    sections = [payload_of([content]) for content in contents]
    return [pair.write(), build(pair, [payload_of(contents)]), build(pair, sections, prefixes=[last] * len(sections))]


TARGETS = [Target("delta", read_tiny, DeltaError, seeds=tiny_seeds(), tokens=CBOR_TOKENS)]


def test_damaged_deltas_are_refused_by_their_own_error() -> None:
    assert check_target(TARGETS[0], 100_000).refused


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_a_million_damaged_deltas() -> None:
    check_memory(__name__, "delta", 1_000_000, most=1.0)


def test_errors_of_a_delta_are_verification_errors() -> None:
    assert issubclass(DeltaError, VerificationError)
