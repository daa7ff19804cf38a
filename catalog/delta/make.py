"""Make a delta as a file, if it saves enough: for a publish, for a bundle, or for a waiting client.

The header comes first in the file and is known last, so the frames are written to a second file beside it. Memory is that of one
section. Source: docs/formats/delta.md.
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from catalog.delta.policy import CHAIN_SHARE, DELTA_SHARE, is_chain_worth, is_delta_worth
from catalog.delta.writer import PUBLISHED_LEVEL, WIRE_LEVEL, WrittenDelta, write_delta
from catalog.errors import DeltaError
from catalog.image.walk import walk
from catalog.ipld.block import BlockSource
from catalog.ipld.cid import Cid
from catalog.limits import MIN_DELTA_NEED

_PIECE: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class DeltaUse:
    """What a delta is made for: the compression level, and how large it may be beside the blocks that it replaces."""

    level: int
    share: float
    is_worth: Callable[[int, int], bool]


PUBLISHED_DELTA: Final = DeltaUse(PUBLISHED_LEVEL, CHAIN_SHARE, is_chain_worth)
"""A delta of a release: made once, fetched often, perhaps as one of several steps."""
BUNDLED_DELTA: Final = DeltaUse(PUBLISHED_LEVEL, DELTA_SHARE, is_delta_worth)
"""A delta in a bundle."""
SERVED_DELTA: Final = DeltaUse(WIRE_LEVEL, DELTA_SHARE, is_delta_worth)
"""A delta that a server makes while a client waits."""


def count_new_bytes(base: Cid, target: Cid, source: BlockSource) -> int:
    """Return the stored size of the blocks of ``target`` that ``base`` lacks: what a delta replaces.

    Raise `BlockNotFoundError` if the source lacks a node of either archive.
    """
    held = {block.cid for block in walk(base, source)}
    return sum(block.size for block in walk(target, source) if block.cid not in held)


def is_delta_needed(new_bytes: int) -> bool:
    """Return whether new blocks of this size are worth a delta at all."""
    return new_bytes >= MIN_DELTA_NEED


def make_delta(
    base: Cid,
    target: Cid,
    source: BlockSource,
    path: Path,
    use: DeltaUse,
    *,
    new_bytes: int | None = None,
    max_size: int | None = None,
) -> WrittenDelta:
    """Write the delta of a pair to ``path``, a new file, which does not exist afterwards if this raises.

    ``new_bytes`` (`count_new_bytes`, if the caller knows it) and ``max_size`` end the work early. Raise `DeltaError` if the delta
    is not worth its price or larger than allowed, `BlockNotFoundError` if ``source`` does not hold both archives, and `OSError`.
    """
    limits = [size for size in (max_size, None if new_bytes is None else int(use.share * new_bytes)) if size is not None]
    try:
        delta = _write_file(base, target, source, path, use.level, min(limits, default=None))
        if not use.is_worth(delta.size, delta.new_bytes):
            raise DeltaError("the two images differ too much for a delta", why="the blocks themselves are little larger")
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return delta


def _write_file(base: Cid, target: Cid, source: BlockSource, path: Path, level: int, max_size: int | None) -> WrittenDelta:
    frames = path.with_name(f"{path.name}.frames")
    try:
        with frames.open("w+b") as written:
            delta = write_delta(base, target, source, written, level=level, max_size=max_size)
            written.seek(0)
            with path.open("wb") as file:
                file.write(delta.head)
                shutil.copyfileobj(written, file, _PIECE)
    finally:
        frames.unlink(missing_ok=True)
    return delta
