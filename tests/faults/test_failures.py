"""The system refuses the n-th operation on a file of the home, once or from then on (docs/safety.md D3).

The long run takes every third operation, other ones for the two kinds of failure: each costs three commands.
The command ends as declared, without a traceback; every file is sound; the next run of the same command goes through.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from catalog.errors import DcatError
from cli.exits import EXIT_CODES, exit_code
from tests.faults.conftest import in_memory
from tests.faults.forking import FAILURES, Ended, Forks, build_faults
from tests.faults.invariants import check_files, check_home

DECLARED = {0, *(code for _, code in EXIT_CODES)} - {exit_code(DcatError("x"))}
COMMANDS = {
    "first publish": ["publish", "web", "1.0", "--from", "1.0"],
    "publish": ["publish", "web", "1.1", "--from", "1.1"],
    "remove": ["remove", "web@old"],
    "pull": ["pull", "--no-load", "web@1.0"],
    "gc": ["gc", "--yes"],
    "verify": ["verify", "--repair"],
    "save": ["save", "web@1.0", "-o", "saved"],
    "sync": ["sync"],
}


@pytest.fixture(scope="module")
def failing() -> Iterator[tuple[Forks, Path]]:
    """Yield a process that forks commands under ``faults.c``, and the folder whose files it watches."""
    with in_memory() as folder:
        (folder / "homes").mkdir()
        library = build_faults(folder)
        with Forks(faults=library, folder=folder / "homes") as forks:
            yield forks, folder / "homes"


@pytest.fixture(scope="module")
def start(failing: tuple[Forks, Path], images: dict[str, str]) -> tuple[Path, dict[str, str]]:
    """Return a home with two releases and some garbage, and what it promised."""
    forks, folder = failing
    home = folder / "start"
    acknowledged = {}
    for version in ("1.0", "old", "gone"):
        image = images["1.1" if version == "gone" else version]
        done = forks.run("publish", "-q", "web" if version != "gone" else "gone", version, "--from", image, home=home)
        assert done.code == 0, done
        if version == "1.0":
            acknowledged["web@1.0"] = done.out.strip()
    assert forks.run("remove", "gone@gone", home=home).code == 0
    return home, acknowledged


def prepare(home: Path, origin: Path | None) -> None:
    shutil.rmtree(home, ignore_errors=True)
    if origin is not None:
        shutil.copytree(origin, home)


def check_ended(ended: Ended, told: object) -> None:
    assert ended.code in DECLARED, (told, ended)
    assert "Traceback" not in ended.err, (told, ended)
    assert "error[unexpected]" not in ended.err, (told, ended)


@pytest.mark.parametrize("every", [251, pytest.param(3, marks=pytest.mark.long)])
@pytest.mark.parametrize("lasting", [False, True], ids=["once", "from then on"])
@pytest.mark.parametrize("failure", FAILURES)
def test_the_nth_operation_fails(
    failing: tuple[Forks, Path],
    start: tuple[Path, dict[str, str]],
    images: dict[str, str],
    failure: str,
    lasting: bool,
    every: int,
) -> None:
    forks, folder = failing
    origin, acknowledged = start
    tried = 0
    for name, command in COMMANDS.items():
        first = name == "first publish"
        home, output = folder / "home", folder / "saved"
        typed = [images.get(word, word) if place > 2 else word for place, word in enumerate(command)]
        typed = [str(output) if word == "saved" else word for word in typed]
        prepare(home, None if first else origin)
        most = forks.run(*typed, home=home, fail=(failure, 0, False)).operations
        for at in range(2 if lasting else 1, most + 1, every):
            prepare(home, None if first else origin)
            told = (name, failure, at, lasting)
            check_ended(forks.run(*typed, home=home, fail=(failure, at, lasting)), told)
            check_files(home)
            check_home(home, {} if first else acknowledged)
            again = forks.run(*typed, home=home)
            assert again.code == 0, (told, again)
            check_home(home, {} if first else acknowledged)
            left = [path for path in folder.iterdir() if path.name.startswith(".")]
            assert lasting or left == []  # where nothing can be deleted either, a part of a file may stay
            for path in left:
                path.unlink()
            tried += 1
    print(f"{failure}, {'lasting' if lasting else 'once'}: {tried} operations failed")
