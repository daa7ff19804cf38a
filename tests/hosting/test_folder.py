"""Files that are whole or absent, one writer at a time, and what a power cut leaves."""

import os
import time
from pathlib import Path

import pytest

from catalog.errors import LockedError, StorageError
from catalog.hosting.folder import open_folder


def test_a_file_is_written_once(tmp_path: Path) -> None:
    with open_folder(tmp_path / "files") as folder:
        assert folder.put("a/b/c", b"one")
        assert not folder.put("a/b/c", b"one")
        assert not folder.replace("a/b/c", b"one")
        assert folder.replace("a/b/c", b"two")
        assert (folder.read("a/b/c"), folder.read("a/none"), folder.read("a/b/c/d")) == (b"two", None, None)
        assert (folder.files, folder.written) == (2, 6)


def write_half(path: Path) -> None:
    with open_folder(path) as folder, folder.create() as file:
        folder.put("done", b"done")
        file.stream.write(b"half")
        raise RuntimeError


def test_what_is_not_kept_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError):
        write_half(tmp_path)
    assert [path.name for path in (tmp_path / ".dcat").iterdir()] == ["unfinished"]
    with open_folder(tmp_path):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["done"]


def test_a_further_name_is_the_same_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*names: object) -> None:
        raise OSError("no links here")

    with open_folder(tmp_path) as folder:
        folder.put("one", b"data")
        folder.link("one", "deep/two")
        assert (tmp_path / "one").samefile(tmp_path / "deep/two")
        monkeypatch.setattr(os, "link", refuse)
        folder.link("one", "three")
        assert (tmp_path / "three").read_bytes() == b"data"


def test_folders_go_with_their_last_file(tmp_path: Path) -> None:
    with open_folder(tmp_path) as folder:
        folder.put("a/b/c", b"1")
        folder.put("a/d", b"2")
        folder.delete(tmp_path / "a/b/c")
        assert not (tmp_path / "a/b").exists()
        folder.put("a/b/c", b"1")
        folder.delete(tmp_path / "a/d")
        assert (tmp_path / "a/b/c").exists()


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    with open_folder(tmp_path), pytest.raises(LockedError), open_folder(tmp_path):
        pass
    with open_folder(tmp_path):
        pass


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    """Whoever may write into the folder could else have the one who exports write anywhere."""
    elsewhere, files = tmp_path / "elsewhere", tmp_path / "files"
    elsewhere.mkdir()
    files.mkdir()
    (elsewhere / "theirs").write_bytes(b"theirs")
    (tmp_path / "link").symlink_to(files)
    with open_folder(tmp_path / "link") as folder:  # the folder itself may be one: the user named it
        for path in ("a", "b/c"):
            (files / path).parent.mkdir(exist_ok=True)
            (files / path).symlink_to(elsewhere)
            with pytest.raises(StorageError, match="is a symbolic link"):
                folder.put(f"{path}/deep/file", b"data")
        for path in ("d", "e"):
            (files / path).symlink_to(elsewhere / "theirs")
        assert folder.read("d") is None
        assert folder.put("d", b"own")
        assert folder.replace("e", b"own")
        assert [(files / path).is_symlink() for path in ("d", "e")] == [False, False]
    (files / ".dcat").symlink_to(elsewhere)
    with pytest.raises(StorageError, match="is a symbolic link"), open_folder(files):
        pass
    assert [(path.name, path.read_bytes()) for path in elsewhere.iterdir()] == [("theirs", b"theirs")]


def test_what_cannot_be_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError), open_folder(tmp_path / "file"):
        pass


@pytest.mark.parametrize("boot", [b"another boot\n", b""])
def test_files_of_a_run_that_a_power_cut_ended_are_written_again(tmp_path: Path, boot: bytes) -> None:
    with open_folder(tmp_path) as folder:
        folder.put("old", b"old")
    past = time.time() - 100
    os.utime(tmp_path / "old", (past, past))
    (tmp_path / ".dcat").mkdir()
    (tmp_path / ".dcat/unfinished").write_bytes(boot)
    (tmp_path / ".dcat/7").write_bytes(b"half")
    (tmp_path / "torn").write_bytes(b"")
    with open_folder(tmp_path) as folder:
        assert (folder.has("old"), folder.has("torn")) == (True, False)
        assert folder.put("torn", b"whole")
        assert not (tmp_path / ".dcat/7").exists()
    assert (tmp_path / "torn").read_bytes() == b"whole"
    with open_folder(tmp_path) as folder:
        assert folder.has("torn")


def test_a_run_that_was_killed_is_continued(tmp_path: Path) -> None:
    """The machine is still up, so what has its name is whole."""
    with pytest.raises(RuntimeError):
        write_half(tmp_path)
    with open_folder(tmp_path) as folder:
        assert not folder.put("done", b"done")
