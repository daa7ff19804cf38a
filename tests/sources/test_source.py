"""The contract of block sources, over those that read from elsewhere."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from catalog.blockstores.memory import MemoryBlockstore
from catalog.clients.http import HttpClient
from catalog.clients.kubo import KuboClient
from catalog.errors import BlockMismatchError
from catalog.ipld.block import Block
from catalog.sources.bundle import BundleSource, write_bundle
from catalog.sources.http import HttpBlockSource
from catalog.sources.kubo import KuboBlockstore
from catalog.sources.store import FetchingBlockstore
from tests.compat.kubo import KuboNode
from tests.contracts.blockstore import ABSENT, A, B, BlockSourceContract
from tests.fakes.lying_source import LyingSource

Fill = Callable[[Iterable[Block]], None]


@pytest.fixture
def server() -> Iterator[LyingSource]:
    with LyingSource() as server:
        yield server


@pytest.fixture
def fill_server(server: LyingSource) -> Fill:
    return lambda blocks: server.store.update((block.cid, block) for block in blocks)


class TestDcatServer(BlockSourceContract):
    @pytest.fixture
    def store(self, server: LyingSource) -> Iterator[HttpBlockSource]:
        source = HttpBlockSource(HttpClient(server.url))
        yield source
        source.close()

    @pytest.fixture
    def fill(self, fill_server: Fill) -> Fill:
        return fill_server


class TestGateway(TestDcatServer):
    @pytest.fixture(autouse=True)
    def knows_no_lists(self, server: LyingSource) -> None:
        server.knows_lists = False


class TestFetching(BlockSourceContract):
    @pytest.fixture
    def store(self, server: LyingSource) -> Iterator[FetchingBlockstore]:
        source = HttpBlockSource(HttpClient(server.url))
        yield FetchingBlockstore(MemoryBlockstore([A]), [source])
        source.close()

    @pytest.fixture
    def fill(self, fill_server: Fill) -> Fill:
        return fill_server


class LateBundle:
    """A bundle that is written before it is first read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.blocks: list[Block] = []

    def get(self, cid: object) -> bytes:
        with self._open() as bundle:
            return bundle.get(cid)  # type: ignore[arg-type]

    def get_many(self, cids: object) -> list[Block]:
        with self._open() as bundle:
            return list(bundle.get_many(cids))  # type: ignore[arg-type]

    def _open(self) -> BundleSource:
        with self.path.open("wb") as out:
            write_bundle(out, [], self.blocks, records={})
        return BundleSource(self.path)


class TestBundle(BlockSourceContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> LateBundle:
        return LateBundle(tmp_path / "share.car")

    @pytest.fixture
    def fill(self, store: LateBundle) -> Fill:
        return store.blocks.extend


class TestKubo(BlockSourceContract):
    @pytest.fixture
    def store(self, kubo: KuboNode) -> Iterator[KuboBlockstore]:
        client = KuboClient(HttpClient(kubo.url))
        store = KuboBlockstore(client)
        store.delete([A.cid, B.cid])
        yield store
        client.close()

    def test_writing(self, store: KuboBlockstore) -> None:
        assert store.missing([ABSENT, A.cid, B.cid, A.cid]) == [ABSENT, A.cid, B.cid]
        with pytest.raises(BlockMismatchError):
            store.put(A.cid, b"other")
        assert not store.has(A.cid)
        store.put_many([A, B, A])
        store.put(*A)
        assert store.missing([ABSENT, A.cid, B.cid]) == [ABSENT]
        assert {A.cid, B.cid} <= set(store.cids())
        store.delete([A.cid, ABSENT])
        assert not store.has(A.cid)
