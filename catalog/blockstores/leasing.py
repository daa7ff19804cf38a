"""Leases: while a command holds one, no block that it may rely on is deleted.

A publish does not write blocks again that are here already; a pull fetches blocks to which nothing refers yet. So blocks are swept
only in a transaction in which no other lease is valid. A lease ends when its command releases it, when its process is gone, or
after 24 hours (as in containerd). PIDs are used again, so a lease also says when its process began. On a full disk its row cannot
be deleted, and in a process that goes on, such as a server, it would keep the collection away that could make room: it is deleted
as soon as there is some.
"""

import os
import secrets
import socket
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from catalog.blockstores.embedded import EmbeddedBlockstore
from catalog.blockstores.rows import FREED_A_TRANSACTION, delete_some
from catalog.errors import DcatError, LockedError, StorageError
from catalog.ipld.cid import Cid
from catalog.limits import KIB, LEASE_TIME
from catalog.model.release import format_time
from catalog.storage.processes import find_start, is_running
from catalog.storage.sqlite import connect, translated

_LEAST_SWEPT: Final = 64 * KIB
_END: Final = "DELETE FROM leases WHERE lease_id = ?"
_END_RETRY: Final = 1.0  # seconds

COLLECTING = "gc"
"""The purpose of a lease under which garbage is collected."""


@dataclass(frozen=True, slots=True)
class Lease:
    """A running command's claim on all blocks. ``purpose`` names the command for users; ``process`` is its PID on ``host``.

    ``lease_id`` is random and, behind a dash, when that process began, where the system tells.
    """

    lease_id: str
    purpose: str
    host: str
    process: int
    since: str
    expires: str


@contextmanager
def hold_lease(blocks: EmbeddedBlockstore, purpose: str, now: datetime) -> Iterator[Lease]:
    """Keep every block until this ends, or soon after it where the disk is full then.

    This ends a lease for `COLLECTING`: what a collector has found to be garbage may be in use from now on, also after this lease
    has ended.
    """
    expires = now + timedelta(seconds=LEASE_TIME)
    lease_id = f"{secrets.token_hex(8)}-{find_start(os.getpid())}"
    lease = Lease(lease_id, purpose, socket.gethostname(), os.getpid(), format_time(now), format_time(expires))
    with blocks.file.transaction() as connection:
        connection.execute("DELETE FROM leases WHERE purpose = ?", (COLLECTING,))
        connection.execute(
            "INSERT INTO leases VALUES (?, ?, ?, ?, ?, ?)",
            (lease.lease_id, lease.purpose, lease.host, lease.process, lease.since, lease.expires),
        )
    try:
        yield lease
    finally:
        try:
            with blocks.file.transaction() as connection:
                connection.execute(_END, (lease.lease_id,))
        except DcatError:
            threading.Thread(target=_end_later, args=(blocks.file.path, lease), name="lease", daemon=True).start()


def _end_later(path: Path, lease: Lease) -> None:
    """End a lease once the disk has room, or its file is gone; the end of the process ends it too."""
    waiting = threading.Event()
    for _ in range(int(LEASE_TIME / _END_RETRY)):
        waiting.wait(_END_RETRY)
        try:
            with translated(path), closing(connect(path)) as connection:
                connection.execute(_END, (lease.lease_id,))
        except DcatError:
            if path.exists():
                continue
        return


def list_leases(blocks: EmbeddedBlockstore, now: datetime) -> list[Lease]:
    """Return the valid leases, oldest first."""
    with blocks.file.reading() as connection:
        return _holding(connection, now)


def refuse_others(blocks: EmbeddedBlockstore, now: datetime, own: Lease | None = None) -> None:
    """Raise `LockedError` if a lease other than ``own`` is valid."""
    for lease in list_leases(blocks, now):
        if own is None or lease.lease_id != own.lease_id:
            raise LockedError(
                f"{lease.purpose} is running (process {lease.process}, since {lease.since})",
                why="blocks that it may rely on cannot be deleted",
                hint="wait for its end",
            )


