"""The in-memory store keeps the contract."""

import pytest

from catalog.blockstores.memory import MemoryBlockstore
from tests.contracts.blockstore import A, B, BlockstoreContract


class TestContract(BlockstoreContract):
    @pytest.fixture
    def store(self) -> MemoryBlockstore:
        return MemoryBlockstore()


def test_begins_with_blocks() -> None:
    assert sorted(MemoryBlockstore([A, B]).cids()) == sorted([A.cid, B.cid])
