"""Blocks, pins and records through real Kubo nodes."""

import random
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from catalog.blockstores.memory import MemoryBlockstore
from catalog.clients.address import Address, look_up
from catalog.clients.http import HttpClient
from catalog.clients.kubo import KuboClient
from catalog.clients.kubo_address import find_rpc
from catalog.clients.timeouts import Timeouts
from catalog.errors import BlockMismatchError, BlockNotFoundError, SourceTimeoutError, UnavailableError
from catalog.ipld.block import Block
from catalog.ipld.cid import Cid, cid_of, parse_cid
from catalog.ipns.key import create_key
from catalog.ipns.record import create_record
from catalog.sources.http import HttpBlockSource
from catalog.sources.http_records import HttpRouting
from catalog.sources.kubo import KuboBlockstore, KuboRouting
from catalog.sources.store import FetchingBlockstore
from tests.compat.kubo import KuboNode, find_kubo, start_kubo, stop_kubo
from tests.compat.publisher import wait_until
from tests.fakes.dags import make_dag, make_leaves, make_node
from tests.fakes.timeouts import scaled

Nodes = tuple[KuboNode, KuboNode]
VALIDITY = 4_102_444_800 * 10**9  # the year 2100: nodes ask the real clock


@pytest.fixture
def client(kubo: KuboNode) -> Iterator[KuboClient]:
    client = KuboClient(HttpClient(kubo.url))
    yield client
    client.close()


def test_a_dag_goes_in_pinned_and_comes_out(client: KuboClient, kubo: KuboNode) -> None:
    root, blocks = make_dag(make_leaves(100, seed=11))
    store = KuboBlockstore(client)
    store.put_dag(root, (block for block in blocks if block != root))
    assert client.is_pinned(root.cid)
    assert client.version() == "0.42.0"
    kubo.run("repo", "gc")
    assert store.missing(block.cid for block in blocks) == []
    assert next(iter(store.get_dag(root.cid))) == root
    assert {block.cid for block in store.get_dag(root.cid)} == {block.cid for block in blocks}
    client.remove_pin(str(root.cid))
    client.remove_pin(str(root.cid))
    kubo.run("repo", "gc")
    assert len(store.missing(block.cid for block in blocks)) == len(blocks)
    assert list(store.get_dag(root.cid)) == []


def test_an_incomplete_dag_is_not_called_pinned_and_gives_gc_free(kubo: KuboNode) -> None:
    client, patient = KuboClient(HttpClient(kubo.url, timeouts=scaled(Timeouts(), 20))), KuboClient(HttpClient(kubo.url))
    for seed in range(120, 125):
        leaves = make_leaves(3, seed=seed)
        root = make_node(leaves)
        with pytest.raises(UnavailableError, match=r"did not pin|in time"):
            client.import_blocks(leaves[1:], root, pin_wait=0.1)
        assert not patient.is_pinned(root.cid)
        kubo.run("repo", "gc")
    client.close()
    patient.close()


def test_a_block_that_lies_ends_the_import(client: KuboClient) -> None:
    leaf = make_leaves(1, seed=13)[0]
    with pytest.raises(BlockMismatchError):
        KuboBlockstore(client).put(leaf.cid, b"other")
    assert not client.has_block(leaf.cid)
    with pytest.raises(UnavailableError):
        client.import_blocks([Block(leaf.cid, b"other")])  # the node checks as well


def test_one_pin_moves_from_one_snapshot_to_the_next(client: KuboClient, kubo: KuboNode) -> None:
    store = KuboBlockstore(client)
    name = "dcat:k51test"
    archives = [make_dag(make_leaves(40, seed=seed)) for seed in (21, 22, 23)]
    snapshots = [make_node([root for root, _ in archives[: number + 1]]) for number in range(3)]
    for number, snapshot in enumerate(snapshots):
        store.put_pinned(name, snapshot, lambda number=number: archives[number][1])  # type: ignore[misc]
        assert client.find_pins(name) == [str(snapshot.cid)]
        store.put_pinned(name, snapshot, list)  # again is nothing new
        assert client.find_pins(name) == [str(snapshot.cid)]
    kubo.run("repo", "gc")
    assert store.missing(block.cid for _, blocks in archives for block in blocks) == []
    store.put_pinned(name, snapshots[0], list)  # two releases were removed
    kubo.run("repo", "gc")
    assert store.missing(block.cid for block in archives[0][1]) == []
    assert len(store.missing(block.cid for block in archives[2][1])) == len(archives[2][1])
    for root in client.find_pins(name):
        client.remove_pin(root)
    assert client.find_pins(name) == []


