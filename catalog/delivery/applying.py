"""Turn a delta into blocks of the home: each matched its CID, and they are kept in small batches, so that little is ever lost."""

from collections.abc import Iterable
from dataclasses import dataclass

from catalog.blockstores.writing import BlockWriter, FrameStore
from catalog.delta.reader import read_delta
from catalog.errors import DcatError, UnavailableError, VerificationError
from catalog.image.stream import Piece
from catalog.ipld.cid import Cid
from catalog.limits import REBUILT_BATCH_SIZE


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What came out of a delta: blocks that were not here before, and their bytes; ``failure`` is what ended it too early."""

    blocks: int
    size: int
    failure: DcatError | None = None


def apply_delta(
    pieces: Iterable[Piece], base: Cid, target: Cid, store: FrameStore, *, unpacked: int, size: int, file_size: int
) -> Rebuilt:
    """Rebuild what ``target`` has and ``base`` (whole in ``store``) has not, into ``store``; durable when this returns.

    ``unpacked`` and ``size`` are the target's, ``file_size`` the delta's. Whatever is wrong with the delta, its base or its source
    is the ``failure``, and what matched before it is kept; what is wrong with the store is raised.
    """
    failure: DcatError | None = None
    with BlockWriter(store, batch_size=REBUILT_BATCH_SIZE) as writer:
        blocks = read_delta(pieces, base, target, store, unpacked=unpacked, size=size, file_size=file_size)
        while True:
            try:
                block = next(blocks, None)
            except (VerificationError, UnavailableError) as error:
                failure = error
                break
            if block is None:
                break
            writer.put_node(block)
    return Rebuilt(writer.count.new_blocks, writer.count.new_bytes, failure)
