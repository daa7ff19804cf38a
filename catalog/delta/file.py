"""Write a delta as a file: the header stands first in it and is known last, so the frames are written beside it."""

import shutil
from pathlib import Path

from catalog.delta.writer import WIRE_LEVEL, WrittenDelta, write_delta
from catalog.ipld.block import BlockSource
from catalog.ipld.cid import Cid

_PIECE = 1 << 20


def write_delta_file(
    base: Cid, target: Cid, source: BlockSource, path: Path, *, level: int = WIRE_LEVEL, max_size: int | None = None
) -> WrittenDelta:
    """Write the delta of a pair to ``path``, a new file; memory is that of one section. Nothing is left where this raises.

    Raises what `write_delta` raises, and `OSError`.
    """
    frames = path.with_name(f"{path.name}.frames")
    try:
        with frames.open("w+b") as written:
            delta = write_delta(base, target, source, written, level=level, max_size=max_size)
            written.seek(0)
            with path.open("wb") as file:
                file.write(delta.head)
                shutil.copyfileobj(written, file, _PIECE)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    finally:
        frames.unlink(missing_ok=True)
    return delta
