"""``dcat lock`` and ``dcat pull --locked``."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Dcat, Ran, ok
from tests.factory.exports import write_image
from tests.fakes.served_home import served_home


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make the folder of the test the working directory, where dcat.lock is."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def as_bob(dcat: Dcat, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ran]:
    """Run dcat as somebody else, with a home of his own."""

    def run(*arguments: str) -> Ran:
        with monkeypatch.context() as patch:
            patch.setenv("DCAT_HOME", str(tmp_path / "bob"))
            patch.setenv("DCAT_CONFIG", str(tmp_path / "bob.toml"))
            return dcat(*arguments)

    return run


def test_a_lock_is_stable_and_holds_every_platform(stocked: Dcat, here: Path) -> None:
    assert "Locked web@1.0  linux/amd64, linux/arm64" in ok_but_closing(stocked("lock", "web@1.0"))
    content = (here / "dcat.lock").read_bytes()
    document = json.loads(content)
    (entry,) = document["releases"]
    assert document["format"] == "dcat-lock/1"
    assert list(entry["images"]) == ["linux/amd64", "linux/arm64"]
    assert entry["catalogue"].startswith("k51")
    assert entry["images"]["linux/arm64"]["archive"] == ok(stocked("resolve", "web@1.0", "--platform", "linux/arm64")).strip()
    assert content == (json.dumps(document, indent=2, sort_keys=True) + "\n").encode()
    assert "Nothing changed" in stocked("lock", "web@1.0").out
    assert (here / "dcat.lock").read_bytes() == content
    assert stocked("lock", "--check").code == 0


def ok_but_closing(ran: Ran) -> str:
    assert ran.code == 0, ran
    return ran.out


def test_releases_are_added_and_the_newest_replaced_by_an_update(stocked: Dcat, here: Path, tmp_path: Path) -> None:
    assert stocked("lock", "web@1.0", "--platform", "linux/amd64").code == 0
    assert stocked("lock", "web", "--latest").code == 0
    versions = [entry["version"] for entry in json.loads((here / "dcat.lock").read_text())["releases"]]
    assert versions == ["1.0", "1.1"]
    assert "Nothing changed" in stocked("lock", "--update").out
    assert stocked("publish", "web", "1.2", "--from", write_image(tmp_path / "three.tar", "3")).code == 0
    assert "Nothing changed" in stocked("lock", "--update", "--min-age", "3d").out
    assert "Locked web@1.2" in stocked("lock", "--update").out
    versions = [entry["version"] for entry in json.loads((here / "dcat.lock").read_text())["releases"]]
    assert versions == ["1.0", "1.2"]


def test_a_check_ends_with_what_is_wrong(stocked: Dcat, here: Path, tmp_path: Path) -> None:
    assert stocked("lock", "web@1.0", "web@1.1").code == 0
    locked = (here / "dcat.lock").read_text()
    one, two = ok(stocked("resolve", "web@1.0", "--platform", "linux/amd64")).strip(), ok(stocked("resolve", "web@1.1")).strip()
    (here / "dcat.lock").write_text(locked.replace(one, two))
    ran = stocked("lock", "--check")
    assert ran.code == 23
    assert "release-conflict" in ran.out
    assert stocked("pull", "--locked", "--no-load").code == 23
    (here / "dcat.lock").write_text(locked)
    assert stocked("remove", "web@1.1").code == 0
    assert stocked("lock", "--check").code == 10
    key = json.loads(locked)["releases"][0]["catalogue"]
    (here / "dcat.lock").write_text(locked.replace(key, "k51qzi5uqu5dgutdk6i1ynyzgkqngpha5xpgia3a5qqp4jsh0u4csozksxel2r"))
    ran = stocked("lock", "--check")
    assert ran.code == 10
    assert "is not followed here" in ran.out


def test_a_teammate_pulls_exactly_what_is_locked(stocked: Dcat, as_bob: Callable[..., Ran], here: Path, home: Path) -> None:
    assert stocked("lock", "web@1.0", "--platform", "linux/amd64").code == 0
    with served_home(home) as url:
        assert as_bob("subscribe", "ann", url).code == 0
        ran = as_bob("lock", "--check")
        assert ran.code == 31
        assert "dcat pull --no-load --locked" in ran.err
        pulled = as_bob("pull", "--locked", "--no-load", "--platform", "linux/amd64")
        assert pulled.code == 0, pulled
        assert "ann/web@1.0" in pulled.out
        assert as_bob("lock", "--check").code == 0


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["lock"], 2),
        (["lock", "web@1.0", "--check"], 2),
        (["lock", "web@1.0", "--min-age", "3d"], 2),
        (["lock", "--check", "--min-age", "3d"], 2),
        (["lock", "--check"], 10),
        (["lock", "--update"], 10),
        (["lock", "web"], 24),
        (["lock", "web@9"], 10),
        (["lock", "web@1.1", "--platform", "linux/arm64"], 10),
        (["lock", "web@1.0", "--file", "missing/dcat.lock"], 10),
        (["pull", "--locked"], 10),
        (["pull"], 2),
        (["pull", "web@1.0", "--locked"], 2),
        (["pull", "--locked", "--latest"], 2),
    ],
)
def test_refusals(stocked: Dcat, here: Path, arguments: list[str], code: int) -> None:
    assert stocked(*arguments).code == code
    assert not (here / "dcat.lock").exists()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"[]",
        b"\xff",
        b'{"format": "dcat-lock/2", "releases": []}',
        b'{"format": "dcat-lock/1", "releases": [{}]}',
        b"null",
    ],
)
def test_a_file_that_is_not_a_lock_is_refused_and_left_alone(stocked: Dcat, here: Path, content: bytes) -> None:
    (here / "dcat.lock").write_bytes(content)
    for arguments in (["lock", "--check"], ["lock", "--update"], ["lock", "web@1.0"], ["pull", "--locked", "--no-load"]):
        ran = stocked(*arguments)
        assert ran.code == 2, ran
        assert "dcat.lock" in ran.err
    assert (here / "dcat.lock").read_bytes() == content


def test_a_damaged_digest_in_a_lock_is_refused(stocked: Dcat, here: Path) -> None:
    assert stocked("lock", "web@1.1").code == 0
    locked = json.loads((here / "dcat.lock").read_text())
    for key in ("archive", "config", "manifest"):
        damaged = json.loads(json.dumps(locked))
        damaged["releases"][0]["images"]["linux/amd64"][key] += "0"
        (here / "dcat.lock").write_text(json.dumps(damaged))
        assert stocked("lock", "--check").code == 2
