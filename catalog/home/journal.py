"""Commits that change trust store and index together, and survive a crash together.

SQLite cannot commit two files at once. So the trust store is committed first, with a note of what the index must take over; then
the index, which records the number of the note; then the note is cleared. A crash leaves notes behind: `finish` applies them, and
one that the index has applied already is only cleared.

A full disk should refuse the first of these and not the second, since a command that fails has changed nothing then. So a commit
begins only where there is room for all of it.
"""

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from catalog.errors import StorageError, UnavailableError, VerificationError
from catalog.ipld.block import Blockstore
from catalog.limits import KIB
from catalog.storage.database import Database
from catalog.storage.files import CrashPoint
from catalog.storage.sqlite import require_room

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from catalog.index.loading import Prepared
    from catalog.index.update import IndexUpdate

# What both files take, measured with 1 to 1,000 releases: 130 KiB for one, and 4 times the note for many.
_ROOM: Final = 256 * KIB
_ROOM_PER_BYTE: Final = 4


class Journal:
    """The commits of one home. ``blocks`` opens the blockstore, for updates that read a whole snapshot."""

    def __init__(self, trust: Database, index: Database, blocks: Callable[[], Blockstore], crash_point: CrashPoint) -> None:
        self._trust = trust
        self._index = index
        self._blocks = blocks
        self._crash_point = crash_point

    def commit(self, update: "IndexUpdate", trust: Callable[["Connection"], None], prepared: "Prepared | None" = None) -> bool:
        """Change the trust store, then the index (see `catalog.home.home.Home.commit`); return whether the note was cleared.

        Where it was not, since the disk is full, both are changed nevertheless. `finish` clears it, before the next commit. Raise
        `StorageError` before anything is changed where there is no room for both, or where the disk became full in between: the
        next opening changes the index then, and the error says so.
        """
        from catalog.index.update import encode_update
        from catalog.trust.store import add_unfinished

        note = encode_update(update)
        require_room(self._trust.path.parent, _ROOM + _ROOM_PER_BYTE * len(json.dumps(note)))
        with self._trust.write() as connection:
            trust(connection)
            number = add_unfinished(connection, update.catalogue, note)
        self._crash_point("home: between trust and index")
        try:
            self._apply(number, update, prepared)
        except StorageError as error:
            kept = "the change is kept, and the next command that has room completes it"
            raise StorageError(error.message, why=f"{error.why}; {kept}" if error.why else kept, hint=error.hint) from error
        try:
            self._clear(number)
        except StorageError:
            return False
        return True

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
                self._clear(note.unfinished_id)
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

        differing = []
        if update.whole and prepared is None:
            with self._trust.read() as connection:
                differing = list_conflicts(connection, state=None, catalogue=update.catalogue)
        take_update(self._index, number, update, self._blocks(), differing, prepared)

    def _clear(self, number: int) -> None:
        from catalog.trust.store import clear_unfinished

        with self._trust.write() as connection:
            clear_unfinished(connection, number)
