"""``dcat yank``: mark a release of the own catalogue as not to be used, or take the mark away; signed and shared."""

from dataclasses import dataclass, replace

from catalog.errors import DcatError, InvalidInputError, ReleaseNotFoundError
from catalog.home.home import Home
from catalog.index.entry import IndexedRelease
from catalog.index.history import Change
from catalog.index.own import find_own
from catalog.limits import MAX_ANNOTATION_LENGTH
from catalog.own.share import SIGN_ONLY, Shared, Sharing, share_change
from catalog.progress import Progress, silent


@dataclass(frozen=True, slots=True)
class Yanked:
    """The release as it is now, and whether this changed it. ``shared`` and ``share_error`` are as in `Published`."""

    entry: IndexedRelease
    changed: bool
    shared: Shared | None = None
    share_error: DcatError | None = None


def yank(home: Home, reference: str, reason: str | None, *, sharing: Sharing = SIGN_ONLY, progress: Progress = silent) -> Yanked:
    """Yank a release for ``reason``, or undo that with None, then sign and share the catalogue.

    Yanking it again changes the reason. Raise `ReleaseNotFoundError` where the own catalogue has no such release, or removed it.
    """
    if reason is not None and not 0 < len(reason) <= MAX_ANNOTATION_LENGTH:
        raise InvalidInputError(f"a reason has 1 to {MAX_ANNOTATION_LENGTH} characters, not {len(reason)}")
    entry, changed = _mark(home, reference, reason)
    shared, share_error = share_change(home, sharing, progress=progress)
    return Yanked(entry, changed, shared, share_error)


def _mark(home: Home, reference: str, reason: str | None) -> tuple[IndexedRelease, bool]:
    with home.lock("own"):
        with home.index.read() as connection:
            entry = find_own(connection, reference)
        if entry.release.removed is not None:
            raise ReleaseNotFoundError(f'"{reference}" was removed {entry.release.removed}', why="there is nothing left to mark")
        release = replace(entry.release, yanked=reason)
        if release == entry.release:
            return entry, False
        change = Change(
            entry.catalogue.catalogue,
            home.time,
            "unyanked" if reason is None else "yanked",
            release.name,
            release.version,
            detail={} if reason is None else {"reason": reason},
        )
        home.put_own([release], [change])
    return replace(entry, release=release), True
