"""Homes on one machine that ask each other as sources, without a network."""

from collections.abc import Collection, Iterable, Iterator
from datetime import timedelta
from pathlib import Path

from catalog.blockstores.writing import BlockWriter
from catalog.errors import UnavailableError
from catalog.home.home import Home, open_home
from catalog.home.records import local_records
from catalog.ipld.block import Block
from catalog.ipld.cid import Cid
from catalog.ipns.name import IpnsName
from catalog.own.share import Shared, share_own
from catalog.own.signing import own_name, own_record, sign_snapshot
from catalog.snapshot.reader import open_snapshot
from catalog.sources.network import Network
from catalog.unixfs.directory import update_directory
from catalog.unixfs.file import file_node, raw_leaf
from catalog.unixfs.hamt import Entry
from tests.factory.times import NOW

NOBODY = Network()


def open_at(path: Path, *, days: float = 0, seconds: float = 0) -> Home:
    """Open a home some time after `NOW`."""
    return open_home(path, now=NOW + timedelta(days=days, seconds=seconds))


def share(home: Home, network: Network = NOBODY) -> Shared:
    """Share, which must be possible."""
    shared = share_own(home, network)
    assert shared is not None
    return shared


def sign_other_tree(home: Home) -> Cid:
    """Sign the same releases in a tree of another shape, one leaf for each line; return the snapshot's root."""
    name = own_name(home)
    assert name is not None
    record = own_record(home, name)
    assert record is not None
    root = record.snapshot_cid
    snapshot = open_snapshot(root, home.blocks)
    with BlockWriter(home.blocks) as writer:
        leaves = []
        for _, line in snapshot.lines():
            block, link = raw_leaf(line + b"\n")
            writer.put_node(block)
            leaves.append(link)
        block, link = file_node(leaves)
        writer.put_node(block)
        changed = Entry("releases.ndjson", link.cid, link.dag_size)
        other = update_directory(root, {"releases.ndjson": changed}, home.blocks, writer.put_node).cid
    sign_snapshot(home, other, record)
    return other


class HomeSource:
    """Another home's blocks, asked side by side with others."""

    batch = 64
    lanes = 1
    eager = False

    def __init__(self, home: Home, name: str = "") -> None:
        self.home = home
        self.name = name or home.path.name
        self.reachable = True
        self.given: list[Cid] = []
        self.asked: set[Cid] = set()

    def get(self, cid: Cid) -> bytes:
        self._check()
        self.asked.add(cid)
        self.given.append(cid)
        return self.home.blocks.get(cid)

    def get_many(self, cids: Iterable[Cid]) -> Iterator[Block]:
        self._check()
        cids = list(cids)
        self.asked.update(cids)
        for block in self.home.blocks.get_many(cids):
            self.given.append(block.cid)
            yield block

    def abort(self, threads: Collection[int] | None = None) -> None:
        """Nothing is ever under way for long."""

    def close(self) -> None:
        """Nothing: the home belongs to the test."""

    def _check(self) -> None:
        if not self.reachable:
            raise UnavailableError(f"{self.name} is asleep")


class HomeRouting:
    """The records that another home keeps."""

    def __init__(self, home: Home, name: str = "") -> None:
        self.home = home
        self.name = name or home.path.name
        self.reachable = True
        self.asked: set[str] = set()

    def get(self, name: IpnsName) -> bytes | None:
        self.asked.add(str(name))
        if not self.reachable:
            raise UnavailableError(f"{self.name} is asleep")
        return local_records(self.home).get(name)

    def put(self, name: IpnsName, record: bytes) -> None:
        local_records(self.home).put(name, record)


def network_of(*homes: Home) -> Network:
    """Reach other homes' blocks and records."""
    return Network(tuple(HomeSource(home) for home in homes), tuple(HomeRouting(home) for home in homes))