def test_what_gc_took_between_import_and_pin_goes_in_again(
    client: KuboClient, kubo: KuboNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = KuboBlockstore(client)
    name = "dcat:k51gc"
    first, (archive, blocks) = make_node(make_leaves(2, seed=31)), make_dag(make_leaves(5, seed=32))
    store.put_pinned(name, first, lambda: make_leaves(2, seed=31))
    second = make_node([first, archive])
    update = client.update_pin

    def update_after_gc(old: str, new: Cid) -> None:
        kubo.run("repo", "gc")
        update(old, new, timeout=1)

    monkeypatch.setattr(client, "update_pin", update_after_gc)
    store.put_pinned(name, second, lambda: blocks)
    assert client.find_pins(name) == [str(second.cid)]
    for root in client.find_pins(name):
        client.remove_pin(root)


def test_absent_blocks(client: KuboClient) -> None:
    absent = cid_of(b"absent everywhere")
    with pytest.raises(BlockNotFoundError):
        KuboBlockstore(client).get(absent)
    with pytest.raises(SourceTimeoutError):
        client.get_block(absent, offline=False, timeout=0.3)


def test_blocks_come_from_the_other_node(kubo_nodes: Nodes) -> None:
    root, blocks = make_dag(make_leaves(300, seed=41), width=100)
    KuboBlockstore(KuboClient(HttpClient(kubo_nodes[0].url))).put_dag(root, blocks)
    local = MemoryBlockstore()
    other = KuboClient(HttpClient(kubo_nodes[1].url))
    assert len(KuboBlockstore(other).missing([block.cid for block in blocks])) == len(blocks)
    fetched = FetchingBlockstore(local, [KuboBlockstore(other, offline=False)]).fetch_dag([root.cid])
    assert fetched.blocks == len(blocks)
    assert set(local.cids()) == {block.cid for block in blocks}
    other.close()


def test_nobody_has_it(kubo_nodes: Nodes) -> None:
    timeouts = scaled(Timeouts(), 20)
    client = KuboClient(HttpClient(kubo_nodes[1].url, timeouts=timeouts))
    store = FetchingBlockstore(MemoryBlockstore(), [KuboBlockstore(client, offline=False)], timeouts=timeouts)
    with pytest.raises(UnavailableError, match="no source has") as caught:
        store.fetch_dag([cid_of(b"nobody has it", 0x70)])
    assert "in time" in caught.value.why
    client.close()


@pytest.mark.parametrize("cid_version", ["0", "1"])
def test_the_gateway_is_a_source(kubo: KuboNode, cid_version: str) -> None:
    """What plain ``ipfs add`` made, by the node's own gateway."""
    content = random.Random(51).randbytes(1_280_000)
    root = kubo.run("add", "-Q", f"--cid-version={cid_version}", data=content + cid_version.encode()).decode().strip()
    local = MemoryBlockstore()
    client, hasty = HttpClient(kubo.gateway), HttpClient(kubo.gateway, timeouts=scaled(Timeouts(), 10))
    source = HttpBlockSource(client)
    cid = parse_cid(root)
    assert cid.version == int(cid_version)
    fetched = FetchingBlockstore(local, [source]).fetch_dag([cid])
    assert fetched.blocks == 6
    assert not source.batch > 16
    with pytest.raises(UnavailableError):
        HttpBlockSource(hasty).get(cid_of(b"absent at the gateway"))
    client.close()
    hasty.close()


def test_the_gateway_on_localhost_redirects_to_subdomains(kubo: KuboNode) -> None:
    """Kubo gives each CID and name an origin of its own there: http://<cid>.ipfs.localhost:8080."""
    content = random.Random(52).randbytes(600_000)
    cid = parse_cid(kubo.run("add", "-Q", "--cid-version=1", data=content).decode().strip())
    asked = set()

    def noted(host: str, port: int) -> list[Address]:
        asked.add(host)
        return look_up(host, port)

    url = kubo.gateway.replace("127.0.0.1", "localhost")
    client = HttpClient(url, look_up_host=noted)
    fetched = FetchingBlockstore(MemoryBlockstore(), [HttpBlockSource(client)]).fetch_dag([cid])
    assert fetched.blocks == 4
    assert asked == {"localhost", *(host for host in asked if host.endswith(".ipfs.localhost"))}
    assert f"{cid}.ipfs.localhost" in asked
    client.close()


def test_a_record_goes_from_one_node_to_the_other(kubo_nodes: Nodes) -> None:
    key = create_key()
    record = create_record(key, b"/ipfs/bafkqaaa", sequence=5, validity=VALIDITY)
    nodes = [KuboClient(HttpClient(node.url)) for node in kubo_nodes]
    routings = [KuboRouting(node, timeout=20) for node in nodes]
    assert routings[1].get(key.name) is None
    routings[0].put(key.name, record.encoded)
    assert routings[0].get(key.name) == record.encoded
    assert routings[1].get(key.name) == record.encoded
    routings[0].put(key.name, record.encoded)  # the same again
    older = create_record(key, b"/ipfs/bafkqaaa", sequence=4, validity=VALIDITY)
    routings[0].put(key.name, older.encoded)  # it keeps the better one, and nothing is said
    assert routings[0].get(key.name) == record.encoded
    gateway = HttpClient(kubo_nodes[0].gateway)
    assert HttpRouting(gateway).get(key.name) == record.encoded
    assert HttpRouting(gateway).get(create_key().name) is None
    for client in nodes:
        client.close()
    gateway.close()


def test_a_slow_network_that_brings_something_is_asked_again(kubo_nodes: Nodes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of the blocks come in time: they are kept, and the rest is asked for once more, and not given up."""
    root, blocks = make_dag(make_leaves(40, seed=61), width=100)
    here, there = KuboClient(HttpClient(kubo_nodes[1].url)), KuboBlockstore(KuboClient(HttpClient(kubo_nodes[0].url)))
    there.put_dag(root, blocks)
    gather, calls = here.gather_blocks, []

    def gather_half(cids: Sequence[Cid]) -> Iterator[Block]:
        calls.append(len(cids))
        if len(calls) == 2:
            list(gather(cids[: len(cids) // 2 + 1]))
            raise SourceTimeoutError("the network is slow")
        yield from gather(cids)

    monkeypatch.setattr(here, "gather_blocks", gather_half)
    fetched = FetchingBlockstore(MemoryBlockstore(), [KuboBlockstore(here, offline=False)]).fetch_dag([root.cid])
    assert fetched.blocks == len(blocks)
    assert len(calls) > 2
    here.close()


def test_a_node_behind_its_unix_socket(tmp_path: Path) -> None:
    path = Path(tempfile.mkdtemp(prefix="dcat-socket-")) / "api.sock"  # short: a socket's path has 107 bytes at most
    processes: list[subprocess.Popen[bytes]] = []
    try:
        node = start_kubo(find_kubo(), tmp_path / "node", processes, Addresses={"API": ["/ip4/127.0.0.1/tcp/0", f"/unix{path}"]})
        assert find_rpc(node.repository) == node.url
        client = KuboClient(HttpClient(f"unix://{path}"))
        root, blocks = make_dag(make_leaves(50, seed=61))
        KuboBlockstore(client).put_dag(root, blocks)
        assert {block.cid for block in KuboBlockstore(client).get_dag(root.cid)} == {block.cid for block in blocks}
        assert KuboClient(HttpClient(node.url)).is_pinned(root.cid)
        client.close()
    finally:
        for process in processes:
            stop_kubo(process)
        shutil.rmtree(path.parent)


def test_a_moved_pin_announces_what_is_new(tmp_path: Path) -> None:
    """From 0.41 on a node announces the root of a pin only, unless it is asked for all: leaves would be found by nobody."""
    processes: list[subprocess.Popen[bytes]] = []
    try:
        node = start_kubo(find_kubo(), tmp_path / "node", processes, Provide={"Strategy": "pinned"})
        client = KuboClient(HttpClient(node.url))
        store = KuboBlockstore(client)
        first, second = make_leaves(3, seed=71), make_leaves(3, seed=72)
        before = make_node(first)
        store.put_pinned("dcat:k51provide", before, lambda: first)
        store.put_pinned("dcat:k51provide", make_node([before, *second]), lambda: second)
        client.close()
        wait_until(lambda: int(re.findall(rb"CIDs scheduled: +(\d+)", node.run("provide", "stat"))[0]) >= 8)
    finally:
        for process in processes:
            stop_kubo(process)
