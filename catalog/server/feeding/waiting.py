"""Blocks of a home, of which some are being fetched: reading one waits until it is here."""

from collections.abc import Iterable, Iterator

from catalog.errors import BlockNotFoundError
from catalog.ipld.block import Block, BlockSource
from catalog.ipld.cid import Cid
from catalog.server.feeding.job import Job


class WaitingBlocks:
    """A block source over a home's blocks and what a job still brings; a block is absent only once the job ended without it."""

    def __init__(self, blocks: BlockSource, job: Job) -> None:
        self._blocks = blocks
        self._job = job

    def get(self, cid: Cid) -> bytes:
        job = self._job
        while True:
            ended, progressed = job.has_ended, job.progressed  # read first: what came before is found then
            try:
                return self._blocks.get(cid)
            except BlockNotFoundError:
                if ended:
                    raise
            job.wait_for_progress(progressed)  # another command may bring the block, too

    def get_many(self, cids: Iterable[Cid]) -> Iterator[Block]:
        """Yield those that are here, by few queries, then each of the others once it is."""
        absent = dict.fromkeys(cids)
        for block in self._blocks.get_many(list(absent)):
            absent.pop(block.cid, None)
            yield block
        for cid in absent:
            yield Block(cid, self.get(cid))
