"""The folder that a static catalogue is written to.

Files appear under their names whole, by a rename. A run first writes files that are named by their content, then makes them
durable, and only then replaces the files that lead to them. So a reader at any moment, and one after a crash, sees the catalogue as
it was or as it became.

Nothing is written through a symbolic link: whoever made it chose what it leads to. A file that is there already is not written
again. After a power cut it may be there without its bytes: while a run lasts, a note
in ``.dcat`` names the boot of the machine, and files of a run that ended with its machine are not relied on.
"""

import contextlib
import fcntl
import os
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from catalog.errors import LockedError, StorageError
from catalog.storage.files import CrashPoint, no_crash, sync_directory

WORK: Final = ".dcat"
_NOTE: Final = "unfinished"
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class Pointer:
    """A file that leads to others: written once all of these are there."""

    path: str
    data: bytes


class Folder:
    """An open folder. Use `open_folder`. ``written`` counts bytes, ``files`` files, ``links`` further names of a file.

    ``was_begun``: an earlier run did not come to its end here.
    """

    def __init__(self, path: Path, *, was_begun: bool, distrusted_since: float | None, crash_point: CrashPoint) -> None:
        self.path = path
        self.was_begun = was_begun
        self.written = 0
        self.files = 0
        self.links = 0
        self._since = distrusted_since
        self._crash_point = crash_point
        self._number = 0
        self._made: set[Path] = set()
        self._dirty = False

    def has(self, path: str) -> bool:
        """Return whether a file is there whole."""
        try:
            status = (self.path / path).lstat()
        except (FileNotFoundError, NotADirectoryError):
            return False
        if not stat.S_ISREG(status.st_mode):
            return False
        return self._since is None or status.st_mtime < self._since

    def read(self, path: str) -> bytes | None:
        """Return a file, or None where it is not there whole."""
        return (self.path / path).read_bytes() if self.has(path) else None

    def put(self, path: str, data: bytes) -> bool:
        """Write a file unless it is there; return whether it was written. Its name must stand for its content."""
        if self.has(path):
            return False
        with self.create() as file:
            file.stream.write(data)
            file.keep(path)
        return True

    def replace(self, path: str, data: bytes) -> bool:
        """Write a file unless it has these bytes; return whether it was written."""
        if self.read(path) == data:
            return False
        with self.create() as file:
            file.stream.write(data)
            file.keep(path)
        return True

    @contextlib.contextmanager
    def create(self) -> Iterator["NewFile"]:
        """Yield a file without a name, which is deleted at the end unless it was kept."""
        self._number += 1
        file = NewFile(self, self.path / WORK / str(self._number))
        try:
            yield file
        finally:
            file.stream.close()
            file.path.unlink(missing_ok=True)

    def link(self, path: str, other: str) -> None:
        """Link the file ``path`` under the further name ``other``; where the file system has no links, copy it."""
        target = self.path / other
        self._make_parent(target)
        self._dirty = True
        try:
            target.unlink(missing_ok=True)
            os.link(self.path / path, target)
            self.links += 1
        except OSError:
            with self.create() as file, (self.path / path).open("rb") as source:
                shutil.copyfileobj(source, file.stream, 1 << 20)
                file.keep(other)

    def delete(self, path: Path) -> None:
        """Delete a file, and folders above it that are empty then."""
        path.unlink(missing_ok=True)
        for parent in path.parents:
            if parent == self.path:
                break
            try:
                parent.rmdir()
            except OSError:
                break
            self._made.discard(parent)

    def give_up(self) -> None:
        """Leave nothing of a run that has written no file."""
        shutil.rmtree(self.path / WORK)

    def sync(self) -> None:
        """Make durable what was written."""
        self._crash_point("static: before sync")
        if self._dirty:
            os.sync()
            self._dirty = False
        self._crash_point("static: after sync")

    def keep(self, new: Path, path: str, size: int) -> None:
        """Name a file that was written."""
        target = self.path / path
        self._make_parent(target)
        self._crash_point("static: before rename")
        new.replace(target)
        self._crash_point("static: after rename")
        self.written += size
        self.files += 1
        self._dirty = True

    def _make_parent(self, target: Path) -> None:
        if target.parent not in self._made:
            for parent in target.parents[: len(target.relative_to(self.path).parts) - 1]:
                _refuse_link(parent)
            target.parent.mkdir(parents=True, exist_ok=True)
            self._made.add(target.parent)


class NewFile:
    """A file that is being written; `keep` gives it its name."""

    def __init__(self, folder: Folder, path: Path) -> None:
        self.path = path
        self.stream: BinaryIO = path.open("xb")
        self._folder = folder

    def keep(self, path: str) -> None:
        size = self.stream.tell()
        self.stream.close()
        self._folder.keep(self.path, path, size)


@contextlib.contextmanager
def open_folder(path: Path, *, crash_point: CrashPoint = no_crash) -> Iterator[Folder]:
    """Yield the folder for one run, made where it is missing. Raise `LockedError` where another run has it, `StorageError`."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise StorageError(f"the folder {path} cannot be written", why=error.strerror or str(error)) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise LockedError(f"another export writes to {path}", hint="wait until it has ended") from error
        try:
            _refuse_link(path / WORK)
            was_begun = (path / WORK / _NOTE).exists()
            since = _begin(path)
            yield Folder(path, was_begun=was_begun, distrusted_since=since, crash_point=crash_point)
            shutil.rmtree(path / WORK)
        except OSError as error:
            raise StorageError(f"the folder {path} cannot be written", why=error.strerror or str(error)) from error
    finally:
        os.close(descriptor)


def _refuse_link(path: Path) -> None:
    if path.is_symlink():
        raise StorageError(
            f"{path} is a symbolic link",
            why="files are written into the folder itself, and not to where a link in it leads",
            hint="put a folder in its place; to keep it on another disk, mount that there",
        )


def _begin(path: Path) -> float | None:
    """Clean up after an earlier run; return since when files are not to be relied on, if the machine went down during it."""
    work = path / WORK
    note = work / _NOTE
    since: float | None = None
    boot = _boot_id()
    if note.exists():
        text = note.read_text()
        if not boot or text != boot:
            since = note.stat().st_mtime - 2  # steps of a file system's clock
            return _restart(work, since)
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    note.write_text(boot)
    sync_directory(work)
    sync_directory(path)
    return None


def _restart(work: Path, since: float) -> float:
    """Delete unfinished files, but keep the note: this run may end in the same way."""
    for file in work.iterdir():
        if file.name != _NOTE:
            file.unlink()
    return since


def _boot_id() -> str:
    try:
        return _BOOT_ID.read_text()
    except OSError:
        return ""
