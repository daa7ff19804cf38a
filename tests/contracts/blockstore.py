"""The contract of `catalog.ipld.block`, as tests that every implementation runs.

A test module subclasses `BlockSourceContract` or `BlockstoreContract` and gives a fixture ``store``; one whose blocks cannot be put
through it (a source) also gives ``fill``.
"""

import threading
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from catalog.errors import BlockMismatchError, BlockNotFoundError
from catalog.ipld.block import Block, Blockstore
from catalog.ipld.cid import DAG_CBOR, DAG_PB, RAW, Cid, cid_from_digest, cid_of

A = Block(cid_of(b"a"), b"a")
B = Block(cid_of(b"b" * 70_000), b"b" * 70_000)
EMPTY = Block(cid_of(b""), b"")
NODE = Block(cid_of(b"\x0a\x02\x08\x01", DAG_PB), b"\x0a\x02\x08\x01")
ABSENT = cid_of(b"absent")


def as_v0(cid: Cid) -> Cid:
    return Cid(b"\x12\x20" + cid.digest)


class BlockSourceContract:
    """Reading."""

    @pytest.fixture
    def fill(self, store: Any) -> Callable[[Iterable[Block]], None]:
        """Put blocks where ``store`` reads them."""

        def put(blocks: Iterable[Block]) -> None:
            store.put_many(blocks)

        return put

    def test_gives_what_is_there(self, store: Any, fill: Callable[[Iterable[Block]], None]) -> None:
        fill([A, B, EMPTY])
        assert [store.get(block.cid) for block in (A, B, EMPTY)] == [A.data, B.data, EMPTY.data]

    def test_absent_is_not_found(self, store: Any) -> None:
        with pytest.raises(BlockNotFoundError):
            store.get(ABSENT)

    def test_many_leaves_out_the_absent_and_gives_each_once(self, store: Any, fill: Callable[[Iterable[Block]], None]) -> None:
        fill([A, B])
        given = list(store.get_many([A.cid, ABSENT, B.cid, A.cid]))
        assert sorted(given) == sorted([A, B])
        assert list(store.get_many([])) == []

    def test_one_block_under_both_versions(self, store: Any, fill: Callable[[Iterable[Block]], None]) -> None:
        fill([NODE])
        assert store.get(as_v0(NODE.cid)) == NODE.data
        assert [block.data for block in store.get_many([as_v0(NODE.cid), NODE.cid])] == [NODE.data]


class BlockstoreContract(BlockSourceContract):
    """Reading and writing."""

    def test_put_and_has(self, store: Blockstore) -> None:
        assert not store.has(A.cid)
        store.put(*A)
        store.put(*A)
        assert store.has(A.cid)
        assert store.get(A.cid) == A.data

    def test_put_verifies(self, store: Blockstore) -> None:
        with pytest.raises(BlockMismatchError):
            store.put(A.cid, b"x")
        with pytest.raises(BlockMismatchError):
            store.put_many([B, Block(A.cid, b"x")])
        assert not store.has(A.cid)

    def test_put_many_takes_any_iterable(self, store: Blockstore) -> None:
        store.put_many(block for block in (A, B, A))
        store.put_many([])
        assert sorted(store.cids()) == sorted([A.cid, B.cid])

    def test_missing_keeps_order_and_gives_each_once(self, store: Blockstore) -> None:
        store.put(*A)
        other = cid_of(b"other")
        assert store.missing([other, A.cid, ABSENT, other]) == [other, ABSENT]
        assert store.missing([]) == []

    def test_delete(self, store: Blockstore) -> None:
        store.put_many([A, B])
        store.delete([A.cid, ABSENT])
        assert not store.has(A.cid)
        assert list(store.cids()) == [B.cid]
        store.put(*A)
        assert store.get(A.cid) == A.data

    def test_v0_is_kept_once_as_v1(self, store: Blockstore) -> None:
        store.put(as_v0(NODE.cid), NODE.data)
        store.put(*NODE)
        assert list(store.cids()) == [NODE.cid]
        assert store.missing([NODE.cid, as_v0(NODE.cid)]) == []
        store.delete([as_v0(NODE.cid)])
        assert list(store.cids()) == []

    def test_any_codec_finds_the_bytes(self, store: Blockstore) -> None:
        store.put(*A)
        assert store.get(cid_from_digest(A.cid.digest, DAG_CBOR)) == A.data
        assert list(store.cids()) == [cid_from_digest(A.cid.digest, RAW)]

    def test_threads(self, store: Blockstore) -> None:
        failures: list[BaseException] = []

        def work(number: int) -> None:
            try:
                for count in range(20):
                    data = f"{number} {count}".encode()
                    store.put(cid_of(data), data)
                    assert store.get(cid_of(data)) == data
                    list(store.get_many([A.cid, cid_of(data)]))
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failures
        assert len(list(store.cids())) == 80
