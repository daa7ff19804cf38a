"""The members of an OCI layout directory, on disk or in IPFS: only what the chosen image needs is read."""

import hashlib
import os
import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO, Final

from catalog.errors import ArchiveError
from catalog.image.dag import StoredLayer
from catalog.image.layers import LayerReader, check_blob, hash_pieces
from catalog.image.tar import normalise_name
from catalog.limits import MAX_JSON_SIZE
from catalog.model.digest import DiffID

_READ_SIZE: Final = 1024 * 1024

OpenMember = Callable[[str], tuple[BinaryIO, int] | None]
"""Opens a member by name; returns the stream and its size, or None if there is no such file."""


class LayoutMembers:
    """The members of an OCI layout, read on demand."""

    remarks: Sequence[str] = ()

    def __init__(self, open_member: OpenMember, reader: LayerReader) -> None:
        self._open = open_member
        self._reader = reader
        self._layers: dict[str, StoredLayer] = {}

    def find_inside(self) -> str:
        return ""

    def find_archive(self) -> str:
        return ""

    def document(self, name: str) -> bytes | None:
        opened = self._open(name)
        if opened is None:
            return None
        file, size = opened
        with file:
            if size > MAX_JSON_SIZE:
                raise ArchiveError(f"{name} is not a document", why=f"a document has at most {MAX_JSON_SIZE} bytes of JSON")
            data = file.read(MAX_JSON_SIZE + 1)
        check_blob(name, hashlib.sha256(data).digest())
        return data

    def layer(self, name: str, diff_id: DiffID) -> StoredLayer | None:
        if name in self._layers:
            return self._layers[name]
        opened = self._open(name)
        if opened is None:
            return None
        file, size = opened
        sha256 = hashlib.sha256()
        with file:
            pieces = hash_pieces(self._reader.spend(iter(lambda: file.read(_READ_SIZE), b"")), sha256.update)
            plain = name == f"blobs/sha256/{diff_id.hex}"
            layer = self._layers[name] = self._reader.read(name, size, pieces, plain=plain)
            for _ in pieces:
                pass
        check_blob(name, sha256.digest())
        return layer


def open_in_folder(folder: Path) -> OpenMember:
    """Return what opens the files of a folder on disk. Links are refused, and so nothing outside of the folder is read."""

    def open_member(name: str) -> tuple[BinaryIO, int] | None:
        path = folder
        for part in normalise_name(name).split("/"):
            path = path / part
            try:
                mode = path.lstat().st_mode
            except (FileNotFoundError, NotADirectoryError):
                return None
            if stat.S_ISLNK(mode):
                raise ArchiveError(f"{path} is a link", why="links in a layout folder are not followed")
        if not stat.S_ISREG(mode):
            return None
        file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb")
        return file, os.fstat(file.fileno()).st_size

    return open_member
