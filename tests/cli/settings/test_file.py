"""The settings file: edits keep what people wrote, and a write is whole or does not happen."""

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.errors import InvalidConfigError
from cli.settings.file import read_file_values, set_in_file, unset_in_file

WRITTEN = """\
# this laptop
deltas = false  # the uplink is slow

# Bob's machine is on at night
[sources.bob]
url = "http://bob:5078"  # ask Bob
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "config.toml"


def test_an_edit_keeps_comments_and_order(path: Path) -> None:
    path.write_text(WRITTEN)
    set_in_file(path, {"timeout": 30.0, "sources.bob.url": "http://bob:80", "sources.ann.url": "http://ann"})
    text = path.read_text()
    for comment in ("# this laptop\n", "false  # the uplink is slow", "# Bob's machine is on at night\n[sources.bob]", "# ask Bob"):
        assert comment in text
    assert read_file_values(path) == {
        "deltas": False,
        "timeout": 30.0,
        "sources.bob.url": "http://bob:80",
        "sources.ann.url": "http://ann",
    }
    assert unset_in_file(path, "timeout")
    assert unset_in_file(path, "sources.ann.url")
    assert path.read_text().rstrip() == WRITTEN.replace("bob:5078", "bob:80").rstrip()
    assert not unset_in_file(path, "timeout")


@pytest.mark.parametrize(
    "written",
    [
        'sources.bob.url = "http://bob"\n',
        'sources = { bob = { url = "http://bob" } }\n',
        '[sources]\nbob.url = "http://bob"\n',
        '[sources]\nbob = { url = "http://bob" }\n',
        '[sources.bob]\nurl = "http://bob"\n[sources.ann]\nurl = "http://ann"\n',
        '"sources"."bob"."url" = "http://bob"\n',
        '[sources.ann]\nurl = "http://ann"\n\n[other]\n\n[sources.bob]\nurl = "http://bob"\n',
    ],
)
def test_every_layout_of_a_table_can_be_edited(path: Path, written: str) -> None:
    path.write_text(written)
    before = read_file_values(path)
    set_in_file(path, {"deltas": False, "sources.bob.url": "http://x", "sources.new.url": "http://new"})
    assert read_file_values(path) == {**before, "deltas": False, "sources.bob.url": "http://x", "sources.new.url": "http://new"}
    assert unset_in_file(path, "sources.bob.url")
    assert "sources.bob.url" not in read_file_values(path)


def test_unsetting_the_last_key_leaves_no_empty_table(path: Path) -> None:
    set_in_file(path, {"sources.bob.url": "http://bob"})
    assert unset_in_file(path, "sources.bob.url")
    assert path.read_text().strip() == ""


@given(st.text())
def test_any_text_survives_the_file(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.mktemp("settings") / "config.toml"
    cleaned = text.encode("utf-8", "replace").decode()
    set_in_file(path, {"kubo-token-file": cleaned})
    assert tomllib.loads(path.read_bytes().decode())["kubo-token-file"] == cleaned


def test_a_write_that_fails_leaves_the_old_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    set_in_file(path, {"deltas": False})

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(OSError, match="No space"):
        set_in_file(path, {"deltas": True})
    assert read_file_values(path) == {"deltas": False}
    assert [entry.name for entry in path.parent.iterdir()] == ["config.toml"]


def test_the_file_is_the_users_alone_and_a_link_stays_one(path: Path) -> None:
    (path.parent / "dotfiles").mkdir()
    path.symlink_to("dotfiles/config.toml")
    set_in_file(path, {"deltas": False})
    assert path.is_symlink()
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_file_that_is_not_toml_is_not_overwritten(path: Path) -> None:
    path.write_text("= 1")
    with pytest.raises(InvalidConfigError, match="not a valid TOML file"):
        set_in_file(path, {"deltas": False})
    with pytest.raises(InvalidConfigError, match="not a valid TOML file"):
        unset_in_file(path, "deltas")
    assert path.read_text() == "= 1"
