"""``dcat remove``: take a release out of the own catalogue, signed and shared; its line stays, without images."""

from dataclasses import dataclass, replace

from catalog.errors import DcatError
from catalog.home.home import Home
from catalog.index.entry import IndexedRelease
from catalog.index.history import Change
from catalog.index.own import find_own
from catalog.own.share import SIGN_ONLY, Shared, Sharing, share_change
from catalog.progress import Progress, silent


@dataclass(frozen=True, slots=True)
class Removed:
    """The release as it is now, and whether this changed it. ``shared`` and ``share_error`` are as in `Published`."""

    entry: IndexedRelease
    changed: bool
    shared: Shared | None = None
    share_error: DcatError | None = None


def remove(home: Home, reference: str, *, sharing: Sharing = SIGN_ONLY, progress: Progress = silent) -> Removed:
    """Remove a release, then sign and share the catalogue; a release that was removed before stays as it is.

    Its blocks stay until a ``gc`` that deletes. Raise `ReleaseNotFoundError` where the own catalogue never had such a release.
    """
    entry, changed = _take_out(home, reference)
    shared, share_error = share_change(home, sharing, progress=progress)
    return Removed(entry, changed, shared, share_error)


def _take_out(home: Home, reference: str) -> tuple[IndexedRelease, bool]:
    with home.lock("own"):
        with home.index.read() as connection:
            entry = find_own(connection, reference)
        if entry.release.removed is not None:
            return entry, False
        release = replace(entry.release, images={}, removed=home.time)
        home.put_own([release], [Change(entry.catalogue.catalogue, home.time, "removed", release.name, release.version)])
    return replace(entry, release=release), True
