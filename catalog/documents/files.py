"""A file of an image."""

from dataclasses import dataclass
from datetime import UTC, datetime

from catalog.operations.files import ListedFile


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file, directory or link of an image.

    ``mode`` is as ``ls -l`` shows it, ``modified`` a time, or null for a directory that no layer has an entry for, ``target`` what
    a link leads to, else null; ``layer`` is the number of the layer that it is from, the first being 1.
    """

    path: str
    kind: str
    mode: str
    uid: int
    gid: int
    size: int
    modified: str | None
    target: str | None
    layer: int


def describe_file(file: ListedFile) -> File:
    """Return the document of a file."""
    return File(
        path=f"/{file.path}",
        kind=file.kind,
        mode=file.mode,
        uid=file.uid,
        gid=file.gid,
        size=file.size,
        modified=None if file.modified is None else format_moment(file.modified),
        target=file.target or None,
        layer=file.layer,
    )


def format_moment(seconds: int) -> str:
    """Return seconds since 1970 as a time; as a number where no calendar reaches."""
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return str(seconds)
