"""``dcat list``: names, or releases, that the index has."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import islice

from sqlalchemy import Connection

from catalog.errors import ReleaseNotFoundError
from catalog.home.home import Home
from catalog.index import releases
from catalog.index.entry import IndexedRelease, may_mean, qualify
from catalog.index.releases import NameEntry
from catalog.index.subscriptions import CatalogueRow, find_catalogue, list_catalogues
from catalog.model.platform import Platform
from catalog.model.reference import nearest
from catalog.trust.ownership import rewrite_alias

_PAGE = 1000
_WILDCARDS = frozenset("*?[")


@dataclass(frozen=True, slots=True)
class ListedName:
    """A name of one catalogue; ``reference`` is how it is reached from this home."""

    catalogue: CatalogueRow
    entry: NameEntry

    @property
    def reference(self) -> str:
        return qualify(self.catalogue, self.entry.name)


def list_names(home: Home, *, catalogue: str = "", limit: int | None = None) -> tuple[ListedName, ...]:
    """List the names that have a release, sorted, of all catalogues or of one (its alias, its IPNS name, or ``mine``)."""
    with home.trust.read() as connection:
        catalogue = rewrite_alias(connection, catalogue)
    with home.index.read() as connection:
        return tuple(islice(_iterate_names(connection, _choose(connection, catalogue)), limit))


def list_releases(
    home: Home,
    names: Sequence[str] = (),
    *,
    catalogue: str = "",
    platform: Platform | None = None,
    removed: bool = False,
    limit: int | None = None,
) -> tuple[IndexedRelease, ...]:
    """List the releases of ``names`` (of all without any), by name, newest version first.

    A name may have its catalogue's alias in front and may hold the wildcards ``*``, ``?`` and ``[…]``. Removed releases are
    listed only with ``removed``. Raise `ReleaseNotFoundError` for a name that no catalogue has.
    """
    with home.trust.read() as connection:
        catalogue = rewrite_alias(connection, catalogue)
        names = [rewrite_alias(connection, name) if "/" in name else name for name in names]
    with home.index.read() as connection:
        chosen = _choose(connection, catalogue)
        found: list[ListedName] = []
        for name in names or ("*",):
            if _WILDCARDS & set(name):
                matches = [listed for listed in _iterate_names(connection, chosen) if _matches(listed, name)]
            else:
                matches = list(_find_name(connection, chosen, name))
            if not matches and names:
                raise _unknown_name(connection, chosen, name)
            found += [listed for listed in matches if listed not in found]
        return tuple(islice(_iterate_releases(connection, found, platform, removed=removed), limit))


def _choose(connection: Connection, catalogue: str) -> list[CatalogueRow]:
    return [find_catalogue(connection, catalogue)] if catalogue else list_catalogues(connection)


def _iterate_names(connection: Connection, chosen: Sequence[CatalogueRow]) -> Iterator[ListedName]:
    by_key = {row.catalogue: row for row in chosen}
    only = chosen[0].catalogue if len(chosen) == 1 else None
    after = ("", "")
    while page := releases.list_names(connection, catalogue=only, after=after, limit=_PAGE):
        for entry in page:
            if entry.catalogue in by_key:
                yield ListedName(by_key[entry.catalogue], entry)
        after = (page[-1].name, page[-1].catalogue)


def _find_name(connection: Connection, chosen: Sequence[CatalogueRow], name: str) -> Iterator[ListedName]:
    for row, bare in may_mean(chosen, name):
        for entry in releases.list_names(connection, catalogue=row.catalogue, prefix=bare, limit=1):
            if entry.name == bare:
                yield ListedName(row, entry)


def _matches(listed: ListedName, pattern: str) -> bool:
    return fnmatchcase(listed.entry.name, pattern) or fnmatchcase(listed.reference, pattern)


def _iterate_releases(
    connection: Connection, listed: Sequence[ListedName], platform: Platform | None, *, removed: bool
) -> Iterator[IndexedRelease]:
    for name in listed:
        before: str | None = None
        while page := releases.list_releases(connection, name.entry.catalogue, name.entry.name, before=before, limit=_PAGE):
            for release in page:
                if (removed or release.removed is None) and (platform is None or platform in release.images):
                    yield IndexedRelease(name.catalogue, release)
            before = page[-1].version


def _unknown_name(connection: Connection, chosen: Sequence[CatalogueRow], name: str) -> ReleaseNotFoundError:
    known = [listed.reference for listed in _iterate_names(connection, chosen)]
    near = nearest(name, known)
    why = f'the nearest is "{near[0]}"' if near else f"{len(known)} names are known" if known else "nothing was published yet"
    return ReleaseNotFoundError(f'no name "{name}"', why=why, nearest=near)
