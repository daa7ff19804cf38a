"""Mark a release of the own catalogue, or take the mark away."""

from dataclasses import dataclass, replace

from catalog.errors import InvalidInputError, ReleaseNotFoundError
from catalog.home.home import Home
from catalog.index.entry import IndexedRelease
from catalog.index.history import Change
from catalog.index.own import find_own
from catalog.limits import MAX_ANNOTATION_LENGTH


@dataclass(frozen=True, slots=True)
class Yanked:
    """The release as it is now, and whether this changed it."""

    entry: IndexedRelease
    changed: bool


def yank(home: Home, reference: str, reason: str | None) -> Yanked:
    """Yank a release for ``reason``, or end that with None; yanking it again changes the reason.

    Raises `ReleaseNotFoundError` where the own catalogue has no such release, or had it removed.
    """
    if reason is not None and not 0 < len(reason) <= MAX_ANNOTATION_LENGTH:
        raise InvalidInputError(f"a reason has 1 to {MAX_ANNOTATION_LENGTH} characters, not {len(reason)}")
    with home.lock("own"):
        with home.index.read() as connection:
            entry = find_own(connection, reference)
        if entry.release.removed is not None:
            raise ReleaseNotFoundError(f'"{reference}" was removed {entry.release.removed}', why="there is nothing left to mark")
        release = replace(entry.release, yanked=reason)
        if release == entry.release:
            return Yanked(entry, changed=False)
        change = Change(
            entry.catalogue.catalogue,
            home.time,
            "unyanked" if reason is None else "yanked",
            release.name,
            release.version,
            detail={} if reason is None else {"reason": reason},
        )
        home.put_own([release], [change])
    return Yanked(replace(entry, release=release), changed=True)
