"""Files that belong to another user: what one run of a command under sudo leaves in a directory."""

from __future__ import annotations

import errno
import os

from catalog.model.text import quote

TYPE_CHECKING = False  # see catalog.record
if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_DENIED = {errno.EACCES, errno.EPERM}


def explain_owner(paths: Sequence[Path], given: Path | None = None) -> tuple[str, str]:
    """Return why this process may not use one of the files or their directory that belongs to another user, and a hint.

    Two empty texts where there is none. Only where that stands in a directory of this user's own is there a hint: the command that
    gives ``given`` (or it alone) back to the user.
    """
    user = os.geteuid()
    for path in (*paths, *(path.parent for path in paths[:1])):
        try:
            owner, directory = path.lstat().st_uid, path.parent.stat().st_uid
        except OSError:
            continue
        if owner == user or os.access(path, os.R_OK | os.W_OK, effective_ids=os.access in os.supports_effective_ids):
            continue
        hint = f'sudo chown -R "$(id -u)" {quote(str(given or path))}' if directory == user else ""
        return f"{path.name or path} belongs to {_name_of(owner)}", hint
    return "", ""


def explain_failure(error: OSError, path: Path, given: Path | None = None) -> tuple[str, str]:
    """Return why the system refused a file, and a hint or an empty text."""
    why, hint = explain_owner([path], given) if error.errno in _DENIED else ("", "")
    return why or error.strerror or str(error), hint


def _name_of(user: int) -> str:
    from pwd import getpwuid

    try:
        return getpwuid(user).pw_name
    except KeyError:
        return f"user {user}"
