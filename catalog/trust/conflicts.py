"""Changed contents of followed releases, until the user decides: the newest for each release and platform.

Functions take a connection of the trust file's `catalog.storage.database.Database`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from sqlalchemy import Connection, Select, delete, insert, select, update

from catalog.errors import NotFoundError
from catalog.model.digest import ConfigDigest
from catalog.model.platform import Platform, parse_platform
from catalog.model.release import Image, Release
from catalog.snapshot.line import decode_line, encode_line
from catalog.trust.content import content_of
from catalog.trust.schema import catalogues, conflicts
from catalog.trust.store import catalogue_id

_FORGET = "DELETE FROM conflicts WHERE catalogue_id = ? AND name = ? AND version = ? AND platform = ?"

ConflictState = Literal["open", "refused"]


@dataclass(frozen=True, slots=True)
class Conflict:
    """A followed release that came with other content than it was seen with.

    ``release`` is the release in the newest snapshot, ``held`` the release in the index before (None where it had none).
    """

    catalogue: str
    name: str
    version: str
    platform: Platform
    old: ConfigDigest
    release: Release
    held: Release | None
    seen: str
    state: ConflictState

    @property
    def image(self) -> Image:
        """The image with the other content."""
        return self.release.images[self.platform]

    @property
    def new(self) -> ConfigDigest:
        return self.image.config

    @property
    def key(self) -> tuple[str, str]:
        return self.name, self.version


def list_conflicts(connection: Connection, *, state: ConflictState | None = "open", catalogue: str | None = None) -> list[Conflict]:
    """Return the conflicts of a state (None: all), oldest first."""
    return [_conflict(row) for row in connection.execute(_select_conflicts(state, catalogue))]


class NotedConflicts:
    """The conflicts of a catalogue that are noted already, by release; each is read from its lines only when it is taken."""

    def __init__(self, connection: Connection, catalogue: str) -> None:
        self._rows: dict[tuple[str, str], list[Any]] = {}
        self.open = 0
        for row in connection.execute(_select_conflicts(None, catalogue)):
            self._rows.setdefault((row.name, row.version), []).append(row)
            self.open += row.state == "open"

    def take(self, key: tuple[str, str]) -> dict[Platform, Conflict]:
        """Return the conflicts of a name and version by platform, once."""
        return {conflict.platform: conflict for conflict in map(_conflict, self._rows.pop(key, ()))}

    def take_rest(self) -> list[tuple[tuple[str, str], dict[Platform, Conflict]]]:
        """Return the conflicts of all releases that were not taken yet."""
        return [(key, self.take(key)) for key in list(self._rows)]


def keep_contents(release: Release, differing: Iterable[Conflict]) -> Release:
    """Return the release as the index shows it while its content is in conflict, or was refused.

    It has the old images, and everything else as it is now. A platform whose old image was not held is left out. ``differing`` may
    hold conflicts of other releases.
    """
    images = dict(release.images)
    for conflict in differing:
        image = images.get(conflict.platform)
        if conflict.key != (release.name, release.version) or image is None or content_of(image) != content_of(conflict.image):
            continue
        if conflict.held is not None and conflict.platform in conflict.held.images:
            images[conflict.platform] = conflict.held.images[conflict.platform]
        else:
            del images[conflict.platform]
    return replace(release, images=images)


def refuse_conflict(connection: Connection, conflict: Conflict, at: str) -> None:
    """Keep the old content; raise `NotFoundError` where the conflict is over, or is about another content by now."""
    check_waiting(connection, conflict)
    connection.execute(update(conflicts).where(*_same(connection, conflict)).values(state="refused", decided=at))


def forget_conflicts(connection: Connection, catalogue: str) -> None:
    """Delete the conflicts of a catalogue that is no longer followed; its contents stay."""
    connection.execute(delete(conflicts).where(conflicts.c.catalogue_id == catalogue_id(connection, catalogue)))


def end_conflicts(connection: Connection, catalogue: str, keys: Sequence[tuple[str, str, str]]) -> None:
    """Delete the conflicts of (name, version, platform): they are over."""
    if keys:
        number = catalogue_id(connection, catalogue)
        connection.exec_driver_sql(_FORGET, [(number, *key) for key in keys])


def put_conflict(connection: Connection, conflict: Conflict) -> None:
    """Write a conflict in place of an earlier one about the same release and platform: only the newest is kept."""
    number = catalogue_id(connection, conflict.catalogue)
    end_conflicts(connection, conflict.catalogue, [(*conflict.key, str(conflict.platform))])
    connection.execute(
        insert(conflicts).values(
            catalogue_id=number,
            name=conflict.name,
            version=conflict.version,
            platform=str(conflict.platform),
            old_config=conflict.old.raw,
            old_line=None if conflict.held is None else encode_line(conflict.held)[:-1],
            new_line=encode_line(conflict.release)[:-1],
            seen=conflict.seen,
            state=conflict.state,
        )
    )


def check_waiting(connection: Connection, conflict: Conflict) -> Conflict:
    """Return the stored conflict; raise `NotFoundError` where there is none, or one about another content."""
    row = connection.execute(select(conflicts, catalogues.c.catalogue).join(catalogues).where(*_same(connection, conflict))).first()
    stored = None if row is None else _conflict(row)
    if stored is None or content_of(stored.image) != content_of(conflict.image):
        raise NotFoundError(
            f"nothing about this content of {conflict.name}@{conflict.version} waits for a decision any more",
            why="a sync, or another command, changed it meanwhile",
        )
    return stored


def describe_change(conflict: Conflict) -> str:
    """Return what changed, as ``OLD became NEW``."""
    if conflict.old != conflict.new:
        return f"{conflict.old} became {conflict.new}"
    before = conflict.held.images.get(conflict.platform) if conflict.held is not None else None
    was = f"{before.archive} (manifest {before.manifest})" if before is not None else "the archive it was seen with"
    return (
        f"{was} became {conflict.image.archive} (manifest {conflict.image.manifest}), although its config is still {conflict.new}"
    )


def _select_conflicts(state: ConflictState | None, catalogue: str | None) -> Select[Any]:
    statement = (
        select(conflicts, catalogues.c.catalogue)
        .join(catalogues, catalogues.c.catalogue_id == conflicts.c.catalogue_id)
        .order_by(conflicts.c.seen, conflicts.c.conflict_id)
    )
    if state is not None:
        statement = statement.where(conflicts.c.state == state)
    if catalogue is not None:
        statement = statement.where(catalogues.c.catalogue == catalogue)
    return statement


def _same(connection: Connection, conflict: Conflict) -> tuple[Any, ...]:
    return (
        conflicts.c.catalogue_id == catalogue_id(connection, conflict.catalogue),
        conflicts.c.name == conflict.name,
        conflicts.c.version == conflict.version,
        conflicts.c.platform == str(conflict.platform),
    )


def _conflict(row: Any) -> Conflict:
    return Conflict(
        row.catalogue,
        row.name,
        row.version,
        parse_platform(row.platform),
        ConfigDigest(row.old_config),
        decode_line(row.new_line),
        None if row.old_line is None else decode_line(row.old_line),
        row.seen,
        row.state,
    )
