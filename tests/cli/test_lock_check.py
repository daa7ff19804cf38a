"""``dcat lock --check``: files and the lock, the lock and the catalogues."""

import json
import re
import shlex
import textwrap
from pathlib import Path

import pytest

from tests.cli.conftest import Dcat
from tests.fakes.served_home import served_home
from tests.needs import ROOT


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make the folder of the test the working directory, where dcat.lock is."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


CHECKED = """\
services:
  front: {image: web:1.0}
  back:
    image: localhost:5078/web:1.1
  store:
    image: postgres:16
"""


def test_files_are_compared_with_the_lock(stocked: Dcat, here: Path) -> None:
    (here / "compose.yaml").write_text(CHECKED)
    (here / "Dockerfile").write_text("FROM web:1.1\n")
    assert stocked("lock", "compose.yaml", "Dockerfile").code == 0
    for _ in range(2):  # as it was written, and with the digests in it
        ran = stocked("lock", "--check", "compose.yaml", "Dockerfile")
        assert ran.code == 0, ran
        assert "compose.yaml: 2 images as locked" in ran.out
        assert "compose.yaml:6 (service store): postgres:16 is not compared: no catalogue here has it" in ran.err
        assert stocked("lock", "compose.yaml", "Dockerfile", "--in-place").code == 0


def test_each_line_that_disagrees_with_the_lock_is_shown(stocked: Dcat, here: Path) -> None:
    (here / "compose.yaml").write_text(CHECKED)
    assert stocked("lock", "compose.yaml").code == 0
    assert stocked("lock", "compose.yaml", "--in-place").code == 0
    locked = (here / "compose.yaml").read_text()
    index, manifest = re.findall(r"sha256:[0-9a-f]{64}", locked)
    for changed, where, why in (
        (locked.replace(index, manifest), "compose.yaml:2 (service front)", f"{manifest} is that of 1.1"),
        (locked.replace(manifest, "sha256:" + "0" * 64), "compose.yaml:4 (service back)", f"locked is {manifest}"),
        (locked.replace(f"web:1.1@{manifest}", "web:1.2"), "compose.yaml:4", "web:1.2 is not locked: of web the lock has 1.0, 1.1"),
        (locked.replace(f"web:1.1@{manifest}", "web"), "compose.yaml:4", "names no version"),
        (locked.replace(f"web:1.1@{manifest}", "web:latest"), "compose.yaml:4", "names no version"),
        (locked.replace(f":1.1@{manifest}", f"@{index[:-1]}{'1' if index[-1] == '0' else '0'}"), "compose.yaml:4", "is not locked"),
    ):
        (here / "compose.yaml").write_text(changed)
        ran = stocked("--json", "lock", "--check", "compose.yaml")
        assert ran.code == 23, (changed, ran)
        (problem,) = json.loads(ran.out)["files"][0]["problems"]
        assert f"compose.yaml:{problem['line']} ({problem['where']})".startswith(where)
        assert why in f"{problem['message']}: {problem['why']}"
        assert where.partition(" ")[0] in stocked("lock", "--check", "compose.yaml").out
    (here / "compose.yaml").write_text(locked.replace(f":1.1@{manifest}", f"@{index}"))  # the digest alone
    assert stocked("lock", "--check", "compose.yaml").code == 0
    (here / "compose.yaml").write_text(locked.replace("5078/web", "5078/wbe"))
    assert stocked("lock", "--check", "compose.yaml").code == 10


def test_a_name_without_version_agrees_with_the_newest_that_is_locked(stocked: Dcat, here: Path) -> None:
    (here / "Dockerfile").write_text("FROM web\n")
    assert stocked("lock", "Dockerfile", "--latest").code == 0
    assert stocked("lock", "--check", "Dockerfile").code == 0


def test_a_check_takes_files_only(stocked: Dcat, here: Path) -> None:
    assert stocked("lock", "web@1.1").code == 0
    assert "--check takes files" in stocked("lock", "--check", "web@1.1").err
    assert stocked("lock", "--check", "missing.yaml").code == 10


def test_a_check_refuses_what_is_too_new(stocked: Dcat, here: Path) -> None:
    """What counts is when the image was first seen, here or by who locked it."""
    assert stocked("lock", "web@1.1").code == 0
    assert stocked("lock", "--check", "--min-age", "0s").code == 0
    ran = stocked("lock", "--check", "--min-age", "3d")
    assert ran.code == 10
    assert "newer than --min-age allows" in ran.out
    locked = json.loads((here / "dcat.lock").read_text())
    seen = locked["releases"][0]["first_seen"]
    locked["releases"][0]["first_seen"] = "2020-01-01T00:00:00Z"
    (here / "dcat.lock").write_text(json.dumps(locked))
    assert stocked("lock", "--check", "--min-age", "3d").code == 0
    for damaged in ("0", "yesterday", f"{seen} "):
        locked["releases"][0]["first_seen"] = damaged
        (here / "dcat.lock").write_text(json.dumps(locked))
        assert stocked("lock", "--check").code == 2


def test_the_recipe_for_ci(stocked: Dcat, here: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lines of docs/guides/locking.md, with Ann's server and her alias, in a home that is empty before."""
    guide = (ROOT / "docs/guides/locking.md").read_text(encoding="utf-8")
    parts = dict(re.findall(r"<!-- run: (\S+) -->\n\n((?:    .*\n)+)", guide))
    (here / "compose.yaml").write_text("services: {web: {image: 'ann/web:1.0'}}\n")
    (here / "Dockerfile").write_text("FROM ann/web:1.1\n")
    with served_home(home) as url:
        monkeypatch.setenv("DCAT_HOME", str(here / "runner"))
        monkeypatch.setenv("DCAT_CONFIG", str(here / "runner.toml"))

        def run(part: str) -> int:
            for line in textwrap.dedent(parts[part]).replace("http://ann.example:5078", url).splitlines():
                ran = stocked(*shlex.split(line)[1:])
                if ran.code:
                    return ran.code
            return 0

        assert run("first") == 0
        assert stocked("lock", "compose.yaml", "Dockerfile").code == 0
        assert run("each") == 10  # it was locked just now
        age(here / "dcat.lock")
        assert run("each") == 0
        assert stocked("lock", "compose.yaml", "Dockerfile", "--in-place").code == 0  # the digest of an index among them
        age(here / "dcat.lock")
        assert run("each") == 0
        text = (here / "Dockerfile").read_text()
        (here / "Dockerfile").write_text(text.replace("web:1.1", "web:1.0"))
        assert run("each") == 23


def age(lock: Path) -> None:
    """Make a lock one of releases that were seen long ago."""
    lock.write_text(re.sub(r'"first_seen": "[^"]*"', '"first_seen": "2020-01-01T00:00:00Z"', lock.read_text()))
