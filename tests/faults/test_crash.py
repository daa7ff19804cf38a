"""kill -9 at every crash point of the commands that write, through the command line (docs/safety.md D1).

After each: every file is sound, what was acknowledged before is there, nothing is there by half, and the same command goes through.
"""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fakes.served_home import served_home
from tests.faults.forking import Forks
from tests.faults.invariants import check_files, check_home
from tests.hosting.reading import read_folder

MOST_POINTS = 400


def publish(forks: Forks, home: Path, images: dict[str, str], *versions: str) -> dict[str, str]:
    """Publish; return what is promised from now on."""
    acknowledged = {}
    for version in versions:
        done = forks.run("publish", "-q", "web", version, "--from", images[version], home=home)
        assert done.code == 0, done
        acknowledged[f"web@{version}"] = done.out.strip()
    return acknowledged


def crash_everywhere(
    forks: Forks,
    start: Path,
    command: list[str],
    acknowledged: dict[str, str],
    check: Callable[[Path], object],
    every: int = 1,
) -> int:
    """Kill the command at each of its points, or ``every`` n-th, each time in a copy of the home; return how many were tried."""
    for point in range(1, MOST_POINTS, every):
        home = start.with_name(f"{start.name}-{point}")
        if start.exists():
            shutil.copytree(start, home)
        if (settings := start.with_name(f"{start.name}.toml")).exists():
            shutil.copy(settings, home.with_name(f"{home.name}.toml"))
        ended = forks.run(*command, home=home, crash_at=point)
        assert ended.code in {0, 137}, ended
        check_files(home)
        check_home(home, acknowledged)
        again = forks.run(*command, home=home)
        assert again.code == 0, (point, again)
        check(home)
        shutil.rmtree(home)
        if ended.code == 0:
            return point // every
    pytest.fail(f"{command} has more than {MOST_POINTS} crash points")


def test_first_publish(forks: Forks, images: dict[str, str], folder: Path) -> None:
    command = ["publish", "web", "1.0", "--from", images["1.0"]]
    points = crash_everywhere(forks, folder / "home", command, {}, lambda home: holds(home, "web@1.0"))
    assert points >= 30


def test_second_publish(forks: Forks, images: dict[str, str], folder: Path) -> None:
    acknowledged = publish(forks, folder / "home", images, "1.0")
    command = ["publish", "web", "1.1", "--from", images["1.1"]]
    points = crash_everywhere(forks, folder / "home", command, acknowledged, lambda home: holds(home, "web@1.0", "web@1.1"))
    assert points >= 20


def test_yank_remove_and_gc(forks: Forks, images: dict[str, str], folder: Path) -> None:
    home = folder / "home"
    acknowledged = publish(forks, home, images, "1.0")
    publish(forks, home, images, "old")

    def check(copy: Path) -> None:
        check_home(copy, acknowledged)

    assert crash_everywhere(forks, home, ["yank", "web@1.0", "--reason", "bad"], acknowledged, check, every=5) >= 2
    assert crash_everywhere(forks, home, ["remove", "web@old"], acknowledged, check, every=5) >= 2
    assert forks.run("remove", "web@old", home=home).code == 0
    assert crash_everywhere(forks, home, ["gc", "--yes"], acknowledged, check) >= 6


def test_repair(forks: Forks, images: dict[str, str], folder: Path) -> None:
    home = folder / "home"
    acknowledged = publish(forks, home, images, "1.0", "1.1")
    rot_everything(home)

    for point in range(1, MOST_POINTS, 3):
        copy = folder / f"copy-{point}"
        shutil.copytree(home, copy)
        ended = forks.run("verify", "--from", images["1.0"], home=copy, crash_at=point)
        check_files(copy)
        assert forks.run("verify", "--from", images["1.0"], home=copy).code in {0, 20}
        assert forks.run("verify", "--from", images["1.1"], home=copy).code == 0
        check_home(copy, acknowledged)
        if ended.code != 137:
            break
    assert point > 4


