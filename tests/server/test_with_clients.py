"""dcat's own clients against the server: an upgrade in few requests, as a dcat server and as any gateway, with a token, without."""

import random
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from catalog.blockstores.memory import MemoryBlockstore
from catalog.clients.http import HttpClient
from catalog.errors import UnavailableError
from catalog.ipld.cid import Cid
from catalog.limits import KIB
from catalog.server.settings import ServerSettings
from catalog.sources.http import HttpBlockSource
from catalog.sources.store import FetchingBlockstore
from tests.server.dags import add_file
from tests.server.serving import Served, serving

BASE = random.Random(1).randbytes(3000 * KIB)


@pytest.fixture
def served() -> Iterator[Served]:
    with serving() as server:
        yield server


def requests_for_blocks(served: Served) -> int:
    text = served.ask("/metrics").body.decode()
    return sum(int(count) for count in re.findall(r'dcat_requests_total{route="(?:dcat|ipfs)",status="200"} (\d+)', text))


def fetch(served: Served, root: Cid, store: MemoryBlockstore, token_file: Path | None = None) -> int:
    source = HttpBlockSource(HttpClient(served.server.url, token_file=token_file))
    try:
        return FetchingBlockstore(store, [source]).fetch_dag([root]).blocks
    finally:
        source.close()


def test_an_upgrade_takes_few_requests(served: Served) -> None:
    """Issue figure: at most 4 requests for the blocks of an upgrade."""
    old = add_file(served.blocks, BASE, leaf=KIB, links=1024).cid
    new = add_file(served.blocks, BASE[: 2000 * KIB] + random.Random(2).randbytes(900 * KIB), leaf=KIB, links=1024).cid
    store = MemoryBlockstore()
    assert fetch(served, old, store) > 3000 - 1
    before = requests_for_blocks(served)
    assert fetch(served, new, store) > 900
    assert requests_for_blocks(served) - before <= 4
    assert fetch(served, new, store) == 0


def test_a_token_lets_in(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("s3cret", encoding="ascii")
    with serving(settings=ServerSettings(port=0, token="s3cret")) as served:
        root = add_file(served.blocks, BASE[: 50 * KIB], leaf=KIB, links=1024).cid
        with pytest.raises(UnavailableError):
            fetch(served, root, MemoryBlockstore())
        assert fetch(served, root, MemoryBlockstore(), token) == 51
