"""Turning a delta into blocks of a home: verified, and stored in small batches, so that an interruption loses little."""

from collections.abc import Iterable
from dataclasses import dataclass

from catalog.blockstores.writing import BlockWriter, FrameStore
from catalog.delta.reader import read_delta
from catalog.errors import DcatError, UnavailableError, VerificationError
from catalog.image.stream import Piece
from catalog.ipld.cid import Cid
from catalog.limits import FIRST_REBUILT_BATCH_SIZE, REBUILT_BATCH_SIZE
from catalog.progress import Progress, Step, silent


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """The blocks that a delta added, their number and bytes; ``failure`` is the error that ended it early, if one did."""

    blocks: int
    size: int
    failure: DcatError | None = None


def apply_delta(
    pieces: Iterable[Piece],
    base: Cid,
    target: Cid,
    store: FrameStore,
    *,
    unpacked: int,
    size: int,
    file_size: int,
    progress: Progress = silent,
) -> Rebuilt:
    """Rebuild the blocks of ``target`` that ``base`` lacks into ``store``, which holds ``base`` whole; durable when this returns.

    ``unpacked`` and ``size`` are the target's, ``file_size`` the delta's. ``progress`` is called in another thread, each time that
    some blocks were stored. An error of the delta, its base or its source becomes the ``failure``, and blocks verified before it
    are kept; an error of the store is raised, and what ``progress`` raises.
    """

    def report(rebuilt: int) -> None:
        progress(Step("part", "rebuilt", rebuilt))

    failure: DcatError | None = None
    with BlockWriter(store, batch_size=REBUILT_BATCH_SIZE, first_size=FIRST_REBUILT_BATCH_SIZE, stored=report) as writer:
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
