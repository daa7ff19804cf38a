"""A file that appears whole or not at all, in place of one that was there; or a stream, which cannot."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from catalog.storage.sqlite import sync_directory


@contextmanager
def write_whole(output: Path | BinaryIO) -> Iterator[BinaryIO]:
    """Give a stream to write to; a file takes its name when all of it is on the disk."""
    if not isinstance(output, Path):
        yield output
        output.flush()
        return
    if output.exists() and not output.is_file():
        with output.open("wb") as device:  # /dev/stdout, a pipe: nothing to be put in place
            yield device
        return
    partial = output.with_name(f".{output.name[:100]}.{secrets.token_hex(6)}")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.replace(output)
        sync_directory(output.parent)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
