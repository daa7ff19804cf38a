"""Leases: while a command holds one, no block that it may rely on is deleted.

A publish does not write blocks again that are here already; a pull fetches blocks to which nothing refers yet. So blocks are swept
only in a transaction in which no other lease is valid. A lease ends when its command releases it, when its process is gone, or
after 24 hours (as in containerd).
"""

import os
import secrets
import socket
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from catalog.blockstores.embedded import EmbeddedBlockstore, delete_some
from catalog.errors import LockedError
from catalog.ipld.cid import Cid
from catalog.limits import LEASE_TIME
from catalog.model.release import format_time

COLLECTING = "gc"
"""The purpose of a lease under which garbage is collected."""


@dataclass(frozen=True, slots=True)
class Lease:
    """A running command's claim on all blocks. ``purpose`` names the command for users; ``process`` is its PID on ``host``."""

    lease_id: str
    purpose: str
    host: str
    process: int
    since: str
    expires: str


@contextmanager
def hold_lease(blocks: EmbeddedBlockstore, purpose: str, now: datetime) -> Iterator[Lease]:
    """Keep every block until this ends.

    This ends a lease for `COLLECTING`: what a collector has found to be garbage may be in use from now on, also after this lease
    has ended.
    """
    expires = now + timedelta(seconds=LEASE_TIME)
    lease = Lease(secrets.token_hex(8), purpose, socket.gethostname(), os.getpid(), format_time(now), format_time(expires))
    with blocks.file.transaction() as connection:
        connection.execute("DELETE FROM leases WHERE purpose = ?", (COLLECTING,))
        connection.execute(
            "INSERT INTO leases VALUES (?, ?, ?, ?, ?, ?)",
            (lease.lease_id, lease.purpose, lease.host, lease.process, lease.since, lease.expires),
        )
    try:
        yield lease
    finally:
        with blocks.file.transaction() as connection:
            connection.execute("DELETE FROM leases WHERE lease_id = ?", (lease.lease_id,))


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
    digests = iter([cid.digest for cid in cids])
    total, taken = 0, 1
    while taken:
        with blocks.file.transaction(compact=not blocks.file.is_short_of_room) as connection:
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
            if beside is None:
                taken, deleted = delete_some(connection, digests, forget=forget)
            else:
                with beside.file.transaction(compact=not beside.file.is_short_of_room) as other:
                    taken, deleted = delete_some(other, digests)
        total += deleted
    (beside or blocks).file.finish_deleting()
    return total


def _holding(connection: sqlite3.Connection, now: datetime) -> list[Lease]:
    """Return the leases that have not expired, without those of a process of this host that is gone."""
    rows = connection.execute("SELECT * FROM leases WHERE expires > ? ORDER BY since", (format_time(now),)).fetchall()
    leases = [Lease(*row) for row in rows]
    return [lease for lease in leases if lease.host != socket.gethostname() or is_running(lease.process)]


def is_running(process: int) -> bool:
    """Return whether there is a process with this PID on this machine."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
