"""Files that were damaged: it is always noticed, and what somebody else holds comes back (docs/safety.md B11, D6)."""

import random
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.fakes.served_home import served_home
from tests.faults.conftest import in_memory
from tests.faults.forking import Ended, Forks
from tests.faults.invariants import check_home

PAGE = 4096


class Damaged:
    """A home of 16 releases, another that holds the same, and copies of the first to be damaged."""

    def __init__(self, forks: Forks, images: dict[str, str], folder: Path, url: str) -> None:
        self.forks = forks
        self.folder = folder
        self.sources = url
        self.whole = folder / "whole"
        self.acknowledged: dict[str, str] = {}
        for number in range(16):
            image = images["1.0" if number % 2 else "1.1"]
            done = forks.run("publish", "-q", f"app{number}", "1.0", "--from", image, "--title", "x" * 600, home=self.whole)
            assert done.code == 0, done
            self.acknowledged[f"app{number}@1.0"] = done.out.strip()
        self.contents = {file: dump(self.whole / file) for file in ("index.sqlite", "trust.sqlite", "blocks.sqlite")}

    def copy(self) -> Path:
        home = self.folder / "copy"
        shutil.rmtree(home, ignore_errors=True)
        shutil.copytree(self.whole, home)
        return home

    def verify(self, home: Path, *options: str, sources: str = "") -> Ended:
        variables = {"DCAT_SOURCES": sources or self.sources} if options else {}
        ended = self.forks.run("verify", *options, home=home, variables=variables)
        assert "unexpected" not in ended.err, ended
        return ended

    def is_harmless(self, home: Path, file: str) -> bool:
        """Return whether the file holds what it held: what was damaged is then no part of it (a free page, the rest of a page)."""
        return dump(home / file) == self.contents[file]

    def repair(self, home: Path) -> None:
        ended = self.verify(home, "--repair")
        assert ended.code == 0, ended
        assert self.verify(home).code == 0
        assert check_home(home, self.acknowledged) == set(self.acknowledged)