def sweep(
    blocks: EmbeddedBlockstore,
    cids: Iterable[Cid],
    now: datetime,
    *,
    own: Lease,
    forget: bool = True,
    beside: EmbeddedBlockstore | None = None,
) -> int:
    """Delete blocks that nothing refers to; return how many were deleted. With ``forget`` their rows in ``moved`` go too.

    ``beside`` is another store of the home, from which they are deleted instead, under the leases of ``blocks``. The caller has
    found ``cids`` under the lease ``own``, while no other lease was valid. Raise `LockedError` as soon as another one is, or has
    been since ``own`` began; the blocks that were not deleted by then stay.
    """
    digests = [cid.digest for cid in cids]
    total = 0
    if blocks.file.keeps_log and beside is None:
        digests = blocks.newest_first(digests)
        total, done = _sweep_without_room(blocks, digests, now, own=own, forget=forget)
        del digests[:done]
    left, taken = iter(digests), 1
    while taken:
        with blocks.file.transaction(compact=not blocks.file.is_short_of_room) as connection:
            _check_own(connection, now, own)
            if beside is None:
                taken, deleted = delete_some(connection, left, forget=forget)
            else:
                with beside.file.transaction(compact=not beside.file.is_short_of_room) as other:
                    taken, deleted = delete_some(other, left)
        total += deleted
    (beside or blocks).file.finish_deleting()
    return total


def _sweep_without_room(
    blocks: EmbeddedBlockstore, digests: Sequence[bytes], now: datetime, *, own: Lease, forget: bool
) -> tuple[int, int]:
    """Delete blocks on a full disk while the log is kept; return how many were deleted, and how many digests were taken.

    The newest ones are at the end of the file, or of the log. Where they go the file is cut off: little is written for that. Where
    they do not go, what is behind them takes their place, which needs as much room as they had. So pieces become smaller until one
    fits, and the log is emptied as soon as the file need not grow for that.
    """
    size, total, done = FREED_A_TRANSACTION, 0, 0
    while done < len(digests) and blocks.file.is_short_of_room:
        try:
            with blocks.file.transaction(compact=True, spills=False) as connection:
                _check_own(connection, now, own)
                taken, deleted = delete_some(connection, iter(digests[done:]), forget=forget, most=size)
        except StorageError:
            size //= 2
            if size < _LEAST_SWEPT:
                break
            continue
        total, done = total + deleted, done + taken
        with suppress(StorageError):
            blocks.file.empty_kept_log()
    return total, done


def _check_own(connection: sqlite3.Connection, now: datetime, own: Lease) -> None:
    """Raise `LockedError` if another lease is valid, or has been since ``own`` began."""
    holding = _holding(connection, now)
    for lease in holding:
        if lease.lease_id != own.lease_id:
            raise LockedError(
                f"{lease.purpose} is running (process {lease.process}, since {lease.since})",
                why="blocks that it may rely on cannot be deleted",
            )
    if own not in holding:
        raise LockedError(
            "another command ran while garbage was being collected",
            why="it may rely on blocks that nothing referred to before",
            hint="run the command again",
        )


def _holding(connection: sqlite3.Connection, now: datetime) -> list[Lease]:
    """Return the leases that have not expired, without those of a process of this host that is gone."""
    rows = connection.execute("SELECT * FROM leases WHERE expires > ? ORDER BY since", (format_time(now),)).fetchall()
    leases = [Lease(*row) for row in rows]
    return [lease for lease in leases if lease.host != socket.gethostname() or _is_held(lease)]


def _is_held(lease: Lease) -> bool:
    """Return whether a lease's process on this machine is running, and no other one that has its PID now."""
    if not is_running(lease.process):
        return False
    began, now = lease.lease_id.partition("-")[2], find_start(lease.process)
    return not began or not now or began == now
