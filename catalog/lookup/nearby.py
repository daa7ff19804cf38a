"""Names that were probably meant: at most two edits away, written as they resolve here."""

from collections import Counter

from catalog.index.catalogue import CatalogueRow
from catalog.lookup.view import View
from catalog.model.reference import nearest
from catalog.record import record

_EDITS = 2


@record(frozen=True, slots=True)
class Near:
    """A name of a catalogue; ``reached`` is the name to type for it here."""

    reached: str
    catalogue: CatalogueRow
    name: str


def near_names(view: View, typed: str, *, catalogue: str | None = None) -> list[Near]:
    """Return the names nearest to ``typed``, of all catalogues or of one; also those behind a mistyped alias."""
    letters = Counter(typed)
    known: dict[str, list[str]] = {}
    for holder, name in view.names_like(typed, catalogue=catalogue):
        if (letters - Counter(name)).total() <= _EDITS and (Counter(name) - letters).total() <= _EDITS:
            known.setdefault(name, []).append(holder)
    found = [near for name in nearest(typed, known) for holder in known[name] if (near := _reach(view, holder, name))]
    if catalogue is None:
        alias, _, rest = typed.partition("/")
        aliases = dict(view.aliases())
        found += [near for other in nearest(alias, aliases) if rest and (near := _behind(view, other, aliases[other], rest))]
    return found


def elsewhere(view: View, name: str) -> list[str]:
    """Return ``ALIAS/name`` for the followed catalogues that have ``name``."""
    return [f"{alias}/{name}" for alias, catalogue in view.aliases() if view.has_name(catalogue, name)]


def _behind(view: View, alias: str, catalogue: str, name: str) -> Near | None:
    row = view.catalogue(catalogue)
    return Near(f"{alias}/{name}", row, name) if row is not None and view.has_name(catalogue, name) else None


def _reach(view: View, catalogue: str, name: str) -> Near | None:
    row = view.catalogue(catalogue)
    if row is None:
        return None
    owner = view.owner(name)
    unqualified = row.own or (owner is not None and owner.catalogue == catalogue)
    return Near(name if unqualified else f"{row.alias}/{name}", row, name)
