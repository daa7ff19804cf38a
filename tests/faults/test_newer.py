"""A home that a newer dcat wrote: commands refuse it, say what it needs, and change nothing (docs/safety.md D7)."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.faults.forking import Forks

READING = {
    "index.sqlite": [
        ["list"],
        ["resolve", "web@1.0"],
        ["show", "web@1.0"],
        ["search", "web"],
        ["log"],
        ["status"],
        ["remove", "web@1.0"],
    ],
    "trust.sqlite": [["resolve", "web@1.0"], ["status"], ["sync"], ["yank", "web@1.0", "--reason", "x"]],
    "blocks.sqlite": [["pull", "web@1.0", "--no-load"], ["save", "web@1.0", "-o", "/dev/null"], ["gc", "--yes"]],
}


@pytest.mark.parametrize("file", READING)
def test_a_newer_file_is_refused(forks: Forks, images: dict[str, str], folder: Path, file: str) -> None:
    whole = folder / "whole"
    assert forks.run("publish", "web", "1.0", "--from", images["1.0"], home=whole).code == 0
    with closing(sqlite3.connect(whole / file)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = 'from_the_future'")
        connection.execute("UPDATE needs SET version = '9.9.9'")
    before = (whole / file).read_bytes()
    publish = ["publish", "web", "1.1", "--from", images["1.1"]]
    for command in [*READING[file], publish, ["verify"], ["verify", "--repair"], ["serve", "--port", "0"], ["doctor"]]:
        home = folder / "home"
        shutil.copytree(whole, home)
        ended = forks.run(*command, home=home)
        assert ended.code == 42, (command, ended)
        assert "9.9.9" in ended.out + ended.err, (command, ended)
        assert (home / file).read_bytes() == before, command
        shutil.rmtree(home)
