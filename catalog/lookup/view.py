"""The queries of the quick look-up: index and trust store of a home by stdlib `sqlite3`, read-only, in one consistent state each.

Nothing heavy is imported (SQLAlchemy takes 180 ms). The tables are defined in `catalog.index.schema` and `catalog.trust.schema`.
"""

from __future__ import annotations

import sqlite3

from catalog.index.catalogue import CatalogueRow
from catalog.index.order import encode_order
from catalog.model.digest import ConfigDigest
from catalog.model.platform import Platform, parse_platform
from catalog.model.release import Image, Release
from catalog.record import record
from catalog.snapshot.line import decode_line
from catalog.trust.content import Content, content_of
from catalog.trust.provisional import SEEN, time_seen

TYPE_CHECKING = False  # see catalog.record
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_HELD_BY = {"archive": "substr(archive, -32)", "config": "config", "manifest": "manifest"}  # in the trust store
_NEAR_ROWS = 2000
_PARTS = 5  # of a typed name; two edits, swaps of neighbours too, leave one of five whole


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


@record(frozen=True, slots=True)
class Row:
    """A release, and the platform of the image that it was found by (else empty)."""

    line: bytes
    platform: str = ""

    @property
    def release(self) -> Release:
        return decode_line(self.line)


@record(frozen=True, slots=True)
class Held:
    """Where an image was found by its archive, config or manifest; `View.held_row` reads the release."""

    catalogue: str
    release_id: int
    name: str
    version: str
    platform: str


@record(frozen=True, slots=True)
class ConflictRow:
    """A change of the content of a release: the old config, and the image that it has now. ``state`` is open or refused."""

    platform: Platform
    old: ConfigDigest
    image: Image
    state: str


