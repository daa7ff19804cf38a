"""Commands that are killed or interrupted at any moment: nothing acknowledged is lost (docs/safety.md D1)."""

import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.factory.exports import docker_25
from tests.factory.images import make_image
from tests.factory.tars import make_layer, make_tar
from tests.faults.forking import Ended, Forks
from tests.faults.invariants import check_files, check_home
from tests.needs import ROOT


@pytest.mark.parametrize("kills", [25, pytest.param(1000, marks=pytest.mark.long)])
def test_random_kills(forks: Forks, images: dict[str, str], folder: Path, kills: int) -> None:
    """One home lives through all of it: publishes, yanks, removals, collections and syncs, most of which die."""
    chance = random.Random(kills)
    home = folder / "home"
    acknowledged: dict[str, str] = {}
    attempted: set[str] = set()
    removed: set[str] = set()
    died, published, limit = 0, 0, 0.4
    for number in itertools.count():
        if number >= kills and published and died > number // 10:
            break
        reference = f"app{number % 7}@{number}"
        command = chance.choice(
            [
                ["publish", "-q", *reference.split("@"), "--from", images[chance.choice(["1.0", "1.1", "old"])]],
                ["publish", "-q", *reference.split("@"), "--from", images[chance.choice(["1.0", "1.1", "old"])]],
                ["yank", chance.choice(sorted(acknowledged) or ["none@1"]), "--reason", "bad"],
                ["remove", chance.choice(sorted(acknowledged) or ["none@1"])],
                ["gc", "--yes"],
                ["sync"],
            ]
        )
        if command[0] == "remove":
            acknowledged.pop(command[1], None)  # from now on it may be there or not
            removed.add(command[1])
        if command[0] == "publish":
            attempted.add(reference)
        ended = forks.run(*command, home=home, kill_after=chance.uniform(0, limit))
        assert ended.code in {0, 137, 10}, (command, ended)
        died += ended.code == 137
        limit *= 1.2 if ended.code == 137 else 0.9  # so that about half of them die, however busy the machine is
        if command[0] == "publish" and ended.code == 0:
            acknowledged[reference] = ended.out.strip()
            published += 1
        if home.exists() and number % 10 == 0:
            copy = folder / "copy"
            shutil.copytree(home, copy)
            check_files(copy)
            shutil.rmtree(copy)
            assert check_home(home, acknowledged) <= attempted | removed
    assert check_home(home, acknowledged) <= attempted | removed
    assert forks.run("verify", home=home).code == 0
    print(f"{died} of {number} commands were killed, {published} publishes acknowledged, none lost")


@pytest.fixture(scope="module")
def large_image(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return an image that takes about a second to publish."""
    layers = [
        make_layer({f"{layer}/{number}": random.Random(number).randbytes(900_000) for number in range(layer * 10, layer * 10 + 10)})
        for layer in range(3)
    ]
    path = tmp_path_factory.mktemp("large") / "large.tar"
    path.write_bytes(make_tar(docker_25(make_image(layers))))
    return str(path)


def interrupt(forks: Forks, home: Path, *command: str, runs: int) -> list[Ended]:
    """Press Ctrl-C at moments all over a command's time, each time going on in the same home; return how it ended.

    Where the command took longer than ever after, so that none was interrupted, it begins anew with earlier moments.
    """
    whole, begin = home.with_name("whole"), home.with_name("begin")
    for place in (whole, begin):
        shutil.copytree(home, place) if home.exists() else None
    started = time.monotonic()
    assert forks.run(*command, home=whole).code == 0
    takes = time.monotonic() - started
    while True:
        moments = [takes * number / runs for number in range(1, runs)]
        ended = [forks.run(*command, home=home, kill_after=moment, end_by=signal.SIGINT) for moment in moments]
        if any(one.code == 130 for one in ended) or takes < 0.01:
            return ended
        takes /= 3
        shutil.rmtree(home)
        shutil.copytree(begin, home) if begin.exists() else None


def check_interrupted(ended: list[Ended]) -> None:
    for one in ended:
        assert one.code in {0, 130}, one
        assert "Traceback" not in one.err, one
        assert one.code == 0 or "run the same command again" in one.err, one
    assert any(one.code == 130 for one in ended)


@contextmanager
def serving(home: Path) -> Iterator[str]:
    """Serve a home by a process of its own, which does not mind clients that vanish; yield the URL."""
    command = [sys.executable, "-m", "cli.main", "--json", "serve", "--port", "0"]
    environment = {**os.environ, "DCAT_HOME": str(home), "DCAT_CONFIG": str(home.with_name("served.toml"))}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=ROOT, env=environment) as process:
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())["url"]
        finally:
            process.kill()


def test_ctrl_c_in_a_publish(forks: Forks, large_image: str, folder: Path) -> None:
    home = folder / "home"
    command = ["publish", "large", "1.0", "--from", large_image]
    ended = interrupt(forks, home, *command, runs=6)
    check_interrupted(ended)
    check_home(home, {})
    assert forks.run(*command, home=home).code == 0
    assert check_home(home, {}) == {"large@1.0"}
    assert forks.run("gc", "--yes", home=home).code == 0  # no lease is left behind


def test_ctrl_c_in_a_pull(forks: Forks, large_image: str, folder: Path) -> None:
    theirs, home = folder / "theirs", folder / "home"
    assert forks.run("publish", "large", "1.0", "--from", large_image, home=theirs).code == 0
    with serving(theirs) as url:
        assert forks.run("subscribe", "bob", url, home=home).code == 0
        command = ["pull", "--no-load", "bob/large@1.0"]
        shutil.copy(home.with_name("home.toml"), home.with_name("whole.toml"))
        ended = interrupt(forks, home, *command, runs=6)
        check_interrupted(ended)
        assert forks.run("verify", home=home).code == 0
        assert forks.run(*command, home=home).code == 0
    assert forks.run("save", "bob/large@1.0", "-o", "/dev/null", home=home, variables={"DCAT_OFFLINE": "1"}).code == 0
    assert forks.run("gc", "--yes", home=home).code == 0
