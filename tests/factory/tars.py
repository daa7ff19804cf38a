"""Tar files from their members."""

import io
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path


def make_tar(
    files: Mapping[str, bytes | tuple[str, str]] | Mapping[str, bytes],
    *,
    mtime: int = 0,
    mode: int = 0o644,
    form: int = tarfile.PAX_FORMAT,
    folders: Sequence[str] = (),
) -> bytes:
    """Return a tar of files (bytes) and links (kind, target), in the order given."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as tar:
        for folder in folders:
            info = tarfile.TarInfo(folder)
            info.type = tarfile.DIRTYPE
            tar.addfile(info)
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.mtime, info.mode = mtime, mode
            if isinstance(content, bytes):
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
            else:
                info.type = tarfile.SYMTYPE if content[0] == "symlink" else tarfile.LNKTYPE
                info.linkname = content[1]
                tar.addfile(info)
    return out.getvalue()


def make_layer(files: Mapping[str, bytes], *, mode: int = 0o755) -> bytes:
    """Return a layer of files; equal files make equal bytes."""
    return make_tar(files, mtime=1_700_000_000, mode=mode)


def write_folder(members: Mapping[str, bytes], folder: Path) -> None:
    """Write the members of a tar as files."""
    for name, data in members.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def pieces(data: bytes, size: int = 64 * 1024) -> Iterator[bytes]:
    """Yield data in pieces, as a stream delivers it."""
    for start in range(0, len(data), size):
        yield data[start : start + size]
