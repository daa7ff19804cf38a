"""The in-memory store keeps the contract."""

import pytest

from tests.contracts.blockstore import A, B, BlockstoreContract
from tests.fakes.memory_blockstore import MemoryBlockstore


class TestContract(BlockstoreContract):
    @pytest.fixture
    def store(self) -> MemoryBlockstore:
        return MemoryBlockstore()


def test_begins_with_blocks() -> None:
    assert sorted(MemoryBlockstore([A, B]).cids()) == sorted([A.cid, B.cid])
