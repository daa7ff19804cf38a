"""One publishes through a Kubo node, another follows through a second one: IPFS and nothing else between them."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from catalog.ipns.name import parse_ipns_name
from catalog.ipns.record import check_record
from tests.cli.conftest import Ran, run_process
from tests.compat.kubo import KuboNode, find_kubo, start_kubo, stop_kubo
from tests.factory.exports import write_image
from tests.fakes.cluster_proxy import cluster_proxy
from tests.fakes.served_home import served_home

Nodes = tuple[KuboNode, KuboNode]
Dcat = Callable[..., Ran]


def person(tmp_path: Path, name: str, node: KuboNode | None) -> Dcat:
    """Return the dcat of one person: a process, a home, settings and a node of their own."""
    settings = tmp_path / f"{name}.toml"

    def run(*arguments: str) -> Ran:
        return run_process(
            arguments,
            DCAT_HOME=str(tmp_path / name),
            DCAT_CONFIG=str(settings),
            DOCKER_HOST=f"unix://{tmp_path}/no-engine.sock",
        )

    if node is not None:
        ok(run("config", "set", "kubo", node.url, "--yes"))
    return run


def ok(ran: Ran) -> str:
    assert ran.code == 0, ran
    return ran.out


def name_of(dcat: Dcat) -> str:
    return str(json.loads(ok(dcat("key", "show", "--json")))["catalogue"])


def test_by_ipfs_alone(kubo_nodes: Nodes, tmp_path: Path) -> None:
    node_a, node_b = kubo_nodes
    bob, ann = person(tmp_path, "bob", node_a), person(tmp_path, "ann", node_b)
    published = bob("publish", "web", "1.0", "--from", write_image(tmp_path / "one.tar"), "--json")
    document = json.loads(ok(published))
    assert document["shared"]["targets"] == ["kubo"], published
    name = name_of(bob)
    assert "Subscribed as bob" in ok(ann("subscribe", "bob", name))
    cid = ok(bob("resolve", "web@1.0")).strip()
    assert ok(ann("resolve", "bob/web@1.0")).strip() == cid
    ok(ann("pull", "bob/web@1.0", "--no-load"))
    target = tmp_path / "out.tar.zst"
    ok(ann("save", "bob/web@1.0", "-o", str(target)))

    # Without dcat: names, index and archives are plain IPNS and UnixFS.
    lines = node_b.run("cat", f"/ipns/{name}/releases.ndjson").decode().splitlines()
    assert [json.loads(line)["name"] for line in lines] == ["web"]
    path = f"/ipns/{name}/images/web/1.0.linux-amd64.tar.zst"
    assert node_b.run("cat", path) == target.read_bytes()
    assert node_b.run("resolve", path).decode().strip() == f"/ipfs/{cid}"

    # An upgrade: the next version comes by a sync.
    ok(bob("publish", "web", "1.1", "--from", write_image(tmp_path / "two.tar", "2")))
    assert "bob/web@1.1" in ok(ann("sync"))
    ok(ann("pull", "bob/web@1.1", "--no-load"))


def test_the_pin_keeps_what_is_released_and_frees_what_is_not(kubo: KuboNode, tmp_path: Path) -> None:
    bob = person(tmp_path, "bob", kubo)
    ok(bob("publish", "keep", "1", "--from", write_image(tmp_path / "one.tar")))
    ok(bob("publish", "drop", "1", "--from", write_image(tmp_path / "two.tar", "in no other test")))
    kept, dropped = (ok(bob("resolve", reference)).strip() for reference in ("keep@1", "drop@1"))
    kubo.run("repo", "gc")
    for cid in (kept, dropped):
        kubo.run("block", "stat", "--offline", cid)
    ok(bob("remove", "drop@1"))
    kubo.run("repo", "gc")
    kubo.run("block", "stat", "--offline", kept)
    with pytest.raises(AssertionError):
        kubo.run("block", "stat", "--offline", dropped)
    pins = kubo.run("pin", "ls", "--names", "--type", "recursive").decode()
    assert pins.count(name_of(bob)) == 1


def test_a_node_that_is_down_leaves_the_share_pending(kubo: KuboNode, tmp_path: Path) -> None:
    bob = person(tmp_path, "bob", None)
    ok(bob("config", "set", "kubo", "http://127.0.0.1:9", "--yes"))
    ran = bob("publish", "web", "1.0", "--from", write_image(tmp_path / "one.tar"))
    assert ran.code == 0
    assert "Not shared yet. Next: dcat sync" in ran.err
    ok(bob("config", "set", "kubo", kubo.url, "--yes"))
    assert "mine: shared (kubo)" in ok(bob("sync"))
    kubo.run("block", "stat", "--offline", ok(bob("resolve", "web@1.0")).strip())


def test_nothing_is_shared_through_a_node_before_that_was_confirmed(kubo: KuboNode, tmp_path: Path) -> None:
    """Safety A16."""
    bob = person(tmp_path, "bob", None)
    ok(bob("config", "set", "kubo", kubo.url))
    ran = bob("publish", "web", "1.0", "--from", write_image(tmp_path / "one.tar", "unconfirmed"))
    assert ran.code == 0
    assert "was not confirmed" in ran.err
    with pytest.raises(AssertionError):
        kubo.run("block", "stat", "--offline", ok(bob("resolve", "web@1.0")).strip())


def test_a_follower_keeps_the_name_alive(kubo_nodes: Nodes, tmp_path: Path) -> None:
    node_a, node_b = kubo_nodes
    bob, ann = person(tmp_path, "bob", node_a), person(tmp_path, "ann", node_b)
    ok(bob("publish", "web", "1.0", "--from", write_image(tmp_path / "one.tar")))
    name = name_of(bob)
    ok(ann("subscribe", "bob", name))
    ok(ann("sync"))
    record = node_b.run("name", "get", name)
    assert check_record(parse_ipns_name(name), record).sequence == 1


def test_the_key_never_goes_to_the_node(kubo: KuboNode, tmp_path: Path) -> None:
    bob = person(tmp_path, "bob", kubo)
    ok(bob("publish", "web", "1.0", "--from", write_image(tmp_path / "one.tar")))
    assert name_of(bob) not in kubo.run("key", "list", "-l", "--ipns-base", "base36").decode()
    seed = (tmp_path / "bob" / "key").read_bytes()[4:36]
    found = subprocess.run(
        ["grep", "-rlF", "--binary-files=text", seed.hex(), str(kubo.repository)], capture_output=True, check=False
    )
    assert found.stdout == b""


def test_a_name_outlives_its_owners_absence(kubo_nodes: Nodes, tmp_path: Path) -> None:
    """The owner's node stops: the follower resolves, syncs, and serves a third home by its own node and by HTTP."""
    node_b = kubo_nodes[1]
    processes: list[subprocess.Popen[bytes]] = []
    node = start_kubo(find_kubo(), tmp_path / "node", processes)
    try:
        node.connect(node_b)
        bob, ann, carol = person(tmp_path, "bob", node), person(tmp_path, "ann", node_b), person(tmp_path, "carol", None)
        ok(bob("publish", "web", "1.0", "--from", write_image(tmp_path / "one.tar", "of an owner who leaves")))
        name = name_of(bob)
        ok(ann("subscribe", "bob", name))
        ok(ann("pull", "bob/web@1.0", "--no-load"))
    finally:
        for process in processes:
            stop_kubo(process)
    cid = ok(ann("resolve", "bob/web@1.0"))
    assert "nothing new" in ok(ann("sync"))
    with served_home(tmp_path / "ann") as url:
        assert "Subscribed as bob" in ok(carol("subscribe", "bob", name, "--via", url))
        ok(carol("pull", "bob/web@1.0", "--no-load"))
    assert ok(carol("resolve", "bob/web@1.0")) == cid


