"""A home as the quick look-up reads it: index and trust store by stdlib `sqlite3`, read-only, in one consistent state each.

`View` answers what is asked of catalogues and names; the releases of a name are in `catalog.lookup.releases`. Nothing heavy is
imported (SQLAlchemy takes 180 ms). The tables are defined in `catalog.index.schema` and `catalog.trust.schema`.
"""

from __future__ import annotations

import sqlite3

from catalog.index.catalogue import CatalogueRow
from catalog.record import record


@record(frozen=True, slots=True)
class Owner:
    """The owner of a name. ``provisional``: a catalogue that was subscribed to earlier may still claim it with its first sync."""

    catalogue: str
    alias: str | None
    followed: bool
    own: bool
    preferred: bool
    provisional: str | None


@record(frozen=True, slots=True)
class AliasHolder:
    """Which catalogue an alias means, since which tick, and whether that is still followed."""

    catalogue: str
    followed: bool
    tick: int


class View:
    """The queries, over connections that `catalog.lookup.opening.open_view` opened."""

    def __init__(self, index: sqlite3.Connection | None, trust: sqlite3.Connection | None) -> None:
        self._index = index
        self._trust = trust
        self._generations: dict[str, int] = {}
        self._catalogues: dict[str, CatalogueRow] = {}
        for generation, catalogue, own, *rest in self.ask(
            "SELECT generation, catalogue, own, alias, title, root, sequence, expires, checked, published FROM catalogues"
        ):
            self._generations[catalogue] = generation
            self._catalogues[catalogue] = CatalogueRow(catalogue, bool(own), *rest)

    def catalogues(self) -> list[CatalogueRow]:
        """Return the catalogues that are shown: the own one first, then in the order of subscription."""
        positions = dict(self.ask_trust("SELECT catalogue, position FROM catalogues WHERE position IS NOT NULL"))
        return sorted(
            self._catalogues.values(), key=lambda row: (not row.own, positions.get(row.catalogue, 1 << 62), row.catalogue)
        )

    def own(self) -> CatalogueRow | None:
        return next((row for row in self._catalogues.values() if row.own), None)

    def catalogue(self, catalogue: str) -> CatalogueRow | None:
        return self._catalogues.get(catalogue)

    def alias_holder(self, alias: str) -> AliasHolder | None:
        rows = self.ask_trust(
            "SELECT catalogue, subscribed IS NOT NULL, tick FROM aliases JOIN catalogues USING (catalogue_id) "
            "WHERE aliases.alias = ?",
            alias,
        )
        return AliasHolder(rows[0][0], bool(rows[0][1]), rows[0][2]) if rows else None

    def aliases(self) -> list[tuple[str, str]]:
        """Return (alias, catalogue) of the followed catalogues, with every alias of each; the displayed one comes first."""
        return self.ask_trust(
            "SELECT aliases.alias, catalogue FROM aliases JOIN catalogues USING (catalogue_id) WHERE subscribed IS NOT NULL "
            "ORDER BY position, aliases.alias != catalogues.alias, aliases.alias"
        )

    def owner(self, name: str) -> Owner | None:
        rows = self.ask_trust(
            """
            SELECT catalogue, alias, subscribed IS NOT NULL, own, preferred, (
                SELECT earlier.alias FROM catalogues AS earlier
                WHERE earlier.subscribed IS NOT NULL AND NOT earlier.synced AND earlier.position < rank
                AND earlier.catalogue_id != owners.catalogue_id AND NOT preferred AND NOT catalogues.own
                ORDER BY earlier.position LIMIT 1
            )
            FROM owners JOIN catalogues USING (catalogue_id) WHERE name = ?
            """,
            name,
        )
        if not rows:
            return None
        catalogue, alias, followed, own, preferred, provisional = rows[0]
        return Owner(catalogue, alias, bool(followed), bool(own), bool(preferred), provisional)

    def seen_since(self, catalogue: str, name: str) -> int | None:
        """Return the tick of the sync that first brought contents under a name of a followed catalogue; None where none did."""
        rows = self.ask_trust(
            "SELECT tick FROM seen_names JOIN catalogues USING (catalogue_id) WHERE catalogue = ? AND name = ?", catalogue, name
        )
        return rows[0][0] if rows else None

    def has_name(self, catalogue: str, name: str) -> bool:
        generation = self.generation(catalogue)
        return bool(self.ask("SELECT 1 FROM names WHERE generation = ? AND name = ?", generation, name))

    def versions(self, catalogue: str, name: str, *, prefix: str = "", most: int = -1) -> list[str]:
        """Return the versions that are not removed, newest first."""
        rows = self.ask(
            "SELECT version FROM releases WHERE generation = ? AND name = ? AND removed IS NULL "
            "AND substr(version, 1, ?) = ? ORDER BY sort DESC LIMIT ?",
            self.generation(catalogue),
            name,
            len(prefix),
            prefix,
            most,
        )
        return [version for (version,) in rows]

    def note(self, key: str) -> str | None:
        rows = self.ask_trust("SELECT value FROM notes WHERE key = ?", key)
        return rows[0][0] if rows else None

    def names_from(self, catalogue: str, prefix: str, most: int) -> list[str]:
        """Return live names of a catalogue that begin with ``prefix``, sorted."""
        rows = self.ask(
            "SELECT name FROM names WHERE generation = ? AND name >= ? AND name < ? AND live > 0 ORDER BY name LIMIT ?",
            self.generation(catalogue),
            prefix,
            prefix + "\x7f",
            most,
        )
        return [name for (name,) in rows]

    def names_after(self, catalogue: str, after: str, most: int) -> list[str]:
        """Return live names of a catalogue that follow ``after``, sorted."""
        rows = self.ask(
            "SELECT name FROM names WHERE generation = ? AND name > ? AND live > 0 ORDER BY name LIMIT ?",
            self.generation(catalogue),
            after,
            most,
        )
        return [name for (name,) in rows]

    def generation(self, catalogue: str) -> int | None:
        """Return the number under which the index has the rows of a catalogue; None for one that is not shown."""
        return self._generations.get(catalogue)

    def ask(self, statement: str, *values: object) -> list[tuple]:  # type: ignore[type-arg]
        """Return the rows that a statement finds in the index; none where the home has no index."""
        return [] if self._index is None else self._index.execute(statement, values).fetchall()

    def ask_trust(self, statement: str, *values: object) -> list[tuple]:  # type: ignore[type-arg]
        """Return the rows that a statement finds in the trust store; none where the home has none."""
        return [] if self._trust is None else self._trust.execute(statement, values).fetchall()
