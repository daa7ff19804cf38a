"""The completions of a word: names as they resolve here, and their versions."""

from __future__ import annotations

from catalog.errors import AmbiguousReferenceError, ReleaseNotFoundError
from catalog.lookup.meaning import find_meaning, is_own
from catalog.lookup.view import View
from catalog.model.reference import MINE


def complete_names(view: View, prefix: str, most: int) -> list[str]:
    """Return the names that begin with ``prefix``, each as it resolves here, sorted."""
    found = []
    for row in view.catalogues():
        for name in view.names_from(row.catalogue, prefix, most):
            owner = view.owner(name)
            if row.own:
                found.append(name if is_own(view, name, owner) else f"{MINE}/{name}")
            elif owner is not None and owner.catalogue == row.catalogue:
                found.append(name)
    for alias, catalogue in view.aliases():
        if f"{alias}/".startswith(prefix) or prefix.startswith(f"{alias}/"):
            names = view.names_from(catalogue, prefix[len(alias) + 1 :], most)
            found += [f"{alias}/{name}" for name in names]
    return sorted(set(found))[:most]


def complete_versions(view: View, name: str, prefix: str, most: int) -> list[str]:
    """Return the versions of a name that begin with ``prefix`` and are not removed, newest first; none for an unknown name."""
    try:
        found = find_meaning(view, name)
    except (ReleaseNotFoundError, AmbiguousReferenceError):
        return []
    return view.versions(found.catalogue.catalogue, found.name, prefix=prefix, most=most)
