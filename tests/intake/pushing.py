"""A program: five large layers are pushed at once into a home; prints the peak of its memory. Run by `tests.intake.test_memory`."""

import hashlib
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from catalog.blockstores.embedded import EmbeddedBlockstore
from catalog.blockstores.writing import BlockWriter
from catalog.intake.pushed import PushedImages
from catalog.model.digest import Digest
from catalog.progress import silent
from tests.memory import peak_memory

_PIECE = 1 << 20


def pieces(seed: int, size: int) -> Iterator[bytes]:
    """Yield bytes that differ from layer to layer, a quarter of them noise that is no other's."""
    noise = hashlib.shake_256(b"%d" % seed).digest(_PIECE // 4)
    for number in range(size // _PIECE):
        yield (b"%d.%d " % (seed, number)).ljust(64) * (3 * _PIECE // 256) + noise


def main(home: str, size: int) -> None:
    store = EmbeddedBlockstore(Path(home) / "blocks.sqlite")
    digests = []
    for seed in range(5):
        sha256 = hashlib.sha256()
        for piece in pieces(seed, size):
            sha256.update(piece)
        digests.append(Digest(sha256.digest()))
    with BlockWriter(store) as writer, ThreadPoolExecutor(5) as pool:
        pushed = PushedImages(writer, max_size=1 << 40, progress=silent)
        for future in [pool.submit(pushed.add_blob, digests[seed], size, pieces(seed, size)) for seed in range(5)]:
            future.result()
    store.close()
    print(peak_memory() >> 20, len(digests))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
