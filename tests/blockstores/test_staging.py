"""Blocks on trial: the contract of a blockstore, and that nothing reaches the store below before it is accepted."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from catalog.blockstores.memory import MemoryBlockstore
from catalog.blockstores.staging import StagedBlockstore, delete_left_stages, stage_in_file
from tests.contracts.blockstore import ABSENT, A, B, BlockstoreContract


class TestStaged(BlockstoreContract):
    @pytest.fixture
    def store(self) -> StagedBlockstore:
        return StagedBlockstore(MemoryBlockstore(), MemoryBlockstore())


class TestStagedInFile(BlockstoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[StagedBlockstore]:
        with stage_in_file(MemoryBlockstore(), tmp_path) as staged:
            yield staged


def test_what_is_put_is_below_once_it_is_accepted(tmp_path: Path) -> None:
    below = MemoryBlockstore([A])
    with stage_in_file(below, tmp_path) as staged:
        staged.put_many([A, B])
        assert staged.missing([A.cid, B.cid, ABSENT]) == [ABSENT]
        assert list(below.cids()) == [A.cid]
        staged.accept()
        assert set(below.cids()) == {A.cid, B.cid}
    assert not list(tmp_path.iterdir())


def test_only_stages_of_dead_processes_are_deleted(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as dead:
        dead.wait()
    left = [tmp_path / f".stage-{dead.pid}-abc", tmp_path / ".stage-abc"]  # the second one as earlier versions named them
    for path in left:
        path.mkdir()
        (path / "blocks.sqlite").write_bytes(b"left")
    (tmp_path / "blocks.sqlite").write_bytes(b"kept")
    with stage_in_file(MemoryBlockstore(), tmp_path) as staged:
        staged.put_many([A])
        delete_left_stages(tmp_path)
        assert staged.get(A.cid) == A.data
        assert sorted(path.name.partition("-")[0] for path in tmp_path.iterdir()) == [".stage", "blocks.sqlite"]
