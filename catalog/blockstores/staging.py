"""Blocks on trial: they are kept apart from a store until they turn out to be what was wanted.

A block matches its CID, but the CID is a publisher's word: what it calls an archive or a delta may be anything, a private file of
this user's Kubo node for example. So such blocks reach the home's store, from which they are served, only once they were read.
"""

import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from catalog.blockstores.embedded import EmbeddedBlockstore
from catalog.errors import BlockNotFoundError
from catalog.ipld.block import Block, Blockstore
from catalog.ipld.cid import Cid
from catalog.storage.processes import is_running

_PREFIX: Final = ".stage-"


class StagedBlockstore:
    """A blockstore over ``below``: what is put stays in ``stage`` until `accept`."""

    def __init__(self, stage: Blockstore, below: Blockstore) -> None:
        self._stage = stage
        self._below = below

    def accept(self, cids: Iterable[Cid] | None = None) -> None:
        """Move what was put to the store below, or only those of ``cids``; durable when this returns."""
        self._below.put_many(self._stage.get_many(list(self._stage.cids() if cids is None else cids)))

    def get(self, cid: Cid) -> bytes:
        try:
            return self._stage.get(cid)
        except BlockNotFoundError:
            return self._below.get(cid)

    def get_many(self, cids: Iterable[Cid]) -> Iterator[Block]:
        absent = {cid.digest: cid for cid in cids}
        # In this order, and without a look before: another process may accept a block meanwhile, which moves it.
        for block in self._stage.get_many(list(absent.values())):
            absent.pop(block.cid.digest, None)
            yield block
        yield from self._below.get_many(list(absent.values()))

    def has(self, cid: Cid) -> bool:
        return self._stage.has(cid) or self._below.has(cid)

    def missing(self, cids: Iterable[Cid]) -> list[Cid]:
        return self._below.missing(self._stage.missing(cids))

    def put(self, cid: Cid, data: bytes) -> None:
        self._stage.put(cid, data)

    def put_many(self, blocks: Iterable[Block], *, durable: bool = True) -> None:
        self._stage.put_many(blocks, durable=durable)

    def flush(self) -> None:
        self._stage.flush()

    def delete(self, cids: Iterable[Cid]) -> None:
        gone = list(cids)
        self._stage.delete(gone)
        self._below.delete(gone)

    def cids(self) -> Iterator[Cid]:
        yield from self._stage.cids()
        yield from (cid for cid in self._below.cids() if not self._stage.has(cid))


@contextmanager
def stage_in_file(below: Blockstore, directory: Path) -> Iterator[StagedBlockstore]:
    """Yield a staged store in a file under ``directory``, which is deleted afterwards."""
    with tempfile.TemporaryDirectory(dir=directory, prefix=f"{_PREFIX}{os.getpid()}-") as path:
        stage = EmbeddedBlockstore(Path(path) / "blocks.sqlite")
        try:
            yield StagedBlockstore(stage, below)
        finally:
            stage.close()


def delete_left_stages(directory: Path) -> None:
    """Delete the stages that killed commands left under ``directory``; no command of another machine may be using it."""
    for path in directory.glob(f"{_PREFIX}*"):
        process = path.name.removeprefix(_PREFIX).partition("-")[0]
        if not (process.isdigit() and is_running(int(process))):
            shutil.rmtree(path, ignore_errors=True)
