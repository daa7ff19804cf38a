"""A cache of the deltas that this home made for others; the least recently used are deleted to keep its size bounded.

    <home>/deltas/<base>.<target>.<new bytes>.delta

A file appears whole or not at all, also after a crash. All of them can be made again.
"""

import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from catalog.delta.make import SERVED_DELTA, make_delta
from catalog.errors import LockedError, StorageError
from catalog.home.home import Home
from catalog.ipld.block import Block, BlockSource
from catalog.ipld.cid import Cid, convert_to_v1
from catalog.limits import MAX_DELTA_CACHE
from catalog.storage.files import sync_file

DELTAS_DIRECTORY = "deltas"
UNFINISHED_DELTA = ".delta-"
"""Begins the name of a file, or of a folder with one, in the home in which a delta is made for a publish or a bundle."""
_SUFFIX = ".delta"
_UNFINISHED = ".new-"
_ABANDONED = 86400.0  # seconds after which no running command owns an unfinished file


class KeptDelta(NamedTuple):
    """A delta file; ``new_bytes`` is the stored size of the blocks that it rebuilds."""

    path: Path
    size: int
    new_bytes: int


class DeltaCache:
    """The delta files of one directory. Several threads and processes may use it at the same time."""

    def __init__(self, directory: Path, *, max_size: int = MAX_DELTA_CACHE) -> None:
        self._directory = directory
        self._max_size = max_size

    def find(self, base: Cid, target: Cid) -> KeptDelta | None:
        """Return the file of a pair and mark it as used now; None if there is none."""
        for kept in self._list(f"{_name(base, target)}.*{_SUFFIX}"):
            with suppress(OSError):
                os.utime(kept.path)
            return kept
        return None

    def make(self, base: Cid, target: Cid, source: BlockSource, *, stopped: Callable[[], bool] = lambda: False) -> KeptDelta:
        """Write and keep the delta of a pair, in memory of one section. Stop early once ``stopped()`` is true.

        Raise `BlockNotFoundError` if ``source`` does not hold both archives, `DeltaError` if a delta would save too little,
        `StorageError` if it cannot be written.
        """
        unfinished = self._directory / f"{_UNFINISHED}{os.urandom(8).hex()}"
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            delta = make_delta(base, target, _Stoppable(source, stopped), unfinished, SERVED_DELTA, max_size=self._max_size // 2)
            path = self._directory / f"{_name(base, target)}.{delta.new_bytes}{_SUFFIX}"
            sync_file(unfinished)
            self._make_room(delta.size, unfinished.stat().st_mtime)
            unfinished.replace(path)
        except OSError as error:
            raise StorageError("a delta cannot be kept", why=error.strerror or str(error)) from error
        finally:
            unfinished.unlink(missing_ok=True)
        return KeptDelta(path, delta.size, delta.new_bytes)

    def size(self) -> int:
        """Return the total size of all files, in bytes."""
        return sum(kept.size for kept in self._list(f"*{_SUFFIX}"))

    def clear(self) -> int:
        """Delete all files; return how many bytes that freed."""
        freed = 0
        for kept in self._list(f"*{_SUFFIX}"):
            kept.path.unlink(missing_ok=True)
            freed += kept.size
        return freed

    def _make_room(self, size: int, now: float) -> None:
        """Delete the least recently used files until ``size`` more bytes fit, and unfinished files that a crash left."""
        total = self.size() + size
        for path in self._by_age(f"*{_SUFFIX}"):
            if total <= self._max_size:
                break
            total -= path.stat().st_size
            path.unlink(missing_ok=True)
        for path in self._by_age(f"{_UNFINISHED}*"):
            with suppress(FileNotFoundError):
                if now - path.stat().st_mtime > _ABANDONED:
                    path.unlink()

    def _by_age(self, pattern: str) -> list[Path]:
        ages: list[tuple[float, Path]] = []
        for path in self._directory.glob(pattern):
            with suppress(FileNotFoundError):
                ages.append((path.stat().st_mtime, path))
        return [path for _, path in sorted(ages)]

    def _list(self, pattern: str) -> Iterator[KeptDelta]:
        for path in self._directory.glob(pattern):
            new_bytes = path.name.removesuffix(_SUFFIX).rpartition(".")[2]
            with suppress(FileNotFoundError):
                if new_bytes.isascii() and new_bytes.isdecimal():
                    yield KeptDelta(path, path.stat().st_size, int(new_bytes))


class _Stoppable:
    """A block source that raises `LockedError` once ``stopped()`` is true."""

    def __init__(self, source: BlockSource, stopped: Callable[[], bool]) -> None:
        self._source = source
        self._stopped = stopped

    def get(self, cid: Cid) -> bytes:
        if self._stopped():
            raise LockedError("stopped before the delta was made")
        return self._source.get(cid)

    def get_many(self, cids: Iterable[Cid]) -> Iterator[Block]:
        if self._stopped():
            raise LockedError("stopped before the delta was made")
        return self._source.get_many(cids)


def open_delta_cache(home: Home) -> DeltaCache:
    """Return the home's cache; its directory is created with the first file."""
    return DeltaCache(home.path / DELTAS_DIRECTORY)


def delete_left_deltas(home: Home) -> None:
    """Delete what killed publishes and exports left; no command may be running that makes a delta for one."""
    for path in home.path.glob(f"{UNFINISHED_DELTA}*"):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _name(base: Cid, target: Cid) -> str:
    return f"{convert_to_v1(base)}.{convert_to_v1(target)}"
