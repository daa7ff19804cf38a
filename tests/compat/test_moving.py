"""With a Kubo node configured, what archives consist of lives in the node and nowhere else."""

import json
import random
import sqlite3
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from catalog.clients.http import HttpClient
from catalog.clients.kubo import KuboClient
from catalog.ipld.cid import RAW, cid_from_digest
from catalog.sources.kubo import KuboBlockstore
from tests.cli.conftest import Ran, run_process
from tests.compat.kubo import KuboNode, find_kubo, run_kubo, start_kubo, stop_kubo
from tests.compat.ports import free_port
from tests.compat.test_sharing import name_of, ok, person
from tests.factory.exports import write_image, write_save
from tests.factory.images import APP, BASE, make_image, versioned_text
from tests.factory.tars import make_layer
from tests.fakes.served_home import served_home

Dcat = Callable[..., Ran]


def write_large(path: Path, version: str, stays: str = "stays") -> str:
    """Write an image of one large layer that is the same in every version, and one of text that changes a little."""
    large = make_layer({"data/stays": random.Random(stays).randbytes(3_000_000)})
    changes = make_layer({"data/changes": versioned_text(version, 800_000)})
    return write_save(path, make_image([BASE, large, changes, APP]))


def rows(home: Path, select: str) -> int:
    connection = sqlite3.connect(home / "blocks.sqlite")
    (count,) = connection.execute(select).fetchone()
    connection.close()
    return int(count or 0)


def stored(home: Path) -> int:
    """Return the bytes of the blocks that are here."""
    return rows(home, "SELECT sum(length(data)) FROM payloads")


def moved(home: Path) -> int:
    return rows(home, "SELECT count(*) FROM moved")


def test_archives_live_in_the_node_only(kubo: KuboNode, tmp_path: Path) -> None:
    bob = person(tmp_path, "bob", kubo)
    home = tmp_path / "bob"
    ok(bob("publish", "big", "1.0", "--from", write_large(tmp_path / "one.tar", "moves 1")))
    assert stored(home) < 100_000
    assert moved(home) > 4
    assert (home / "blocks.sqlite").stat().st_size < 1_000_000
    cid = ok(bob("resolve", "big@1.0")).strip()

    found = json.loads(ok(bob("verify", "--json")))
    assert (found["damage"], found["moved"], found["unasked"]) == ([], moved(home), "")
    target = tmp_path / "out.tar.zst"
    ok(bob("save", "big@1.0", "-o", str(target)))
    assert kubo.run("cat", cid) == target.read_bytes()
    ok(bob("sync"))
    assert stored(home) < 100_000  # what the save fetched is a copy, and went

    carol = person(tmp_path, "carol", None)
    with served_home(home, KuboBlockstore(KuboClient(HttpClient(kubo.url)))) as url:
        ok(carol("subscribe", "bob", name_of(bob), "--via", url))
        ok(carol("pull", "bob/big@1.0", "--no-load"))

    # The same again, and the next version: only what is new is compressed, kept and sent.
    before = moved(home)
    again = json.loads(ok(bob("publish", "big", "1.0", "--from", str(tmp_path / "one.tar"), "--json")))
    assert not again["changed"]
    upgrade = json.loads(ok(bob("publish", "big", "1.1", "--from", write_large(tmp_path / "two.tar", "moves 2"), "--json")))
    assert upgrade["shared"]["targets"] == ["kubo"], upgrade
    assert len(upgrade["shared"]["deltas"]) == 1  # its base was read from the node
    assert stored(home) < 200_000
    assert 0 < moved(home) - before < before
    ok(bob("save", "big@1.1", "-o", str(target)))
    assert kubo.run("cat", ok(bob("resolve", "big@1.1")).strip()) == target.read_bytes()

    # What the user pulled stays here, and what is let go of moves with the next sync.
    ok(bob("pull", "big@1.0", "--no-load"))
    ok(bob("sync"))
    assert stored(home) > 3_000_000
    ok(bob("unpin", "big@1.0"))
    ok(bob("sync"))
    assert stored(home) < 200_000

    # Removed: both sides give the space back.
    ok(bob("remove", "big@1.0"))
    ok(bob("remove", "big@1.1"))
    ok(bob("gc", "--yes"))
    assert moved(home) == 0
    kubo.run("repo", "gc")
    with pytest.raises(AssertionError):
        kubo.run("block", "stat", "--offline", cid)


def test_a_node_that_is_down_gets_it_later(tmp_path: Path) -> None:
    processes: list[subprocess.Popen[bytes]] = []
    address = {"API": f"/ip4/127.0.0.1/tcp/{free_port()}"}
    node = start_kubo(find_kubo(), tmp_path / "node", processes, Addresses=address)
    try:
        bob = person(tmp_path, "bob", node)
        home = tmp_path / "bob"
        ok(bob("publish", "big", "1.0", "--from", write_large(tmp_path / "one.tar", "1")))
        assert stored(home) < 100_000
        stop_kubo(processes[0])

        ran = bob("publish", "big", "1.1", "--from", write_large(tmp_path / "two.tar", "2"))
        assert ran.code == 0
        assert "Not shared yet. Next: dcat sync" in ran.err
        assert stored(home) > 3_000_000  # nothing of it counts on a node that does not answer
        shown = json.loads(ok(bob("verify", "--json")))
        assert shown["damage"] == []
        assert node.url in shown["unasked"]
        ok(bob("save", "big@1.1", "-o", str(tmp_path / "out")))
        assert bob("save", "big@1.0", "-o", str(tmp_path / "out")).code != 0

        assert run_kubo(find_kubo(), node.repository, processes).url == node.url
        assert "shared (kubo)" in ok(bob("sync"))
        assert stored(home) < 200_000
        ok(bob("save", "big@1.1", "-o", str(tmp_path / "out")))
    finally:
        for process in processes:
            stop_kubo(process)


