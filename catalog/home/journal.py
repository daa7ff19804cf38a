"""Commits that change trust store and index together, and survive a crash together.

SQLite cannot commit two files at once. So the trust store is committed first, with a note of what the index must take over; then
the index, which records the number of the note; then the note is cleared. A crash leaves notes behind: `finish` applies them, and
one that the index has applied already is only cleared.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from catalog.errors import StorageError, UnavailableError, VerificationError
from catalog.ipld.block import Blockstore
from catalog.storage.database import Database
from catalog.storage.files import CrashPoint

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from catalog.index.loading import Prepared
    from catalog.index.update import IndexUpdate


class Journal:
    """The commits of one home. ``blocks`` opens the blockstore, for updates that read a whole snapshot."""

    def __init__(self, trust: Database, index: Database, blocks: Callable[[], Blockstore], crash_point: CrashPoint) -> None:
        self._trust = trust
        self._index = index
        self._blocks = blocks
        self._crash_point = crash_point

    def commit(self, update: "IndexUpdate", trust: Callable[["Connection"], None], prepared: "Prepared | None" = None) -> None:
        """Change the trust store, then the index. See `catalog.home.home.Home.commit`."""
        from catalog.index.update import encode_update
        from catalog.trust.store import add_unfinished

        with self._trust.write() as connection:
            trust(connection)
            number = add_unfinished(connection, update.catalogue, encode_update(update))
        self._crash_point("home: between trust and index")
        self._apply(number, update, prepared)

    def finish(self, *, required: bool = True) -> bool:
        """Rebuild an index that was lost, and apply what earlier commits left undone; return whether all of it is done.

        Without ``required``, what the disk has no room for is left to the next opening, so that a full disk can be read.
        """
        from catalog.index.rebuild import is_lost, rebuild_index
        from catalog.index.update import decode_update
        from catalog.trust.store import list_unfinished

        if is_lost(self._index, self._trust):
            rebuild_index(self._index, self._trust, self._blocks())
        with self._trust.read() as connection:
            unfinished = list_unfinished(connection)
        for note in unfinished:
            try:
                self._apply(note.unfinished_id, decode_update(note.catalogue, note.update))
            except (UnavailableError, VerificationError):
                continue  # a snapshot whose blocks are gone or damaged; the next sync fetches them
            except StorageError:
                if required:
                    raise
                return False
        return True

    def _apply(self, number: int, update: "IndexUpdate", prepared: "Prepared | None" = None) -> None:
        from catalog.index.update import take_update
        from catalog.trust.conflicts import list_conflicts
        from catalog.trust.store import clear_unfinished

        differing = []
        if update.whole and prepared is None:
            with self._trust.read() as connection:
                differing = list_conflicts(connection, state=None, catalogue=update.catalogue)
        take_update(self._index, number, update, self._blocks(), differing, prepared)
        with self._trust.write() as connection:
            clear_unfinished(connection, number)
