"""A release of the own catalogue by its reference, for the operations that change it."""

from sqlalchemy import Connection

from catalog.errors import AmbiguousReferenceError, InvalidReferenceError, ReleaseNotFoundError
from catalog.index.entry import IndexedRelease
from catalog.index.releases import get_release, list_names, list_releases
from catalog.index.subscriptions import CatalogueRow, list_catalogues
from catalog.model.reference import nearest, parse_reference


def find_own(connection: Connection, text: str) -> IndexedRelease:
    """Return the own catalogue's release that ``text`` names by name and version, removed or not.

    Raise `AmbiguousReferenceError` where the version is missing, `ReleaseNotFoundError` where the own catalogue has no such
    release, with those that were probably meant.
    """
    reference = parse_reference(text)
    if not reference.name or reference.digest is not None or reference.cid is not None:
        raise InvalidReferenceError(
            f'"{text}" is not a name and version', why="a release of your own catalogue is changed by its name and version"
        )
    own = next((row for row in list_catalogues(connection) if row.own), None)
    if own is None:
        raise ReleaseNotFoundError(f'no release "{text}" in your catalogue', why="there is no catalogue of your own yet")
    if not reference.version:
        newest = [release.reference for release in list_releases(connection, own.catalogue, reference.name, limit=3)]
        if newest:
            raise AmbiguousReferenceError(f'"{text}" names no version', why=f"the newest are {', '.join(newest)}", nearest=newest)
        raise _not_found(connection, own, text, reference.name)
    try:
        release = get_release(connection, own.catalogue, reference.name, reference.version)
    except ReleaseNotFoundError:
        raise _not_found(connection, own, text, reference.name) from None
    return IndexedRelease(own, release)


def _not_found(connection: Connection, own: CatalogueRow, text: str, name: str) -> ReleaseNotFoundError:
    missing = f'no release "{text}" in your catalogue'
    versions = [release.reference for release in list_releases(connection, own.catalogue, name, limit=1000)]
    if versions:
        near = nearest(text, versions) or versions[:1]
        return ReleaseNotFoundError(missing, why=f'of "{name}" it has {", ".join(versions[:3])}', nearest=near)
    alias = next((row.alias for row in list_catalogues(connection) if row.alias and name.startswith(f"{row.alias}/")), None)
    if alias is not None:
        return ReleaseNotFoundError(missing, why=f"what {alias} publishes only {alias} can change")
    names = [entry.name for entry in list_names(connection, catalogue=own.catalogue, limit=100_000)]
    near = nearest(name, names)
    why = f'no name "{name}"' + (f'; the nearest is "{near[0]}"' if near else "")
    return ReleaseNotFoundError(missing, why=why, nearest=[text.replace(name, near[0], 1)] if near else [])
