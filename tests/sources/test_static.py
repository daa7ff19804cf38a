"""Blocks from web servers of plain files, honest, clumsy and hostile: docs/safety.md, rows B1, B2, B4, B5, B9."""

import contextlib
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from catalog.blockstores.memory import MemoryBlockstore
from catalog.clients.http import HttpClient
from catalog.clients.timeouts import Timeouts
from catalog.errors import UnavailableError
from catalog.ipld.cid import RAW
from catalog.ipns.key import create_key
from catalog.ipns.record import create_record
from catalog.sources.http import HttpBlockSource
from catalog.sources.http_records import HttpRouting
from catalog.sources.protocol import record_path
from catalog.sources.store import FetchingBlockstore
from tests.factory.static_files import StoredVersions, write_versions
from tests.fakes.static_host import CLUMSY, HOSTILE, StaticHost

Serve = Callable[..., StaticHost]
PATIENT = Timeouts(retry=0.01)  # nobody here makes dcat wait: a busy machine must not look like a host that stalls


@pytest.fixture(scope="module")
def versions(tmp_path_factory: pytest.TempPathFactory) -> StoredVersions:
    return write_versions(tmp_path_factory.mktemp("static") / "files")


@pytest.fixture
def serve(versions: StoredVersions) -> Iterator[Serve]:
    with ExitStack() as stack:
        yield lambda behaviour="plain", only="", folder=versions.folder: stack.enter_context(StaticHost(folder, behaviour, only))


class Reader:
    """A store that fetches from some hosts."""

    def __init__(self, *hosts: StaticHost, timeouts: Timeouts = PATIENT) -> None:
        self.local = MemoryBlockstore()
        self.sources = [HttpBlockSource(HttpClient(host.url, timeouts=timeouts)) for host in hosts]
        self.store = FetchingBlockstore(self.local, self.sources, timeouts=timeouts)

    def fetch(self, versions: StoredVersions, number: int) -> None:
        """Fetch a version and compare every block."""
        self.store.fetch_dag([versions.archives[number]])
        for cid in self.local.cids():
            assert self.local.get(cid) == versions.blocks[cid]

    def __enter__(self) -> "Reader":
        return self

    def __exit__(self, *error: object) -> None:
        for source in self.sources:
            source.close()


def test_the_first_fetch_takes_each_file_once_and_whole(versions: StoredVersions, serve: Serve) -> None:
    host = serve()
    with Reader(host) as reader:
        reader.fetch(versions, 0)
    asked = [line for line in host.requests if "/blobs/" in line]
    assert len(asked) == len(set(asked)) == 3
    assert host.count("bytes=") == 0
    assert len(host.requests) == 2 + 3 + 3  # what it is; outlines of the archive and of two layers of several chunks; the layers


def test_an_upgrade_takes_what_is_new_by_one_request(versions: StoredVersions, serve: Serve) -> None:
    """From a server that gives several ranges in one answer, as nginx and Caddy do."""
    host = serve("several")
    with Reader(host) as reader:
        reader.fetch(versions, 0)
        held = set(reader.local.cids())
        host.requests.clear()
        host.sent = 0
        reader.fetch(versions, 1)
        new = sum(len(reader.local.get(cid)) for cid in set(reader.local.cids()) - held)
    assert host.sent <= new * 1.03
    assert host.count("bytes=") == 1
    assert len(host.requests) == 4  # two outlines, the ranges, and the small layer


def test_an_upgrade_takes_ranges_one_by_one(versions: StoredVersions, serve: Serve) -> None:
    """From a server that answers several ranges with the whole file, as S3 does: it is asked for several once."""
    host = serve()
    with Reader(host) as reader:
        reader.fetch(versions, 0)
        host.requests.clear()
        reader.fetch(versions, 1)
    assert sum("," in line for line in host.requests) == 1
    assert host.count("bytes=") <= 11
    assert not [line for line in host.requests if "/blobs/" in line and "bytes=" not in line][1:]


