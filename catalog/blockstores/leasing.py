"""Leases: while a command runs, no block is deleted that it may count on.

A publish finds blocks that are here already and does not write them again; a pull fetches what nothing refers to yet. So blocks are
swept only in a transaction in which no lease holds. A lease ends with its command: by itself, when its process is gone, or after
24 hours (containerd's figure).
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
"""The purpose of a lease under which garbage is looked for and swept."""


@dataclass(frozen=True, slots=True)
class Lease:
    """A running command's claim on all blocks. ``purpose`` says to people what runs; ``process`` is its number on ``host``."""

    lease_id: str
    purpose: str
    host: str
    process: int
    since: str
    expires: str


@contextmanager
def hold_lease(blocks: EmbeddedBlockstore, purpose: str, now: datetime) -> Iterator[Lease]:
    """Keep every block while this lasts.

    Whoever collects garbage meanwhile (under a lease for `COLLECTING`) loses its own lease: what it found to be garbage may be none
    any more, also when this one has ended again.
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
    """Give the leases that hold, oldest first."""
    with blocks.file.reading() as connection:
        return _holding(connection, now)


def refuse_others(blocks: EmbeddedBlockstore, now: datetime, own: Lease | None = None) -> None:
    """Raise `LockedError` where a lease other than ``own`` holds."""
    for lease in list_leases(blocks, now):
        if own is None or lease.lease_id != own.lease_id:
            raise LockedError(
                f"{lease.purpose} is running (process {lease.process}, since {lease.since})",
                why="blocks that it may count on cannot be deleted",
                hint="wait for its end",
            )


def sweep(blocks: EmbeddedBlockstore, cids: Iterable[Cid], now: datetime, *, own: Lease, forget: bool = True) -> int:
    """Delete blocks that nothing refers to, unless a lease other than ``own`` holds; give how many were deleted.

    Unless ``forget`` is false, that another place holds them is forgotten too.

    Whoever sweeps found ``cids`` under ``own``, while no other lease held. Raises `LockedError` as soon as one does, or did since
    ``own`` began: what is left then stays, and so does everything that a command which began meanwhile may count on.
    """
    digests = iter([cid.digest for cid in cids])
    total, taken = 0, 1
    while taken:
        with blocks.file.transaction(compact=True) as connection:
            holding = _holding(connection, now)
            for lease in holding:
                if lease.lease_id != own.lease_id:
                    raise LockedError(
                        f"{lease.purpose} is running (process {lease.process}, since {lease.since})",
                        why="blocks that it may count on cannot be deleted",
                    )
            if own not in holding:
                raise LockedError(
                    "another command ran while garbage was looked for",
                    why="it may count on blocks that were none of its before",
                    hint="do it again",
                )
            taken, deleted = delete_some(connection, digests, forget=forget)
        total += deleted
    blocks.file.truncate_log()
    return total


def _holding(connection: sqlite3.Connection, now: datetime) -> list[Lease]:
    """Give the leases that have not ended: neither by time nor with their process, where that was one of this host."""
    rows = connection.execute("SELECT * FROM leases WHERE expires > ? ORDER BY since", (format_time(now),)).fetchall()
    leases = [Lease(*row) for row in rows]
    return [lease for lease in leases if lease.host != socket.gethostname() or _is_running(lease.process)]


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
