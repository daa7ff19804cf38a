"""Recognise inputs that are not exports of images, so that the error says what they are.

People pipe the output of a command that failed, a proxy's login page, or what ``docker export`` writes.
"""

import json
import re
from typing import Final

from catalog.errors import ArchiveError

HEAD_SIZE: Final = 4096
_SAVE: Final = "docker save IMAGE writes an export of an image"
_TITLE: Final = re.compile(r"<title>([^<]{1,200})", re.IGNORECASE)
_POWERSHELL: Final = (b"\xff\xfe", b"\xfe\xff")
_LFS: Final = b"version https://git-lfs.github.com/"
_BUNDLE: Final = re.compile(rb"[\x01-\x7f]\xa2eroots|[\x80-\xff][\x01-\x7f]\xa2eroots")  # the header of a CARv1
_FORMATS: Final = {
    b"\x1f\x8b\x08": "compressed twice (gzip)",
    b"\x28\xb5\x2f\xfd": "compressed twice (zstd)",
    b"\xfd7zXZ\x00": "compressed twice (xz)",
    b"LZIP": "an lzip file",
    b"\x5d\x00\x00": "an lzma file",
    b"\x1f\x9d": "a file of compress (.Z)",
    b"\x78\x01": "a zlib stream",
    b"\x78\x5e": "a zlib stream",
    b"\x78\x9c": "a zlib stream",
    b"\x78\xda": "a zlib stream",
    b"070701": "a cpio archive",
    b"070702": "a cpio archive",
    b"070707": "a cpio archive",
    b"\xc7\x71": "a cpio archive",
    b"\x04\x22\x4d\x18": "an lz4 file",
    b"Rar!": "a RAR file",
    b"%PDF-": "a PDF file",
    b"PK\x03\x04": "a ZIP file",
    b"\x7fELF": "a program",
    b"hsqs": "a SquashFS image",
    b"7z\xbc\xaf\x27\x1c": "a 7z file",
    b"QFI\xfb": "a disk image",
    b"KDMV": "a disk image",
    b"vhdxfile": "a disk image",
    b"age-encryption.org/": "encrypted (age)",
    b"-----BEGIN AGE ENCRYPTED FILE": "encrypted (age)",
    b"-----BEGIN PGP MESSAGE": "encrypted (PGP)",
    b"Salted__": "encrypted (openssl)",
    b"SQLite format 3\x00": "an SQLite database",
    b"\xed\xab\xee\xdb": "an RPM package",
    b"!<arch>\n": "a Debian package or an archive of objects",
    b"#!/usr/bin/env run-singularity": "a Singularity image",
}
_ROOT_FOLDERS: Final = frozenset(
    (
        "bin",
        "boot",
        "dev",
        "etc",
        "home",
        "lib",
        "lib64",
        "media",
        "mnt",
        "opt",
        "proc",
        "root",
        "run",
        "sbin",
        "srv",
        "sys",
        "tmp",
        "usr",
        "var",
    )
)
_USTAR: Final = slice(257, 262)
_SURE: Final = 4  # folders of a root file system in a row that no export of an image has


def refuse_foreign(head: bytes) -> None:
    """Raise `ArchiveError` if the first `HEAD_SIZE` bytes of an inflated input are not those of a tar but of something known."""
    if not head:
        raise ArchiveError("the input is empty: did the command before it fail?", hint=_SAVE)
    is_tar = head[_USTAR] == b"ustar"  # whose first member may have such a name
    if _BUNDLE.match(head) and not is_tar:
        raise ArchiveError("the input is a bundle of blocks (CAR), not an export of an image", hint="dcat import FILE")
    for magic, what in _FORMATS.items():
        if head.startswith(magic) and not is_tar:
            raise ArchiveError(f"the input is {what}, not an export of an image", hint=_SAVE)
    if head.startswith(_POWERSHELL):
        raise ArchiveError(
            "the input was rewritten as text, and is damaged",
            why="PowerShell's > and | change the bytes that a program writes",
            hint="docker save -o FILE IMAGE",
        )
    if head.startswith(_LFS):
        raise ArchiveError("the input is a Git LFS pointer, not the file itself", hint="git lfs pull")
    if b"\0" in head[:512]:  # every header of a tar has some
        return
    text = head.decode("utf-8", "replace").lstrip("\ufeff \t\r\n")
    if text[:1] in ("{", "["):
        raise ArchiveError("the input is JSON, not an export of an image", why=_quote(_find_message(text)), hint=_SAVE)
    if text[:5].lower() in ("<!doc", "<html", "<?xml", "<head"):
        title = _TITLE.search(text)
        raise ArchiveError(
            "the input is HTML, not an export of an image",
            why=f"a page with the title {_quote(title[1])}" if title else "",
            hint="a proxy or a login page may have answered in place of the server",
        )
    if text.isprintable() or text.replace("\n", "").replace("\r", "").replace("\t", "").isprintable():
        raise ArchiveError("the input is text, not an export of an image", why=_quote(text.split("\n", 1)[0]), hint=_SAVE)


class RootWatch:
    """Watch the members of a tar for those of a root file system, as ``docker export`` and ``podman export`` write it."""

    def __init__(self) -> None:
        self._folders: set[str] = set()
        self._has_metadata = False

    def add(self, name: str) -> None:
        """Note a member; raise `ArchiveError` as soon as the tar is certainly a root file system."""
        top = name.partition("/")[0]
        if top in ("manifest.json", "index.json", "oci-layout", "repositories", "blobs"):
            self._has_metadata = True
        if top in _ROOT_FOLDERS:
            self._folders.add(top)
        if not self._has_metadata and (name == ".dockerenv" or len(self._folders) >= _SURE):
            raise _root_error()

    def explain(self, error: ArchiveError) -> ArchiveError:
        """Return the better error for a tar that was refused: root file systems hold devices and links that exports do not."""
        return _root_error() if self._folders and not self._has_metadata else error


def _root_error() -> ArchiveError:
    return ArchiveError(
        "this is the file system of a container, not an image",
        why="docker export and podman export write files without the image's configuration and layers",
        hint="docker save IMAGE (docker commit makes an image of a container)",
    )


def _find_message(text: str) -> str:
    """Return the message of a JSON error, as engines and registries answer it; else the first line."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return text.split("\n", 1)[0]
    errors = document.get("errors") if isinstance(document, dict) else None
    for entry in (document, errors[0] if isinstance(errors, list) and errors else None):
        if isinstance(entry, dict):
            for key in ("message", "error", "detail"):
                if isinstance(entry.get(key), str):
                    return str(entry[key])
    return text.split("\n", 1)[0]


def _quote(text: str) -> str:
    shown = text.strip()[:160].encode("ascii", "backslashreplace").decode()
    return f'"{shown}"' if shown else ""