@pytest.mark.parametrize("behaviour", CLUMSY)
def test_a_clumsy_host_is_enough(versions: StoredVersions, serve: Serve, behaviour: str) -> None:
    """First fetch and upgrade come out right, and no file is asked for once a block."""
    host = serve(behaviour)
    with Reader(host) as reader:
        reader.fetch(versions, 0)
        reader.fetch(versions, 1)
    assert len(host.requests) <= (50 if behaviour == "redirect" else 25)


@pytest.mark.parametrize("only", ["", "/outlines/", "/blobs/", "/dcat/v1/static"])
@pytest.mark.parametrize("behaviour", HOSTILE)
def test_a_hostile_host_gives_right_blocks_or_an_error(versions: StoredVersions, serve: Serve, behaviour: str, only: str) -> None:
    host = serve(behaviour, only)
    with Reader(host) as reader:
        with pytest.raises(UnavailableError):
            reader.fetch(versions, 0)
        assert len(host.requests) <= 20
        for cid in reader.local.cids():
            assert reader.local.get(cid) == versions.blocks[cid]


@pytest.mark.parametrize("behaviour", HOSTILE)
def test_another_host_makes_it_good(versions: StoredVersions, serve: Serve, behaviour: str) -> None:
    with Reader(serve(behaviour, "/blobs/"), serve()) as reader:
        reader.fetch(versions, 0)
    assert set(reader.local.cids()) <= set(versions.blocks)


def test_a_fetch_that_broke_off_goes_on(versions: StoredVersions, serve: Serve) -> None:
    host = serve("cut", "/blobs/")
    with Reader(host) as reader:
        with pytest.raises(UnavailableError):
            reader.fetch(versions, 0)
        held = {cid for cid in reader.local.cids() if cid.codec == RAW}
        assert held
        host.behaviour = "plain"
        host.sent = 0
        again = Reader(host)
        again.local.put_many((cid, reader.local.get(cid)) for cid in reader.local.cids())  # type: ignore[misc]
        with again:
            again.fetch(versions, 0)
    assert host.sent < sum(file.stat().st_size for file in versions.folder.glob("v2/web/blobs/*")) / 2


def test_files_of_two_deployments_side_by_side(versions: StoredVersions, serve: Serve, tmp_path: Path) -> None:
    """A file that is missing yet is asked for once, and what is there is of use."""
    folder = tmp_path / "files"
    shutil.copytree(versions.folder, folder)
    largest = max(folder.glob("v2/web/blobs/*"), key=lambda file: file.stat().st_size)
    largest.unlink()
    host = serve(folder=folder)
    with Reader(host) as reader:
        for number in range(2):
            with contextlib.suppress(UnavailableError):
                reader.fetch(versions, number)
        assert host.count(largest.name) <= 2
        shutil.copytree(versions.folder, folder, dirs_exist_ok=True)
    with Reader(host) as reader:
        reader.fetch(versions, 0)


def test_a_block_alone_is_not_looked_for(versions: StoredVersions, serve: Serve) -> None:
    """A leaf has no address of its own: it is found by the DAG that was named before, and else not asked for at all."""
    host = serve()
    leaves = [cid for cid in versions.blocks if cid.codec == RAW]
    with Reader(host) as reader:
        assert not list(reader.sources[0].get_many(leaves))
        assert len(host.requests) == 2
        reader.store.expect([versions.archives[0], versions.archives[1]])
        assert {block.cid for block in reader.sources[0].get_many(leaves)} == set(leaves)


@pytest.mark.parametrize("behaviour", [*CLUMSY, "page", "empty"])
def test_the_record_is_read_whatever_type_it_has(tmp_path: Path, behaviour: str) -> None:
    key = create_key()
    record = create_record(key, b"/ipfs/bafyfake", sequence=1, validity=4_102_444_800 * 10**9)
    path = tmp_path / record_path(key.name).lstrip("/")
    path.parent.mkdir(parents=True)
    path.write_bytes(record.encoded)
    with StaticHost(tmp_path, behaviour) as host, contextlib.closing(HttpClient(host.url, timeouts=PATIENT)) as client:
        if behaviour == "page":
            with pytest.raises(UnavailableError):
                HttpRouting(client).get(key.name)
        else:
            assert HttpRouting(client).get(key.name) == (b"" if behaviour == "empty" else record.encoded)