def test_save(forks: Forks, images: dict[str, str], folder: Path) -> None:
    home = folder / "home"
    acknowledged = publish(forks, home, images, "1.0")
    output = folder / "image.tar.zst"
    command = ["save", "web@1.0", "-o", str(output)]
    assert forks.run(*command, home=home).code == 0
    whole = output.read_bytes()
    assert crash_everywhere(forks, home, command, acknowledged, lambda _: assert_equal(output.read_bytes(), whole)) >= 4


@pytest.mark.parametrize("every", [9, pytest.param(1, marks=pytest.mark.long)])
def test_following(forks: Forks, images: dict[str, str], folder: Path, every: int) -> None:
    """A subscribe, a sync that brings a change, and a pull, from a teammate's server."""
    theirs, mine = folder / "theirs", folder / "mine"
    publish(forks, theirs, images, "1.0")
    published = publish(forks, mine, images, "old")
    with served_home(theirs) as url:
        subscribe = ["subscribe", "bob", url]
        assert crash_everywhere(forks, mine, subscribe, published, lambda home: shows(forks, home, "bob/web@1.0"), every) >= 1
        assert forks.run(*subscribe, home=mine).code == 0
        publish(forks, theirs, images, "1.1")
        assert crash_everywhere(forks, mine, ["sync"], published, lambda home: shows(forks, home, "bob/web@1.1"), every) >= 1
        assert forks.run("sync", home=mine).code == 0
        pull = ["pull", "--no-load", "bob/web@1.1"]

        def is_held(home: Path) -> None:
            assert forks.run("save", "bob/web@1.1", "-o", "/dev/null", home=home, variables={"DCAT_OFFLINE": "1"}).code == 0

        assert crash_everywhere(forks, mine, pull, published, is_held, every) >= 1


def holds(home: Path, *references: str) -> None:
    assert check_home(home, {}) == set(references)


def shows(forks: Forks, home: Path, reference: str) -> None:
    ended = forks.run("resolve", reference, home=home)
    assert ended.code == 0, ended


def assert_equal(found: bytes, expected: bytes) -> None:
    assert found == expected


def rot_everything(home: Path) -> None:
    """Damage the first byte of every stored block."""
    import sqlite3

    connection = sqlite3.connect(home / "blocks.sqlite")
    with connection:
        connection.execute("UPDATE payloads SET data = CAST(x'ff' || substr(data, 2) AS BLOB)")
    connection.close()


def test_a_record_that_a_crash_left_behind_is_brought_up_before_anything_is_deleted(
    forks: Forks, images: dict[str, str], folder: Path
) -> None:
    """Between the floor and the file that others are given."""
    home = folder / "home"
    publish(forks, home, images, "1.0")
    for point in range(1, MOST_POINTS, 4):
        copy = folder / f"copy-{point}"
        shutil.copytree(home, copy)
        code = forks.run("publish", "web", "1.1", "--from", images["1.1"], home=copy, crash_at=point).code
        assert forks.run("gc", "--yes", home=copy).code == 0
        check_home(copy, {})
        shutil.rmtree(copy)
        if code == 0:
            break


def test_export_static(forks: Forks, images: dict[str, str], folder: Path) -> None:
    """At each point a reader of the folder finds the old catalogue whole, or the new one."""
    home, site = folder / "home", folder / "site"
    acknowledged = publish(forks, home, images, "1.0")
    command = ["export", "--static", str(site)]
    assert forks.run(*command, home=home).code == 0
    acknowledged |= publish(forks, home, images, "1.1")
    start = folder / "start"
    shutil.copytree(site, start)
    for point in range(1, MOST_POINTS, 7):
        shutil.rmtree(site)
        shutil.copytree(start, site)
        ended = forks.run(*command, "--prune", home=home, crash_at=point)
        assert ended.code in {0, 137}, ended
        assert read_folder(site) in ({"web@1.0"}, {"web@1.0", "web@1.1"})
        assert forks.run(*command, home=home).code == 0
        assert read_folder(site) == {"web@1.0", "web@1.1"}
        assert not (site / ".dcat").exists()
        if ended.code == 0:
            break
    assert point > 20
    check_home(home, acknowledged)
