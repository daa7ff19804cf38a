"""Which catalogue a name means in this home, and which name there.

1. A name whose first part is an alias means that catalogue's name without it, or its name as a whole: the one under which contents
   were seen first here, also when it is gone; what was seen before the alias was taken counts as of then, but for a name that
   meant the catalogue as a whole already. ``mine/`` means the own catalogue.
2. Any other name belongs to its owner. A name without an owner is the own catalogue's, where that has it.
3. Nothing falls through to another catalogue.

What was probably meant instead is looked for in `catalog.lookup.unknown`, which is imported for errors only.
"""

from __future__ import annotations

from catalog.errors import AmbiguousReferenceError, ReleaseNotFoundError
from catalog.index.catalogue import CatalogueRow
from catalog.lookup.view import AliasHolder, Owner, View
from catalog.model.reference import MINE
from catalog.record import record


@record(frozen=True, slots=True)
class Meaning:
    """A catalogue and a name in it. ``since`` orders the names of a followed catalogue by when contents were first seen here."""

    catalogue: CatalogueRow
    name: str
    since: int | None = None
    present: bool = True


def find_meaning(view: View, name: str, typed: str = "") -> Meaning:
    """Return the one catalogue and name that ``name`` means here; ``typed`` is the reference for messages.

    A name that its catalogue had once and no longer has is returned as well. Raise `ReleaseNotFoundError` and
    `AmbiguousReferenceError`.
    """
    typed = typed or name
    first, _, rest = name.partition("/")
    if rest and first == MINE:
        return _judge_own(view, rest, typed)
    if rest and (holder := view.alias_holder(first)) is not None:
        return _judge_alias(view, _behind_alias(view, holder, first, rest, typed), first, typed)
    return _judge_owner(view, view.owner(name), name, typed)


def is_own(view: View, name: str, owner: Owner | None) -> bool:
    """Return whether ``name``, which has this owner, means the own catalogue here."""
    own = view.own()
    return own is not None and view.has_name(own.catalogue, name) and (owner is None or owner.own)


def _judge_own(view: View, name: str, typed: str) -> Meaning:
    own = view.own()
    if own is None:
        raise ReleaseNotFoundError(f'no release "{typed}" here', why="there is no catalogue of your own yet")
    if not view.has_name(own.catalogue, name):
        from catalog.lookup.unknown import unknown_own_name

        raise unknown_own_name(view, own, name, typed)
    return Meaning(own, name)


def _behind_alias(view: View, holder: AliasHolder, alias: str, rest: str, typed: str) -> list[Meaning]:
    """Return the two names that ``ALIAS/REST`` may mean in the catalogue of the alias."""
    row = view.catalogue(holder.catalogue)
    if not holder.followed or row is None:
        raise ReleaseNotFoundError(
            f'no release "{typed}" here', why=f'the catalogue "{alias}" is no longer followed, or was never synced'
        )
    whole = f"{alias}/{rest}"
    owner = view.owner(whole)
    since = {name: view.seen_since(row.catalogue, name) for name in (rest, whole)}
    for name, tick in since.items():
        # What was written so before the alias was taken meant the name as a whole, and only where that was the catalogue's.
        if tick is not None and (name == rest or owner is None or owner.catalogue != row.catalogue):
            since[name] = max(tick, holder.tick)
    return [Meaning(row, name, tick, view.has_name(row.catalogue, name)) for name, tick in since.items()]


def _judge_alias(view: View, candidates: list[Meaning], alias: str, typed: str) -> Meaning:
    """Return the candidate whose contents were seen first; one without contents counts only where no one has any."""
    seen = [candidate for candidate in candidates if candidate.since is not None]
    first = [candidate for candidate in seen if candidate.since == min(entry.since or 0 for entry in seen)]
    found = first or [candidate for candidate in candidates if candidate.present]
    row, rest = candidates[0].catalogue, candidates[0].name
    if len(found) > 1:
        whole = candidates[1].name
        raise AmbiguousReferenceError(
            f'"{typed}" is not clear',
            why=f'the catalogue "{alias}" has, or had, both "{rest}" and "{whole}"',
            hint=f"write {alias}/{whole} to mean the second",
            nearest=[f"{alias}/{whole}"],
        )
    if not found or not found[0].present:
        from catalog.lookup.unknown import unknown_name_behind

        raise unknown_name_behind(view, row, alias, rest, typed, former=found[0].name if found else "")
    return found[0]


def _judge_owner(view: View, owner: Owner | None, name: str, typed: str) -> Meaning:
    own = view.own()
    if own is not None and is_own(view, name, owner):
        return Meaning(own, name)
    if owner is None:
        raise _unknown(view, name, typed)
    if owner.provisional is not None:
        raise AmbiguousReferenceError(
            f'"{typed}" is not clear yet',
            why=f'the catalogue "{owner.provisional}" was subscribed to before "{owner.alias}" and was not synced yet',
            hint=f'write {owner.alias}/{name} to mean that of "{owner.alias}"',
        )
    row = view.catalogue(owner.catalogue)
    if row is None or not (owner.followed or owner.own):
        from catalog.lookup.nearby import elsewhere

        raise ReleaseNotFoundError(
            f'no release "{typed}" here',
            why=f'the name "{name}" belongs to the catalogue "{owner.alias or owner.catalogue}", which is no longer followed',
            nearest=elsewhere(view, name),
        )
    if not view.has_name(row.catalogue, name):
        raise _unknown(view, name, typed)
    return Meaning(row, name)


def _unknown(view: View, name: str, typed: str) -> ReleaseNotFoundError:
    from catalog.lookup.unknown import unknown_name  # for errors only: `resolve` has no time for it

    return unknown_name(view, name, typed)
