"""Pairs of archives, and deltas between them that are made by hand."""

import io
from collections.abc import Callable, Iterator, Sequence
from functools import cache

from catalog.delta.contents import content_of
from catalog.delta.header import (
    BlockRange,
    DeltaHeader,
    DeltaSection,
    encode_header,
)
from catalog.delta.reader import read_delta
from catalog.delta.writer import WIRE_LEVEL, write_delta
from catalog.errors import DeltaError
from catalog.image.dag import StoredArchive
from catalog.image.walk import walk
from catalog.image.zstd import CompressionParameter, ZstdCompressor, ZstdDict
from catalog.ipld.block import Block
from catalog.ipld.cid import Cid
from catalog.ipld.varint import encode_varint
from tests.factory.archives import MemoryBlocks, store_export, store_image
from tests.factory.golden import DELTAS, IMAGES, read_golden
from tests.factory.images import APP, PACKAGES, make_image
from tests.factory.tars import make_layer

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


def contents_of(pair: Pair) -> list[bytes]:
    return [pair.content(cid) for cid in pair.new]
