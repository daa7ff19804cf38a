"""A file is replaced or created whole, whatever happens while it is written."""

import io
import stat
from pathlib import Path

import pytest

from catalog.storage.files import create_file, make_directory, open_output, replace_file


class CrashError(BaseException):
    """Raised where a process would die."""


def test_a_file_is_replaced_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with replace_file(path) as file:
        file.write(b"new")
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_a_failure_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def fail() -> None:
        with replace_file(path) as file:
            file.write(b"new")
            raise ValueError("half-way")

    with pytest.raises(ValueError, match="half-way"):
        fail()
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_a_crash_at_each_point_leaves_the_old_file_or_the_new_one(tmp_path: Path) -> None:
    path = tmp_path / "file"
    labels: list[str] = []
    for stop_at in range(10):
        path.write_bytes(b"old")
        labels.clear()

        def crash(label: str, stop_at: int = stop_at) -> None:
            labels.append(label)
            if len(labels) > stop_at:
                raise CrashError

        try:
            with replace_file(path, label="test", crash_point=crash) as file:
                file.write(b"new")
        except CrashError:
            assert path.read_bytes() == (b"new" if labels[-1] == "test: after rename" else b"old")
        else:
            break
    assert labels == ["test: file made", "test: before fsync", "test: before rename", "test: after rename"]


def test_a_new_file_replaces_none(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with create_file(path, mode=0o600) as file:
        file.write(b"first")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(FileExistsError), create_file(path) as file:
        file.write(b"second")
    assert path.read_bytes() == b"first"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_outputs_are_files_devices_and_streams(tmp_path: Path) -> None:
    stream = io.BytesIO()
    for output in (tmp_path / "file", Path("/dev/null"), stream):
        with open_output(output) as writing:
            writing.write(b"data")
    assert (tmp_path / "file").read_bytes() == stream.getvalue() == b"data"
    assert Path("/dev/null").is_char_device()


def test_a_directory_is_private_and_may_exist(tmp_path: Path) -> None:
    make_directory(tmp_path / "a" / "b")
    assert stat.S_IMODE((tmp_path / "a" / "b").stat().st_mode) == 0o700
    (tmp_path / "a").chmod(0o755)
    make_directory(tmp_path / "a")
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o755
