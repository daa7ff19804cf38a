"""Power cuts while publishing, following, removing and collecting garbage: what was acknowledged is there (docs/safety.md D2)."""

import json
import random
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from catalog.errors import DcatError
from tests.faults.conftest import in_memory
from tests.faults.forking import Forks, build_faults
from tests.faults.invariants import check_files, check_home
from tests.faults.recording import Disk, Operation, read_recording


@pytest.fixture(scope="module")
def recorded(images: dict[str, str]) -> Iterator[tuple[Path, Path, list[Operation], dict[str, str]]]:
    """Record a home's life; yield where to work, the recorded folder, the operations, and the CID that each release has."""
    with in_memory() as folder:
        watched = folder / "watched" / "user"
        watched.mkdir(parents=True)
        home = watched / "home"
        cids = {}
        with Forks(faults=build_faults(folder), folder=watched.parent) as forks:
            for version in ("1.0", "1.1"):
                theirs = folder / "theirs"
                done = forks.run("publish", "-q", "tool", version, "--from", images[version], home=theirs)
                cids[f"bob/tool@{version}"] = done.out.strip()
                assert forks.run("export", "--catalogue", "mine", "-o", bundle(folder, version), home=theirs).code == 0
            for command in (
                ["publish", "-q", "web", "1.0", "--from", images["1.0"]],
                ["publish", "-q", "web", "1.1", "--from", images["1.1"]],
                ["yank", "web@1.0", "--reason", "bad"],
                ["publish", "-q", "old", "1.0", "--from", images["old"]],
                ["remove", "old@1.0"],
                ["gc", "--yes"],
                ["sync"],
                ["pull", "--no-load", "web@1.0"],
                ["subscribe", "bob", bundle(folder, "1.0")],
                ["import", bundle(folder, "1.1")],
            ):
                done = forks.run(*command, home=home, record=folder / "recording")
                assert done.code == 0, done
                if command[0] == "publish":
                    cids[f"{command[2]}@{command[3]}"] = done.out.strip()
        yield folder, watched, read_recording(folder / "recording"), cids


def bundle(folder: Path, version: str) -> str:
    return str(folder / f"theirs-{version}.car")


def promised(marks: list[str], cids: dict[str, str]) -> dict[str, str]:
    """Return what the commands that had ended by then had acknowledged."""
    references = {}
    for mark in marks:
        command = json.loads(mark)
        if command[0] == "publish":
            reference = f"{command[2]}@{command[3]}"
            references[reference] = cids[reference]
        elif command[0] == "remove":
            references.pop(command[1])
        elif command[0] == "subscribe":
            references["bob/tool@1.0"] = cids["bob/tool@1.0"]
        elif command[0] == "import":
            references["bob/tool@1.1"] = cids["bob/tool@1.1"]
    return references


def being_removed(operations: list[Operation], place: int) -> set[str]:
    """Return what the command under way is taking out of the catalogue."""
    for operation in operations[place:]:
        if operation.words[0] == "mark":
            command = json.loads(" ".join(operation.words[1:]))
            return {command[1]} if command[0] == "remove" else set()
    return set()


@pytest.mark.parametrize("cuts", [60, pytest.param(10_000, marks=pytest.mark.long)])
def test_power_cuts(recorded: tuple[Path, Path, list[Operation], dict[str, str]], images: dict[str, str], cuts: int) -> None:
    folder, watched, operations, cids = recorded
    chance = random.Random(cuts)
    places = sorted(chance.randrange(1, len(operations) + 1) for _ in range(cuts))
    disk, done = Disk(watched), 0
    with Forks() as forks:
        for number, place in enumerate(places):
            for operation in operations[done:place]:
                disk.apply(operation)
            done = place
            after = folder / "after"
            disk.cut_power(after, chance)
            home = after / "home"
            acknowledged = promised(disk.marks, cids)
            for reference in being_removed(operations, place):
                acknowledged.pop(reference, None)
            try:
                if home.exists() or acknowledged:
                    check_files(home)
                    check_home(home, acknowledged)
                if number % 20 == 0:
                    again = forks.run("publish", "web", "1.1", "--from", images["1.1"], home=home)
                    assert again.code == 0, again
                    check_home(home, acknowledged)
            except BaseException:
                print(f"after operation {place} of {len(operations)}: {operations[place - 1].words}, {disk.marks}")
                raise
            shutil.rmtree(after)
    print(f"{cuts} power cuts in {len(operations)} operations")


def test_the_model_would_notice(recorded: tuple[Path, Path, list[Operation], dict[str, str]]) -> None:
    """Without the syncs that were recorded, what was acknowledged is lost."""
    folder, watched, operations, cids = recorded
    disk, chance = Disk(watched), random.Random(1)
    for operation in operations:
        if operation.words[0] != "sync":
            disk.apply(operation)
    lost = 0
    for number in range(5):
        disk.cut_power(folder / str(number), chance)
        try:
            check_files(folder / str(number) / "home")
            check_home(folder / str(number) / "home", promised(disk.marks, cids))
        except (AssertionError, DcatError, sqlite3.Error):
            lost += 1
    assert lost == 5
