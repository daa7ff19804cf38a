"""What every release was seen with: a published name@version never changes its content silently (safety A7).

Content is the config digest of a platform. What was seen first is current until the user accepts something else; for the own
catalogue nothing else is ever accepted. Functions take a connection of the trust file's `catalog.storage.database.Database`.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Literal

from sqlalchemy import Connection, func, insert, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from catalog.errors import NotFoundError, ReleaseConflictError
from catalog.model.digest import ConfigDigest
from catalog.model.platform import Platform, parse_platform
from catalog.model.release import Release
from catalog.snapshot.line import decode_line, encode_line
from catalog.trust.schema import catalogues, conflicts, contents
from catalog.trust.store import catalogue_id

_BATCH = 2000
_RANGE_FROM = 200  # changed releases, from which one scan over their names costs less than a look-up for each
_FIND = "SELECT config FROM contents WHERE catalogue_id = ? AND name = ? AND version = ? AND platform = ? AND current"
_RANGE = """
SELECT name, version, platform, config FROM contents WHERE catalogue_id = ? AND name BETWEEN ? AND ? AND current
"""
_INSERT = "INSERT OR IGNORE INTO contents VALUES (?, ?, ?, ?, ?, ?, 1)"

ConflictState = Literal["open", "accepted", "refused"]


@dataclass(frozen=True, slots=True)
class Conflict:
    """A followed release that came with other content than it was seen with.

    ``release`` is how its catalogue has it now, ``held`` how the index had it (None where it did not): either can be put there.
    """

    conflict_id: int
    catalogue: str
    name: str
    version: str
    platform: Platform
    old: ConfigDigest
    new: ConfigDigest
    release: Release
    held: Release | None
    seen: str
    state: ConflictState


def check_own_content(connection: Connection, catalogue: str, release: Release, at: str) -> None:
    """Note the content of a release that is being published; raise `ReleaseConflictError` where it was published with other."""
    for platform, config in _changed(connection, catalogue_id(connection, catalogue), [release]).get(_key(release), {}).items():
        raise ReleaseConflictError(
            f"{release.reference} was published with other content",
            why=f"for {platform} it is {config}, not {release.images[platform].config}; a version never changes",
            hint="publish it as another version",
        )
    _add(connection, catalogue_id(connection, catalogue), [release], at)


def accept_own_content(connection: Connection, catalogue: str, release: Release, at: str) -> None:
    """Make the content of an own release the current one, whatever it was seen with: another home of this key shared it first."""
    number = catalogue_id(connection, catalogue)
    for platform, image in release.images.items():
        key = {"catalogue_id": number, "name": release.name, "version": release.version, "platform": str(platform)}
        connection.execute(
            update(contents).where(*(contents.c[column] == value for column, value in key.items())).values(current=0)
        )
        statement = upsert(contents).values(**key, config=image.config.raw, first_seen=at, current=1)
        connection.execute(statement.on_conflict_do_update(index_elements=list(contents.primary_key), set_={"current": 1}))


def see_contents(
    connection: Connection,
    catalogue: str,
    releases: Iterable[Release],
    at: str,
    *,
    held: Callable[[str, str], Release | None] | None = None,
) -> list[Conflict]:
    """Note the contents of a followed catalogue's new and changed releases; give those that changed, open or refused.

    Whoever calls it keeps the old content of these in the index; ``held`` gives the release of a name and version from there, so
    that it can be put there again. A conflict that is known already is given, not noted again.
    """
    number = catalogue_id(connection, catalogue)
    found: list[Conflict] = []
    stream = iter(releases)
    while batch := list(islice(stream, _BATCH)):
        changed = _changed(connection, number, batch)
        for release in batch:
            for platform, old in changed.get(_key(release), {}).items():
                found.append(_note_conflict(connection, number, release, platform, old, at, held))
        _close_settled(connection, number, batch, changed, at)
        _add(connection, number, batch, at, without=changed)
    return found


def has_contents(connection: Connection, catalogue: str) -> bool:
    """Return whether anything of a catalogue was seen here before."""
    statement = select(contents.c.name).join(catalogues).where(catalogues.c.catalogue == catalogue).limit(1)
    return connection.execute(statement).first() is not None


def see_first_contents(connection: Connection, catalogue: str, images: Iterable[tuple[str, str, str, bytes]], at: str) -> None:
    """Note the contents (name, version, platform, config digest) of a catalogue of which nothing was seen before."""
    number = catalogue_id(connection, catalogue)
    stream = iter(images)
    while batch := list(islice(stream, _BATCH)):
        connection.exec_driver_sql(
            _INSERT, [(number, name, version, platform, config, at) for name, version, platform, config in batch]
        )


def keep_contents(release: Release, differing: Iterable[Conflict]) -> Release:
    """Return the release as the index shows it while its content is in conflict, or was refused.

    It has the old images, and all else as it is now. A platform whose old image was not held is left out. ``differing`` may hold
    conflicts of other releases.
    """
    images = dict(release.images)
    for conflict in differing:
        image = images.get(conflict.platform)
        if (conflict.name, conflict.version) != _key(release) or image is None or image.config != conflict.new:
            continue
        if conflict.held is not None and conflict.platform in conflict.held.images:
            images[conflict.platform] = conflict.held.images[conflict.platform]
        else:
            del images[conflict.platform]
    return replace(release, images=images)


def first_seen(connection: Connection, catalogue: str, name: str, version: str) -> str | None:
    """Return the time when this home first saw a release; None where it never did."""
    statement = (
        select(func.min(contents.c.first_seen))
        .join(catalogues)
        .where(catalogues.c.catalogue == catalogue, contents.c.name == name, contents.c.version == version)
    )
    return connection.execute(statement).scalar()


def list_conflicts(connection: Connection, *, state: ConflictState | None = "open", catalogue: str | None = None) -> list[Conflict]:
    """Return the conflicts of a state (None: all), oldest first."""
    statement = (
        select(conflicts, catalogues.c.catalogue)
        .join(catalogues, catalogues.c.catalogue_id == conflicts.c.catalogue_id)
        .order_by(conflicts.c.conflict_id)
    )
    if state is not None:
        statement = statement.where(conflicts.c.state == state)
    if catalogue is not None:
        statement = statement.where(catalogues.c.catalogue == catalogue)
    return [_conflict(row) for row in connection.execute(statement)]


def decide_conflict(connection: Connection, conflict_id: int, state: Literal["accepted", "refused"], at: str) -> Conflict:
    """Accept or refuse the content that a release changed to; whoever accepts it puts the release into the index.

    Raises `NotFoundError` where there is no such conflict, or it was accepted already.
    """
    row = connection.execute(
        select(conflicts).where(conflicts.c.conflict_id == conflict_id, conflicts.c.state != "accepted")
    ).first()
    if row is None:
        raise NotFoundError(f"there is no conflict {conflict_id} to decide")
    connection.execute(update(conflicts).where(conflicts.c.conflict_id == conflict_id).values(state=state, decided=at))
    if state == "accepted":
        key = {"catalogue_id": row.catalogue_id, "name": row.name, "version": row.version, "platform": row.platform}
        same = [contents.c[column] == value for column, value in key.items()]
        connection.execute(update(contents).where(*same).values(current=0))
        statement = upsert(contents).values(**key, config=row.new_config, first_seen=row.seen, current=1)
        connection.execute(statement.on_conflict_do_update(index_elements=list(contents.primary_key), set_={"current": 1}))
    return _get_conflict(connection, conflict_id)


def _key(release: Release) -> tuple[str, str]:
    return release.name, release.version


def _changed(connection: Connection, number: int, batch: Sequence[Release]) -> dict[tuple[str, str], dict[Platform, ConfigDigest]]:
    """Return the platforms whose content is not the current one, with that."""
    known: dict[tuple[str, str, str], bytes] = {}
    if len(batch) >= _RANGE_FROM:
        low, high = min(release.name for release in batch), max(release.name for release in batch)
        for name, version, platform, config in connection.exec_driver_sql(_RANGE, (number, low, high)):
            known[name, version, platform] = config
    else:
        for release in batch:
            for platform in release.images:
                key = (release.name, release.version, str(platform))
                config = connection.exec_driver_sql(_FIND, (number, *key)).scalar()
                if config is not None:
                    known[key] = config
    changed: dict[tuple[str, str], dict[Platform, ConfigDigest]] = {}
    if not known:
        return changed
    for release in batch:
        for platform, image in release.images.items():
            config = known.get((release.name, release.version, str(platform)))
            if config is not None and config != image.config.raw:
                changed.setdefault(_key(release), {})[platform] = ConfigDigest(config)
    return changed


def _add(
    connection: Connection,
    number: int,
    batch: Sequence[Release],
    at: str,
    without: dict[tuple[str, str], dict[Platform, ConfigDigest]] | None = None,
) -> None:
    changed = without or {}
    rows = [
        (number, release.name, release.version, str(platform), image.config.raw, at)
        for release in batch
        for platform, image in release.images.items()
        if not changed or platform not in changed.get(_key(release), ())
    ]
    if rows:
        connection.exec_driver_sql(_INSERT, rows)


def _note_conflict(
    connection: Connection,
    number: int,
    release: Release,
    platform: Platform,
    old: ConfigDigest,
    at: str,
    held: Callable[[str, str], Release | None] | None,
) -> Conflict:
    new = release.images[platform].config
    same = (
        conflicts.c.catalogue_id == number,
        conflicts.c.name == release.name,
        conflicts.c.version == release.version,
        conflicts.c.platform == str(platform),
        conflicts.c.old_config == old.raw,
        conflicts.c.state != "accepted",
    )
    known = connection.execute(select(conflicts.c.conflict_id).where(*same, conflicts.c.new_config == new.raw)).scalar()
    if known is None:
        connection.execute(update(conflicts).where(*same, conflicts.c.state == "open").values(state="refused", decided=at))
        before = None if held is None else held(release.name, release.version)
        statement = insert(conflicts).values(
            catalogue_id=number,
            name=release.name,
            version=release.version,
            platform=str(platform),
            old_config=old.raw,
            new_config=new.raw,
            old_line=None if before is None else encode_line(before)[:-1],
            new_line=encode_line(release)[:-1],
            seen=at,
            state="open",
        )
        known = connection.execute(statement.returning(conflicts.c.conflict_id)).scalar_one()
    return _get_conflict(connection, known)


def _close_settled(
    connection: Connection,
    number: int,
    batch: Sequence[Release],
    changed: dict[tuple[str, str], dict[Platform, ConfigDigest]],
    at: str,
) -> None:
    """Close the open conflicts of releases that came back with the content they had."""
    statement = select(conflicts.c.conflict_id, conflicts.c.name, conflicts.c.version, conflicts.c.platform)
    still_open = connection.execute(statement.where(conflicts.c.catalogue_id == number, conflicts.c.state == "open")).all()
    if not still_open:
        return
    settled = {(*_key(release), str(p)) for release in batch for p in release.images if p not in changed.get(_key(release), {})}
    for row in still_open:
        if (row.name, row.version, row.platform) in settled:
            closed = update(conflicts).where(conflicts.c.conflict_id == row.conflict_id)
            connection.execute(closed.values(state="refused", decided=at))


def _get_conflict(connection: Connection, conflict_id: int) -> Conflict:
    statement = (
        select(conflicts, catalogues.c.catalogue)
        .join(catalogues, catalogues.c.catalogue_id == conflicts.c.catalogue_id)
        .where(conflicts.c.conflict_id == conflict_id)
    )
    return _conflict(connection.execute(statement).one())


def _conflict(row: Any) -> Conflict:
    return Conflict(
        row.conflict_id,
        row.catalogue,
        row.name,
        row.version,
        parse_platform(row.platform),
        ConfigDigest(row.old_config),
        ConfigDigest(row.new_config),
        decode_line(row.new_line),
        None if row.old_line is None else decode_line(row.old_line),
        row.seen,
        row.state,
    )
