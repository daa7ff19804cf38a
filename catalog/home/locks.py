"""The locks of a home, each held by one command at a time. Leases of blocks are something else: `catalog.blockstores.leasing`.

========  =================================================  ===============================================
lock      held while                                         by
========  =================================================  ===============================================
own       a release is read, changed and put back            publish, yank, remove, merges, repairs
key       the first publish creates key and catalogue        publish
share     the own catalogue is merged, signed and offered    share, recover, repairs
sync      one followed catalogue is updated                  sync, subscribe
kubo      the own catalogue's pin in a Kubo node is moved    share
========  =================================================  ===============================================
"""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Literal

from catalog.limits import BUSY_TIMEOUT, SHARE_LOCK_TIMEOUT
from catalog.storage.locks import locked

HomeLock = Literal["own", "key", "share", "sync", "kubo"]


def hold_lock(home: Path, lock: HomeLock) -> AbstractContextManager[None]:
    """Hold one lock of the home; raise `LockedError` if another command does not release it in time."""
    return locked(home / f"{lock}.lock", BUSY_TIMEOUT if lock == "key" else SHARE_LOCK_TIMEOUT)