class View:
    """The queries, over connections that `catalog.lookup.opening.open_view` opened."""

    def __init__(self, index: sqlite3.Connection | None, trust: sqlite3.Connection | None) -> None:
        self._index = index
        self._trust = trust
        self._generations: dict[str, int] = {}
        self._catalogues: dict[str, CatalogueRow] = {}
        for generation, catalogue, own, *rest in self._ask(
            "SELECT generation, catalogue, own, alias, title, root, sequence, expires, checked, published FROM catalogues"
        ):
            self._generations[catalogue] = generation
            self._catalogues[catalogue] = CatalogueRow(catalogue, bool(own), *rest)

    def catalogues(self) -> list[CatalogueRow]:
        """Return the catalogues that are shown: the own one first, then in the order of subscription."""
        positions = dict(self._ask_trust("SELECT catalogue, position FROM catalogues WHERE position IS NOT NULL"))
        return sorted(
            self._catalogues.values(), key=lambda row: (not row.own, positions.get(row.catalogue, 1 << 62), row.catalogue)
        )

    def own(self) -> CatalogueRow | None:
        return next((row for row in self._catalogues.values() if row.own), None)

    def catalogue(self, catalogue: str) -> CatalogueRow | None:
        return self._catalogues.get(catalogue)

    def alias_holder(self, alias: str) -> AliasHolder | None:
        rows = self._ask_trust(
            "SELECT catalogue, subscribed IS NOT NULL, tick FROM aliases JOIN catalogues USING (catalogue_id) "
            "WHERE aliases.alias = ?",
            alias,
        )
        return AliasHolder(rows[0][0], bool(rows[0][1]), rows[0][2]) if rows else None

    def aliases(self) -> list[tuple[str, str]]:
        """Return (alias, catalogue) of the followed catalogues, with every alias of each; the displayed one comes first."""
        return self._ask_trust(
            "SELECT aliases.alias, catalogue FROM aliases JOIN catalogues USING (catalogue_id) WHERE subscribed IS NOT NULL "
            "ORDER BY position, aliases.alias != catalogues.alias, aliases.alias"
        )

    def owner(self, name: str) -> Owner | None:
        rows = self._ask_trust(
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
        rows = self._ask_trust(
            "SELECT tick FROM seen_names JOIN catalogues USING (catalogue_id) WHERE catalogue = ? AND name = ?", catalogue, name
        )
        return rows[0][0] if rows else None

    def has_name(self, catalogue: str, name: str) -> bool:
        generation = self._generations.get(catalogue)
        return bool(self._ask("SELECT 1 FROM names WHERE generation = ? AND name = ?", generation, name))

    def release(self, catalogue: str, name: str, version: str) -> Row | None:
        rows = self._ask(
            "SELECT line FROM releases WHERE generation = ? AND name = ? AND sort = ?",
            self._generations.get(catalogue),
            name,
            encode_order(version),
        )
        return Row(rows[0][0]) if rows else None

    def releases(self, catalogue: str, name: str, most: int) -> list[Row]:
        """Return the newest releases of a name, removed ones too, newest version first."""
        statement = "SELECT line FROM releases WHERE generation = ? AND name = ? ORDER BY sort DESC LIMIT ?"
        return [Row(line) for (line,) in self._ask(statement, self._generations.get(catalogue), name, most)]

    def versions(self, catalogue: str, name: str, *, prefix: str = "", most: int = -1) -> list[str]:
        """Return the versions that are not removed, newest first."""
        rows = self._ask(
            "SELECT version FROM releases WHERE generation = ? AND name = ? AND removed IS NULL "
            "AND substr(version, 1, ?) = ? ORDER BY sort DESC LIMIT ?",
            self._generations.get(catalogue),
            name,
            len(prefix),
            prefix,
            most,
        )
        return [version for (version,) in rows]

    def usable(self, catalogue: str, name: str) -> Iterator[Row]:
        """Yield the releases that are neither yanked nor removed, newest version first."""
        for version in self.versions(catalogue, name):
            rows = self._ask(
                "SELECT line FROM releases WHERE generation = ? AND name = ? AND sort = ? AND yanked IS NULL",
                self._generations.get(catalogue),
                name,
                encode_order(version),
            )
            if rows:
                yield Row(rows[0][0])

    def holding(
        self, column: str, digest: bytes, *, catalogue: str | None = None, name: str | None = None, most: int = -1
    ) -> list[Held]:
        """Return the images with this archive, config or manifest (``column``), by name, newest version first."""
        if column not in _HELD_BY:
            raise ValueError(column)
        indexed = "substr(archive, 1, 6) = substr(?1, 1, 6) AND " if column == "archive" else ""
        rows = self._ask(
            "SELECT catalogues.catalogue, release_id, name, version, platform "  # noqa: S608
            "FROM images JOIN releases USING (release_id) JOIN catalogues USING (generation) "
            f"WHERE {indexed}images.{column} = ?1 "
            + ("" if catalogue is None else "AND releases.generation = ?3 AND releases.name = ?4 ")
            + "ORDER BY name, sort DESC, platform LIMIT ?2",
            digest,
            most,
            *(() if catalogue is None else (self._generations.get(catalogue), name)),
        )
        return [Held(*row) for row in rows]

    def held_row(self, held: Held) -> Row:
        """Return the release of an image that `holding` found."""
        ((line,),) = self._ask("SELECT line FROM releases WHERE release_id = ?", held.release_id)
        return Row(line, held.platform)

    def first_seen(
        self, column: str, digest: bytes, *, catalogue: str | None = None, name: str | None = None, most: int
    ) -> Iterator[tuple[str, Row]]:
        """Yield the images with this archive, config or manifest that this home saw first, the own ones before all.

        Of those that are current here, ``most`` are looked at. Reads the row of every content, in little memory.
        """
        scope = "" if catalogue is None else "AND catalogue = ?3 AND name = ?4 "
        rows = self._ask_trust(
            "SELECT catalogue, name, version, platform FROM contents JOIN catalogues USING (catalogue_id) "  # noqa: S608
            f"WHERE {_HELD_BY[column]} = ?1 {scope}"
            f"ORDER BY own DESC, {SEEN}, position LIMIT ?2",
            digest,
            most,
            *(() if catalogue is None else (catalogue, name)),
        )
        for found, there, version, platform in rows:
            row = self.release(found, there, version)
            image = None if row is None else row.release.images.get(parse_platform(platform))
            if row is not None and image is not None and _digest_of(image, column) == digest:
                yield found, Row(row.line, platform)

    def conflicts(self, catalogue: str, name: str, version: str) -> list[ConflictRow]:
        """Return the changes of contents that were not accepted."""
        rows = self._ask_trust(
            "SELECT platform, old_config, new_line, state FROM conflicts JOIN catalogues USING (catalogue_id) "
            "WHERE catalogue = ? AND name = ? AND version = ? ORDER BY platform",
            catalogue,
            name,
            version,
        )
        found = []
        for text, old, line, state in rows:
            platform = parse_platform(text)
            found.append(ConflictRow(platform, ConfigDigest(old), decode_line(line).images[platform], state))
        return found

    def images_seen(
        self, catalogue: str, name: str, version: str, images: Mapping[Platform, Image] | None = None
    ) -> dict[str, str]:
        """Return when this home first saw the current images of a release, by platform.

        An image of ``images`` that is in another format than the current one counts from when it was seen in that format.
        """
        key = (catalogue, name, version)
        columns = "platform, first_seen, config, format, archive, manifest"
        join = "JOIN catalogues USING (catalogue_id) WHERE catalogue = ? AND name = ? AND version = ?"
        rows = [
            row
            for table in ("former_contents", "contents")  # of two that are alike, the current one counts
            for row in self._ask_trust(f"SELECT {columns}, '{table}' FROM {table} {join}", *key)  # noqa: S608
        ]
        times = {platform: time_seen(noted) for platform, noted, *_, table in rows if table == "contents"}
        for platform, noted, *content, _ in rows:
            image = (images or {}).get(parse_platform(platform))
            if image is not None and Content(*content) == content_of(image):
                times[platform] = time_seen(noted)
        return times

    def note(self, key: str) -> str | None:
        rows = self._ask_trust("SELECT value FROM notes WHERE key = ?", key)
        return rows[0][0] if rows else None

    def names_from(self, catalogue: str, prefix: str, most: int) -> list[str]:
        """Return live names of a catalogue that begin with ``prefix``, sorted."""
        rows = self._ask(
            "SELECT name FROM names WHERE generation = ? AND name >= ? AND name < ? AND live > 0 ORDER BY name LIMIT ?",
            self._generations.get(catalogue),
            prefix,
            prefix + "\x7f",
            most,
        )
        return [name for (name,) in rows]

    def names_after(self, catalogue: str, after: str, most: int) -> list[str]:
        """Return live names of a catalogue that follow ``after``, sorted."""
        rows = self._ask(
            "SELECT name FROM names WHERE generation = ? AND name > ? AND live > 0 ORDER BY name LIMIT ?",
            self._generations.get(catalogue),
            after,
            most,
        )
        return [name for (name,) in rows]

    def names_like(self, name: str, *, catalogue: str | None = None) -> list[tuple[str, str]]:
        """Return (catalogue, name) of the live names that may be up to two edits from ``name``, in no order."""
        size = len(name) // _PARTS
        parts = [name[start : start + size] for start in range(0, size * _PARTS, size)] if size else [""] * _PARTS
        overlap = " + ".join(f"(instr(name, ?{place}) > 0)" for place in range(5, 5 + _PARTS))
        rows = self._ask(
            "SELECT catalogue, name FROM names JOIN catalogues USING (generation) "  # noqa: S608
            f"WHERE live > 0 AND length(name) BETWEEN ?1 AND ?2 AND (?3 IS NULL OR catalogue = ?3) AND {overlap} > 0 "
            f"ORDER BY {overlap} DESC LIMIT ?4",
            len(name) - 2,
            len(name) + 2,
            catalogue,
            _NEAR_ROWS,
            *parts,
        )
        return [(found, near) for found, near in rows]

    def _ask(self, statement: str, *values: object) -> list[tuple]:  # type: ignore[type-arg]
        return [] if self._index is None else self._index.execute(statement, values).fetchall()

    def _ask_trust(self, statement: str, *values: object) -> list[tuple]:  # type: ignore[type-arg]
        return [] if self._trust is None else self._trust.execute(statement, values).fetchall()


def _digest_of(image: Image, column: str) -> bytes:
    return {"archive": image.archive.digest, "config": image.config.raw, "manifest": image.manifest.raw}[column]
