"""Files: written atomically, and their names made durable.

An atomic write goes to a new file beside the target: write, fsync, rename, fsync of the directory. After a crash at any point the
target holds the old bytes or the new ones, whole; at worst a file with a leading dot is left beside it.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from catalog.errors import StorageError
from catalog.storage.owners import explain_failure

TYPE_CHECKING = False  # see catalog.record
if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO, Final

CrashPoint = Callable[[str], None]
"""Called with a label at every boundary at which a crash could leave something half done; tests kill the process in it."""

PRIVATE: Final = 0o600
_ORDINARY: Final = 0o666
_NAME_KEPT: Final = 100
_NO_LINKS: Final = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS}


def no_crash(label: str) -> None:
    """Continue: what happens at a crash point outside tests."""


@contextmanager
def replace_file(
    path: Path, *, mode: int = _ORDINARY, label: str = "file", crash_point: CrashPoint = no_crash
) -> Iterator[BinaryIO]:
    """Yield a stream for the new content of ``path``, which is replaced when this ends, and left alone when it raises.

    When this returns, the new content survives a crash. ``mode`` is that of the file from its creation on, less the umask.
    Raise `OSError`.
    """
    with _written_beside(path, mode, label, crash_point) as beside:
        yield beside.stream
        beside.finish()
        crash_point(f"{label}: before rename")
        beside.path.replace(path)
        crash_point(f"{label}: after rename")
        sync_directory(path.parent)


@contextmanager
def create_file(
    path: Path, *, mode: int = _ORDINARY, label: str = "file", crash_point: CrashPoint = no_crash
) -> Iterator[BinaryIO]:
    """Yield a stream for the content of a new file, as `replace_file` does; raise `FileExistsError` if ``path`` exists by then."""
    with _written_beside(path, mode, label, crash_point) as beside:
        yield beside.stream
        beside.finish()
        crash_point(f"{label}: before link")
        _link(beside.path, path)
        crash_point(f"{label}: after link")
    sync_directory(path.parent)


@contextmanager
def open_output(output: Path | BinaryIO) -> Iterator[BinaryIO]:
    """Yield a stream to what a user named as output: a file is replaced atomically, a device, pipe or stream is written to."""
    if not isinstance(output, os.PathLike):
        yield output
        output.flush()
    elif output.exists() and not output.is_file():
        with output.open("wb") as device:
            yield device
    else:
        with replace_file(output) as file:
            yield file


def make_directory(path: Path) -> None:
    """Create a private directory and its parents, durably; an existing one is left as it is. Raise `OSError`."""
    if not path.is_dir():
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Make the names in a directory durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_file(path: Path) -> None:
    """Make the content of a file durable."""
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def open_mode(directory: Path) -> int | None:
    """Return the mode of a directory that everybody on this machine can change; None for any other."""
    try:
        mode = stat.S_IMODE(directory.stat().st_mode)
    except OSError:
        return None
    return mode if mode & stat.S_IWOTH else None


@contextmanager
def system_translated(path: Path) -> Iterator[None]:
    """Raise `StorageError` for each `OSError` raised inside."""
    try:
        yield
    except OSError as error:
        why, hint = explain_failure(error, path)
        raise StorageError(f"{path} cannot be used", why=why, hint=hint) from error


class _Beside:
    """An unfinished file and its stream."""

    def __init__(self, path: Path, stream: BinaryIO, label: str, crash_point: CrashPoint) -> None:
        self.path = path
        self.stream = stream
        self._label = label
        self._crash_point = crash_point

    def finish(self) -> None:
        """Make the content durable."""
        self.stream.flush()
        self._crash_point(f"{self._label}: before fsync")
        os.fsync(self.stream.fileno())
        self.stream.close()


@contextmanager
def _written_beside(path: Path, mode: int, label: str, crash_point: CrashPoint) -> Iterator[_Beside]:
    """Yield a new file in the directory of ``path``; whatever is left of it at the end is removed."""
    unfinished = path.with_name(f".{path.name[:_NAME_KEPT]}.{os.urandom(8).hex()}")  # the import of `secrets` costs 5 ms
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, mode)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            crash_point(f"{label}: file made")
            yield _Beside(unfinished, stream, label, crash_point)
    finally:
        unfinished.unlink(missing_ok=True)


def _link(unfinished: Path, path: Path) -> None:
    """Name a file by a link, which unlike a rename replaces nothing; by a rename on a file system without links."""
    try:
        os.link(unfinished, path)
    except OSError as error:
        if error.errno not in _NO_LINKS or path.exists():
            raise
        unfinished.rename(path)


@contextmanager
def spooled(stream: BinaryIO, directory: Path, name: str) -> Iterator[Path]:
    """Copy a stream into a file under ``directory``, called ``name``, and yield its path; it is deleted afterwards.

    For what has to be read at random. Raise `StorageError` where the disk cannot hold it.
    """
    import pathlib
    import shutil
    import tempfile  # all are slow to import, and most commands copy nothing

    try:
        folder = pathlib.Path(tempfile.mkdtemp(prefix=".spool-", dir=directory))
    except OSError as error:
        raise StorageError(f"{name} cannot be stored", why=error.strerror or str(error)) from error
    try:
        path = folder / name
        try:
            with path.open("xb") as file:
                shutil.copyfileobj(stream, file, 1 << 20)
        except OSError as error:
            raise StorageError(f"{name} cannot be stored", why=error.strerror or str(error)) from error
        yield path
    finally:
        shutil.rmtree(folder, ignore_errors=True)
