"""Garbage is collected while a publish, a pull or a sync counts on it: nothing that is kept ever goes (docs/safety.md D8)."""

import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.fakes.served_home import served_home
from tests.faults.conftest import in_memory
from tests.faults.forking import Ended, Forks
from tests.faults.invariants import check_home


@pytest.fixture(scope="module")
def second() -> Iterator[Forks]:
    with Forks() as started:
        yield started


@pytest.mark.parametrize("rounds", [4, pytest.param(500, marks=pytest.mark.long)])
def test_collecting_beside_others(forks: Forks, second: Forks, images: dict[str, str], rounds: int) -> None:
    """Each round makes garbage of an image's blocks, then two commands start at once: one deletes them, one wants them."""
    chance = random.Random(rounds)
    waited = 0
    with in_memory() as folder, ThreadPoolExecutor(1) as pool:
        home, theirs = folder / "home", folder / "theirs"
        acknowledged: dict[str, str] = {}
        for version in ("1.0", "1.1"):
            assert forks.run("publish", "web", version, "--from", images[version], home=theirs).code == 0
        with served_home(theirs) as url:
            assert forks.run("subscribe", "bob", url, home=home).code == 0
            for number in range(rounds):
                assert forks.run("publish", "old", str(number), "--from", images["old"], home=home).code == 0
                for reference in [f"old@{number}", *(["new@" + str(number - 1)] if f"new@{number - 1}" in acknowledged else [])]:
                    assert forks.run("remove", reference, home=home).code == 0
                    acknowledged.pop(reference, None)
                forks.run("unpin", "bob/web@1.1", home=home)
                pulled = number % 2 == 1
                wanted = (
                    ["pull", "--no-load", "bob/web@1.1"]
                    if pulled
                    else ["publish", "-q", "new", str(number), "--from", images["old"]]
                )
                collected = pool.submit(_collect, second, home, chance.uniform(0, 0.15))
                ended = forks.run(*wanted, home=home)
                assert ended.code == 0, ended
                assert collected.result().code in {0, 12}, collected.result()
                waited += collected.result().code == 12
                if not pulled:
                    acknowledged[f"new@{number}"] = ended.out.strip()
                check_home(home, acknowledged)
                assert forks.run("verify", home=home).code == 0
                if pulled:
                    offline = {"DCAT_OFFLINE": "1"}
                    assert forks.run("save", "bob/web@1.1", "-o", "/dev/null", home=home, variables=offline).code == 0
    print(f"{rounds} rounds, in {waited} of them the collection gave way")


def _collect(forks: Forks, home: Path, pause: float) -> Ended:
    time.sleep(pause)
    return forks.run("gc", "--yes", home=home)
