"""Take a release out of the own catalogue; its line stays, without images."""

from dataclasses import dataclass, replace

from catalog.home.home import Home
from catalog.index.entry import IndexedRelease
from catalog.index.history import Change
from catalog.index.own import find_own


@dataclass(frozen=True, slots=True)
class Removed:
    """The release as it is now, and whether this changed it."""

    entry: IndexedRelease
    changed: bool


def remove(home: Home, reference: str) -> Removed:
    """Remove a release; one that was removed before stays as it is. Its blocks stay until a ``gc`` that deletes.

    Raises `ReleaseNotFoundError` where the own catalogue never had such a release.
    """
    with home.lock("own"):
        with home.index.read() as connection:
            entry = find_own(connection, reference)
        if entry.release.removed is not None:
            return Removed(entry, changed=False)
        release = replace(entry.release, images={}, removed=home.time)
        home.put_own([release], [Change(entry.catalogue.catalogue, home.time, "removed", release.name, release.version)])
    return Removed(replace(entry, release=release), changed=True)