def test_nothing_is_shared_through_the_proxy_of_a_cluster(kubo: KuboNode, tmp_path: Path) -> None:
    """A cluster says of pins what its node does not do, and what relied on them was lost; reading through it goes on."""
    bob, ann = person(tmp_path, "bob", kubo), person(tmp_path, "ann", None)
    image = write_image(tmp_path / "one.tar", "beside a cluster")
    ok(bob("publish", "web", "1.0", "--from", image))
    with cluster_proxy(kubo.url) as url:
        ok(ann("config", "set", "kubo", url, "--yes"))
        ok(ann("subscribe", "bob", name_of(bob)))
        ok(ann("pull", "bob/web@1.0", "--no-load"))
        ran = ann("publish", "own", "1.0", "--from", image)
        assert ran.code == 0
        assert "proxy of an IPFS Cluster" in ran.err
        assert "Not shared yet" in ran.err
        document = json.loads(ok(ann("verify", "--json")))
        assert (document["moved"], document["damage"]) == (0, [])
        diagnosis = ann("doctor", "--network", "--json")
        assert "proxy of an IPFS Cluster" in diagnosis.out
        assert diagnosis.code == 31


def test_status_and_doctor_know_what_the_node_has(kubo: KuboNode, tmp_path: Path) -> None:
    bob = person(tmp_path, "bob", kubo)

    def state() -> str:
        (own,) = json.loads(ok(bob("status", "--json")))["catalogues"]
        return str(own["state"])

    def diagnosis() -> list[tuple[str, str]]:
        checks = json.loads(bob("doctor", "--network", "--json").out)["checks"]
        return [(check["state"], check["text"]) for check in checks if check["subject"] == "kubo"]

    ok(bob("publish", "web", "1.0", "--from", write_image(tmp_path / "one.tar", "known to status"), "--offline"))
    assert state() == "1 change not shared yet"
    (found,) = diagnosis()
    assert found[0] == "ok"
    assert "nothing was shared" in found[1]
    ok(bob("sync"))
    assert state() == "shared (kubo)"
    ok(bob("publish", "web", "1.1", "--from", write_image(tmp_path / "two.tar", "known to status 2"), "--offline"))
    ok(bob("publish", "web", "1.2", "--from", write_image(tmp_path / "two.tar", "known to status 3"), "--offline"))
    assert state() == "2 changes not shared yet"
    ok(bob("sync"))
    assert state() == "shared (kubo)"
    (found,) = diagnosis()
    assert found[0] == "ok"
    assert "Kubo 0." in found[1]
    assert "it pins your catalogue" in found[1]
    pins = kubo.run("pin", "ls", "--names", "--type", "recursive").decode().splitlines()
    kubo.run("pin", "rm", next(line.split()[0] for line in pins if name_of(bob) in line))
    (found,) = diagnosis()
    assert found[0] == "failed"
    assert "does not pin" in found[1]
    assert "mine: shared (kubo)" in ok(bob("sync"))
    assert diagnosis()[0][0] == "ok"


def test_doctor_names_the_third_parties_of_a_node(tmp_path: Path) -> None:
    """A node in its own settings asks hosts of others; dcat says so before anything is shared through it."""
    processes: list[subprocess.Popen[bytes]] = []
    routing = {"DelegatedRouters": ["http://router.invalid/routing/v1"]}  # a name that nobody has: nothing leaves this machine
    node = start_kubo(find_kubo(), tmp_path / "node", processes, Routing=routing)
    try:
        bob = person(tmp_path, "bob", node)
        assert "router.invalid (delegated routing)" in bob("doctor", "--network").out
    finally:
        for process in processes:
            stop_kubo(process)
