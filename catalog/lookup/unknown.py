"""Errors for what no catalogue has, or what a reference leaves open, with what was probably meant.

Imported for errors only.
"""

from collections.abc import Sequence

from catalog.errors import AmbiguousReferenceError, ReleaseNotFoundError
from catalog.index.catalogue import CatalogueRow
from catalog.lookup.nearby import Near, elsewhere, near_names
from catalog.lookup.view import View
from catalog.model.reference import Reference, nearest

_SHOWN_VERSIONS = 5


def unknown_name(view: View, name: str, typed: str) -> ReleaseNotFoundError:
    """Return the error for a name that no catalogue has, with those that were probably meant."""
    near = near_names(view, name)
    suffix = typed.removeprefix(name)
    reached = [found.reached for found in near] or elsewhere(view, name)
    why = _describe_near(view, f'no name "{name}"', near)
    where = describe_catalogues(view)
    return ReleaseNotFoundError(f'no release "{typed}" in {where}', why=why, nearest=[found + suffix for found in reached])


def unknown_own_name(view: View, own: CatalogueRow, name: str, typed: str) -> ReleaseNotFoundError:
    """Return the error for a name that the own catalogue does not have."""
    near = near_names(view, name, catalogue=own.catalogue)
    return ReleaseNotFoundError(
        f'no release "{typed}" in your catalogue',
        why=_describe_near(view, f'it has no name "{name}"', near),
        nearest=[found.name for found in near],
    )


def unknown_name_behind(
    view: View, row: CatalogueRow, alias: str, name: str, typed: str, *, former: str = ""
) -> ReleaseNotFoundError:
    """Return the error for a name that the catalogue of an alias does not have; ``former`` is one that it had once."""
    near = near_names(view, name, catalogue=row.catalogue)
    lacking = f'it no longer has the name "{former}"' if former else f'it has no name "{name}"'
    return ReleaseNotFoundError(
        f'no release "{typed}" in the catalogue "{alias}"',
        why=_describe_near(view, lacking, near),
        nearest=[f"{alias}/{entry.name}" for entry in near],
    )


def unknown_version(view: View, catalogue: CatalogueRow, name: str, reference: Reference) -> ReleaseNotFoundError:
    """Return the error for a version that a name does not have, with those that were probably meant."""
    versions = view.versions(catalogue.catalogue, name)
    near = nearest(reference.version, versions)
    known = f"it has {', '.join(versions[:_SHOWN_VERSIONS])}" if versions else "it has none left"
    return ReleaseNotFoundError(
        f'no release "{reference}" in {_name_of(catalogue)}',
        why=f'"{name}" has no version "{reference.version}"; {known}',
        nearest=[f"{reference.name}@{version}" for version in near],
    )


def unnamed_version(view: View, catalogue: CatalogueRow, name: str, reference: Reference) -> AmbiguousReferenceError:
    """Return the error for a reference without a version, with the newest ones."""
    versions = view.versions(catalogue.catalogue, name, most=_SHOWN_VERSIONS)
    return AmbiguousReferenceError(
        f'"{reference}" names no version',
        why="there is no implicit version; " + (f"the newest are {', '.join(versions)}" if versions else "it has none left"),
        nearest=[f"{reference.name}@{version}" for version in versions],
    )


def describe_catalogues(view: View) -> str:
    """Return where a name was looked for."""
    rows = view.catalogues()
    followed = sum(not row.own for row in rows)
    parts = ["your catalogue"] if len(rows) > followed else []
    if followed:
        parts.append(f"{followed} subscription{'s' if followed > 1 else ''}")
    return " or ".join(parts) or "this home, which has no catalogue yet"


def _describe_near(view: View, lacking: str, near: Sequence[Near]) -> str:
    """Return what is lacking, with the nearest name and its newest versions."""
    if not near:
        return lacking
    versions = view.versions(near[0].catalogue.catalogue, near[0].name, most=2)
    return f'{lacking}; the nearest is "{near[0].reached}"' + (f" ({', '.join(versions)})" if versions else "")


def _name_of(catalogue: CatalogueRow) -> str:
    return "your catalogue" if catalogue.own else f'the catalogue "{catalogue.label}"'
