"""Which paths a process changes, as Python's audit events name them: observed below all code of dcat, whatever that code meant."""

import json
import os
import sys
from pathlib import Path
from typing import Any
from urllib.parse import unquote

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_CHANGED = {  # the event, and which of its arguments are paths
    "os.chmod": (0,),
    "os.chown": (0,),
    "os.link": (0, 1),
    "os.mkdir": (0,),
    "os.remove": (0,),
    "os.rename": (0, 1),
    "os.rmdir": (0,),
    "os.setxattr": (0,),
    "os.symlink": (1,),
    "os.truncate": (0,),
    "os.utime": (0,),
}
_STARTED = ("os.exec", "os.posix_spawn", "os.system", "subprocess.Popen")


def watch(report: int) -> None:
    """Write each path that this process changes from now on to the descriptor ``report``, as one line of JSON.

    Paths are absolute and not resolved. A program that is started is written as ``program: …``.
    """

    def note(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, _, flags = arguments
            found = [path] if isinstance(flags, int) and flags & _WRITING else []
        elif event == "sqlite3.connect":
            found = [_file_of(arguments[0])]
        elif event in _CHANGED:
            found = [arguments[position] for position in _CHANGED[event]]
        elif event in _STARTED:
            found = [f"program: {arguments[0]}"]
        else:
            return
        for path in found:
            if isinstance(path, str | bytes | os.PathLike):  # an open descriptor was named when it was opened
                os.write(report, json.dumps(os.path.join(os.getcwd(), os.fsdecode(path))).encode() + b"\n")

    sys.addaudithook(note)


def outside(report: Path, *allowed: Path) -> set[str]:
    """Return the paths of a report that lead to none of the ``allowed`` files and folders. Links on the way are followed."""
    places = [os.path.realpath(place) for place in allowed]
    paths = {str(json.loads(line)) for line in report.read_bytes().splitlines()}
    return {path for path in paths if not any(_is_in(os.path.realpath(path), place) for place in places)}


def _file_of(database: object) -> str:
    """Return the path of a database, which may be named by a URI; one in memory has none and is noted as what it is."""
    text = os.fsdecode(database) if isinstance(database, str | bytes | os.PathLike) else str(database)
    return unquote(text.removeprefix("file:").partition("?")[0]) if text.startswith("file:") else text


def _is_in(path: str, place: str) -> bool:
    return path == place or path.startswith(f"{place}/")
