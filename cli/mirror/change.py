"""One file of settings as it is and as it becomes: the difference, the copy that is kept, the atomic change."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from difflib import unified_diff
from pathlib import Path

from catalog.errors import StorageError
from catalog.storage.files import CrashPoint, no_crash, replace_file, sync_directory
from cli.mirror.mirror import Mirror, refuse

_BACKUP = ".dcat-backup"
_EMPTY = "\n"
_READABLE = 0o644
_MAX_SIZE = 4 << 20

Add = Callable[[str, Mirror, str], str]
"""Return a text with the mirror in it; the last argument is the path, for errors."""
Remove = Callable[[str, str | None], str]
"""Return a text without the mirror; the second is the text before the mirror was added, None where no copy of it was kept."""


@dataclass(frozen=True, slots=True)
class Change:
    """A file, its text now and its text to come; None: there is no such file.

    ``backup`` is its text without the mirror, empty where there was no file, and a blank line where there was an empty one.
    """

    path: Path
    before: str | None
    after: str | None
    backup: str = ""

    @property
    def is_needed(self) -> bool:
        return self.before != self.after

    def diff(self) -> str:
        """Return the difference as patch takes it."""
        lines = unified_diff(
            (self.before or "").splitlines(keepends=True),
            (self.after or "").splitlines(keepends=True),
            "/dev/null" if self.before is None else str(self.path),
            "/dev/null" if self.after is None else str(self.path),
        )
        return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def plan_install(path: Path, mirror: Mirror, add: Add, remove: Remove) -> Change:
    """Return the change that adds a mirror, in place of one that was added before."""
    now = read_text(path)
    clean = _without(path, now, remove)
    return Change(path, now, add(clean or "", mirror, str(path)), "" if clean is None else clean or _EMPTY)


def plan_remove(path: Path, remove: Remove) -> Change:
    """Return the change that takes the mirror out again."""
    now = read_text(path)
    return Change(path, now, _without(path, now, remove))


def _without(path: Path, now: str | None, remove: Remove) -> str | None:
    """Return the file without the mirror: the copy, where nothing else changed since, or what is there less what was added."""
    if now is None:
        return None
    kept = read_text(backup_of(path))
    stripped = remove(now, kept)
    if stripped == now:
        return now
    if kept and stripped.rstrip() == kept.rstrip():
        return kept
    is_bare = "".join(stripped.split()) in ("", "{}")
    if is_bare and kept and not kept.strip():
        return "" if kept == _EMPTY else kept
    return None if is_bare and not kept else stripped


def apply_change(change: Change, crash_point: CrashPoint = no_crash) -> None:
    """Keep a copy of what is there (an empty one, where nothing is), and write the file: each whole or not at all.

    Raise `StorageError` where somebody else changed the file since the change was planned.
    """
    path = _checked(change)
    make_parents(path.parent)
    _write(backup_of(change.path), change.backup, path, crash_point)
    _write(path, change.after or "", path, crash_point)


def apply_removal(change: Change, crash_point: CrashPoint = no_crash) -> None:
    """Write the file as it was, or delete one that was not there, and then the copy; raise as `apply_change` does."""
    path = _checked(change)
    if change.after is None:
        path.unlink(missing_ok=True)
    elif change.is_needed:
        _write(path, change.after, path, crash_point)
    crash_point("mirror: before the copy is deleted")
    backup_of(change.path).unlink(missing_ok=True)
    if path.parent.is_dir():
        sync_directory(path.parent)


def _checked(change: Change) -> Path:
    """Return the file itself: where a link leads is changed, and the link stays."""
    if read_text(change.path) != change.before:
        raise StorageError(f"{change.path} was changed meanwhile", why="somebody else wrote it", hint="run the command again")
    return change.path.resolve()


def backup_of(path: Path) -> Path:
    """Return where the copy of a file is kept."""
    return path.with_name(path.name + _BACKUP)


def read_text(path: Path) -> str | None:
    """Return the text of a file, None where there is none; raise `InvalidConfigError` for one that is not text."""
    try:
        with path.open("rb") as stream:
            content = stream.read(_MAX_SIZE + 1)
        if len(content) > _MAX_SIZE:
            raise refuse(str(path), "it is too large")
        return content.decode("utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except UnicodeDecodeError as error:
        raise refuse(str(path), "it is not UTF-8") from error


def make_parents(path: Path) -> None:
    """Create the folders of settings, which everybody may read."""
    for folder in reversed((path, *path.parents)):
        if not folder.is_dir():
            folder.mkdir(mode=0o755, exist_ok=True)
            sync_directory(folder.parent)


def _write(path: Path, text: str, like: Path, crash_point: CrashPoint) -> None:
    """Write a file with the mode and the owner of another one."""
    status = like.stat() if like.exists() else None
    with replace_file(path, label="mirror", crash_point=crash_point) as stream:
        os.fchmod(stream.fileno(), (status.st_mode & 0o7777) if status else _READABLE)
        if status is not None and os.geteuid() == 0:
            os.fchown(stream.fileno(), status.st_uid, status.st_gid)
        stream.write(text.encode())
