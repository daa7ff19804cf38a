"""Read one bomb in a process of its own, and print how far it came and what memory it took: `python -m tests.image.bomb xz`."""

import bz2
import gzip
import json
import lzma
import sys
from collections.abc import Callable, Iterator

import zstandard

from catalog.errors import ArchiveError
from catalog.image.archive import read_export
from catalog.image.canonical import build_header
from catalog.image.dag import LayerWriter
from tests.factory.archives import MemoryBlocks
from tests.memory import peak_memory

MAX_SIZE = 1 << 30
PART = 64 << 20
PARTS = 160  # 10 GiB in all
COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "zstd": zstandard.ZstdCompressor().compress,
    "xz": lambda data: lzma.compress(data, preset=0),
    "bzip2": lambda data: bz2.compress(data, 1),
}


class CountingWriter(LayerWriter):
    """A layer that tells how much of it came."""

    taken = 0

    def feed(self, data: bytes | memoryview) -> None:
        CountingWriter.taken += len(data)
        super().feed(data)


def explode(compression: str) -> dict[str, int]:
    part = COMPRESSIONS[compression](bytes(PART))

    def export() -> Iterator[bytes]:
        size = len(part) * PARTS
        yield build_header("layer.tar", size)
        for _ in range(PARTS):
            yield part
        yield bytes(-size % 512 + 1024)

    blocks = MemoryBlocks()
    try:
        read_export(export(), lambda: CountingWriter(blocks), max_size=MAX_SIZE)
    except ArchiveError as error:
        if "inflates to more than" not in error.message:
            raise
        return {"taken": CountingWriter.taken, "peak": peak_memory()}
    raise AssertionError("it was read whole")


if __name__ == "__main__":
    print(json.dumps(explode(sys.argv[1])))