def test_blocks_that_the_node_lost_are_damage_and_come_back(kubo: KuboNode, tmp_path: Path) -> None:
    bob = person(tmp_path, "bob", kubo)
    image = write_large(tmp_path / "one.tar", "lost")
    ok(bob("publish", "big", "1.0", "--from", image))
    connection = sqlite3.connect(tmp_path / "bob" / "blocks.sqlite")
    digests = [bytes(row[0]) for row in connection.execute("SELECT digest FROM moved ORDER BY size DESC LIMIT 2")]
    connection.close()
    pins = kubo.run("pin", "ls", "--names", "--type", "recursive").decode().splitlines()
    kubo.run("pin", "rm", next(line.split()[0] for line in pins if name_of(bob) in line))
    kubo.run("block", "rm", "--force", *(str(cid_from_digest(digest, RAW)) for digest in digests))
    shown = bob("verify")
    assert shown.code == 20, shown
    ok(bob("publish", "big", "1.0", "--from", image))
    assert json.loads(ok(bob("verify", "--json")))["damage"] == []
    ok(bob("sync"))
    kubo.run("block", "stat", "--offline", str(cid_from_digest(digests[0], RAW)))
    ok(bob("save", "big@1.0", "-o", str(tmp_path / "out")))


@pytest.mark.long
def test_killed_anywhere_nothing_is_lost(kubo: KuboNode, tmp_path: Path) -> None:
    bob = person(tmp_path, "bob", None)
    home = tmp_path / "bob"
    ok(bob("publish", "big", "1.0", "--from", write_large(tmp_path / "one.tar", "killed")))
    ok(bob("config", "set", "kubo", kubo.url, "--yes"))
    settings = {"DCAT_HOME": str(home), "DCAT_CONFIG": str(tmp_path / "bob.toml"), "DOCKER_HOST": f"unix://{tmp_path}/no.sock"}
    killed = 0
    while killed < 40:
        ran = run_process(["sync"], DCAT_CRASH_AT=str(killed + 1), **settings)
        shown = json.loads(ok(bob("verify", "--json")))
        assert (shown["damage"], shown["unasked"]) == ([], "")
        if ran.code == 0:
            break
        killed += 1
    assert killed > 3
    ok(bob("sync"))
    assert stored(home) < 100_000
    ok(bob("save", "big@1.0", "-o", str(tmp_path / "out")))


def test_a_node_that_lost_blocks_of_one_release_gets_the_rest(kubo: KuboNode, tmp_path: Path) -> None:
    """Kubo does not pin what it lacks a block of: the release is named, and everything else is shared."""
    bob = person(tmp_path, "bob", kubo)
    old = write_large(tmp_path / "old.tar", "old", "in no other test")
    ok(bob("publish", "old", "1.0", "--from", old))
    ok(bob("publish", "web", "1.0", "--from", write_image(tmp_path / "web.tar", "beside a lost one")))
    lose_blocks(kubo, tmp_path / "bob", name_of(bob))
    kept = ok(bob("resolve", "web@1.0")).strip()

    published = bob("publish", "web", "1.1", "--from", write_image(tmp_path / "two.tar", "after the loss"), "--json")
    synced = bob("sync")
    document = json.loads(ok(published))
    assert (document["shared"]["targets"], document["shared"]["pending"]) == (["kubo"], None)
    assert document["shared"]["lost"] == [{"release": "old@1.0", "blocks": 2}]
    for err in (published.err, synced.err):
        assert "lacks 2 blocks of old@1.0" in err
        assert "dcat verify --repair" in err
    assert "mine: shared (kubo)" in ok(synced)

    (own,) = json.loads(ok(bob("status", "--json")))["catalogues"]
    assert own["state"] == "shared (kubo) without blocks that were lost: dcat verify"

    # Everything else is pinned: GC frees none of it, and people follow the catalogue through the node.
    kubo.run("repo", "gc")
    new = ok(bob("resolve", "web@1.1")).strip()
    for cid in (kept, new):
        assert len(kubo.run("cat", cid)) > 1000
    lines = kubo.run("cat", f"/ipns/{name_of(bob)}/releases.ndjson").decode().splitlines()
    assert [json.loads(line)["version"] for line in lines] == ["1.0", "1.0", "1.1"]

    # What the node kept of the release stays there: only what is lost has to come back.
    assert bob("verify").code == 20
    ok(bob("verify", "--from", old))
    synced = bob("sync", "--json")
    assert json.loads(ok(synced))["shared"]["lost"] == []
    cid = ok(bob("resolve", "old@1.0")).strip()
    kubo.run("repo", "gc")
    assert len(kubo.run("cat", cid)) > 3_000_000
    pins = kubo.run("pin", "ls", "--names", "--type", "recursive").decode()
    assert pins.count(name_of(bob)) == 1
    assert json.loads(ok(bob("verify", "--json")))["damage"] == []


def lose_blocks(kubo: KuboNode, home: Path, name: str) -> None:
    """Have the node lose its pin and the two largest blocks that moved there."""
    connection = sqlite3.connect(home / "blocks.sqlite")
    digests = [bytes(row[0]) for row in connection.execute("SELECT digest FROM moved ORDER BY size DESC LIMIT 2")]
    connection.close()
    pins = kubo.run("pin", "ls", "--names", "--type", "recursive").decode().splitlines()
    kubo.run("pin", "rm", next(line.split()[0] for line in pins if name in line))
    kubo.run("block", "rm", "--force", *(str(cid_from_digest(digest, RAW)) for digest in digests))
