"""Names that were probably meant: at most two edits away, written as they resolve here."""

from collections import Counter

from catalog.index.catalogue import CatalogueRow
from catalog.lookup.view import View
from catalog.model.reference import nearest
from catalog.record import record

_EDITS = 2
_ROWS = 2000
_PARTS = 5  # of a typed name; two edits, swaps of neighbours too, leave one of five whole


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
    for holder, name in names_like(view, typed, catalogue=catalogue):
        if (letters - Counter(name)).total() <= _EDITS and (Counter(name) - letters).total() <= _EDITS:
            known.setdefault(name, []).append(holder)
    found = [near for name in nearest(typed, known) for holder in known[name] if (near := _reach(view, holder, name))]
    if catalogue is None:
        alias, _, rest = typed.partition("/")
        aliases = dict(view.aliases())
        found += [near for other in nearest(alias, aliases) if rest and (near := _behind(view, other, aliases[other], rest))]
    return found


def names_like(view: View, name: str, *, catalogue: str | None = None) -> list[tuple[str, str]]:
    """Return (catalogue, name) of the live names that may be up to two edits from ``name``, in no order."""
    size = len(name) // _PARTS
    parts = [name[start : start + size] for start in range(0, size * _PARTS, size)] if size else [""] * _PARTS
    overlap = " + ".join(f"(instr(name, ?{place}) > 0)" for place in range(5, 5 + _PARTS))
    rows = view.ask(
        "SELECT catalogue, name FROM names JOIN catalogues USING (generation) "  # noqa: S608
        f"WHERE live > 0 AND length(name) BETWEEN ?1 AND ?2 AND (?3 IS NULL OR catalogue = ?3) AND {overlap} > 0 "
        f"ORDER BY {overlap} DESC LIMIT ?4",
        len(name) - 2,
        len(name) + 2,
        catalogue,
        _ROWS,
        *parts,
    )
    return [(found, near) for found, near in rows]


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