def dump(path: Path) -> list[str]:
    """Write down all that a file holds; ``content`` only saves work, and a memo that is lost harms nobody."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE blocks SET content = NULL") if path.name == "blocks.sqlite" else None
        try:
            return list(connection.iterdump())
        except (sqlite3.Error, UnicodeDecodeError) as error:
            return [str(error)]


@pytest.fixture(scope="module")
def damaged(forks: Forks, images: dict[str, str]) -> Iterator[Damaged]:
    with in_memory() as folder:
        theirs = folder / "theirs"
        for version in ("1.0", "1.1"):
            assert forks.run("publish", "web", version, "--from", images[version], home=theirs).code == 0
        with served_home(theirs) as url:
            yield Damaged(forks, images, folder, url)


@pytest.mark.parametrize("runs", [6, pytest.param(100, marks=pytest.mark.long)])
@pytest.mark.parametrize("file", ["index.sqlite", "blocks.sqlite"])
def test_a_page_overwritten(damaged: Damaged, file: str, runs: int) -> None:
    """D6: 4 KiB of noise anywhere in the index or the blocks."""
    chance = random.Random(runs)
    harmless = 0
    for _ in range(runs):
        home = damaged.copy()
        with (home / file).open("r+b") as opened:
            at = chance.randrange((home / file).stat().st_size // PAGE) * PAGE
            opened.seek(at)
            opened.write(chance.randbytes(PAGE))
        if damaged.verify(home).code == 0:
            assert damaged.is_harmless(home, file), at
            harmless += 1
        else:
            damaged.repair(home)
    print(f"{file}: {runs - harmless} pages noticed and repaired, {harmless} held nothing")
    assert harmless < runs


@pytest.mark.parametrize("rounds", [3, pytest.param(100, marks=pytest.mark.long)])
def test_bytes_changed_all_over_the_store(damaged: Damaged, rounds: int) -> None:
    """B11: ten bytes a round."""
    chance = random.Random(rounds)
    harmless = 0
    for _ in range(rounds):
        home = damaged.copy()
        path = home / "blocks.sqlite"
        changed = bytearray(path.read_bytes())
        for _ in range(10):
            changed[chance.randrange(len(changed))] ^= chance.randrange(1, 256)
        path.write_bytes(changed)
        if damaged.verify(home).code == 0:
            assert damaged.is_harmless(home, "blocks.sqlite")
            harmless += 1
        else:
            damaged.repair(home)
    print(f"{10 * rounds} bytes changed; {harmless} of {rounds} rounds changed nothing that is held")


@pytest.mark.parametrize("runs", [3, pytest.param(50, marks=pytest.mark.long)])
def test_a_damaged_trust_store_is_said_so(damaged: Damaged, runs: int) -> None:
    """It is a promise and no cache: nothing makes it again, and nothing goes on without it."""
    chance = random.Random(runs)
    for _ in range(runs):
        home = damaged.copy()
        path = home / "trust.sqlite"
        with path.open("r+b") as opened:
            opened.seek(chance.randrange(path.stat().st_size // PAGE) * PAGE)
            opened.write(chance.randbytes(PAGE))
        ended = damaged.verify(home, "--repair")
        if ended.code == 0:
            assert damaged.is_harmless(home, "trust.sqlite")
        else:
            assert (ended.code, "home-corrupt" in ended.err, "trust.sqlite" in ended.err) == (20, True, True), ended


def test_a_lost_index_comes_back(damaged: Damaged) -> None:
    home = damaged.copy()
    (home / "index.sqlite").unlink()
    assert damaged.forks.run("list", home=home).code == 0
    assert check_home(home, damaged.acknowledged) == set(damaged.acknowledged)
    (home / "index.sqlite").write_bytes(b"no database" * 1000)
    ended = damaged.forks.run("list", home=home)
    assert ended.code == 20, ended
    assert "try: dcat verify --repair" in ended.err
    damaged.repair(home)


_ARGUMENTS = {"show": ["app1@1.0"], "resolve": ["app1@1.0"], "serve": ["--port", "0"]}


@pytest.mark.parametrize(
    ("lost", "command", "why"),
    [
        ("ALTER TABLE names DROP COLUMN title", "list", "it lacks names.title"),
        ("ALTER TABLE releases DROP COLUMN line", "show", "it lacks releases.line"),
        ("DROP TABLE history", "log", "it lacks history."),
        ("DELETE FROM alembic_version", "list", "it states no revision"),
        ("DELETE FROM alembic_version", "resolve", "it states no revision"),
        ("ALTER TABLE alembic_version RENAME COLUMN version_num TO other", "resolve", "no such column: version_num"),
        ("DELETE FROM alembic_version", "serve", "it states no revision"),
    ],
)
def test_an_index_that_lacks_a_table_or_a_column_is_damaged(damaged: Damaged, lost: str, command: str, why: str) -> None:
    home = damaged.copy()
    with closing(sqlite3.connect(home / "index.sqlite")) as connection:
        connection.execute(lost)
        connection.commit()
    ended = damaged.forks.run(command, *_ARGUMENTS.get(command, []), home=home)
    assert (ended.code, "is damaged" in ended.err, "try: dcat verify --repair" in ended.err) == (20, True, True), ended
    ended = damaged.verify(home)
    assert (ended.code, why in ended.err) == (20, True), ended
    damaged.repair(home)


def test_a_lost_index_and_a_lost_snapshot(damaged: Damaged, images: dict[str, str]) -> None:
    """A snapshot is never signed that leaves out what was published: the home says what it lacks until it is had again."""
    home, behind = damaged.copy(), damaged.folder / "behind"
    shutil.copytree(home, behind)
    (home / "index.sqlite").unlink()
    for ending in ("", "-wal", "-shm"):
        (home / f"blocks.sqlite{ending}").unlink(missing_ok=True)
    ended = damaged.forks.run("publish", "new", "1.0", "--from", images["old"], home=home)
    assert ended.code == 0, ended
    assert "rebuilt without it" in ended.err
    assert damaged.verify(home, "--repair").code == 20
    with served_home(behind) as url:
        ended = damaged.verify(home, "--repair", sources=url)
        assert ended.code == 0, ended
    assert check_home(home, damaged.acknowledged) == {*damaged.acknowledged, "new@1.0"}
