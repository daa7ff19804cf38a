"""The contents that releases were seen with: a published name@version never changes its content silently (docs/safety.md, A7, A17).

The content of a platform is its config digest, and within one format also archive and manifest, which are functions of the config.
The content that was seen first is current until the user accepts another one; for the own catalogue no other one is ever accepted.

A sync compares first, with reads only (`compare_contents`), and writes the result in one short transaction (`note_contents`).
Nothing else may change the contents of the catalogue in between: syncs and decisions hold the sync lock of the home. Functions take
a connection of the trust file's `catalog.storage.database.Database`.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

from sqlalchemy import Connection, select

from catalog.errors import NotFoundError, ReleaseConflictError, SnapshotError
from catalog.limits import MAX_SEEN_CONTENTS
from catalog.model.digest import ConfigDigest
from catalog.model.platform import Platform
from catalog.model.release import Release
from catalog.trust.conflicts import Conflict, NotedConflicts, check_waiting, describe_change, end_conflicts, put_conflict
from catalog.trust.content import Content, content_of
from catalog.trust.provisional import ASIDE, ASIDE_TIME, SETTLED, is_provisional, mark_time, time_seen
from catalog.trust.schema import catalogues, contents
from catalog.trust.store import catalogue_id, get_floor, get_note, put_note

_BATCH = 2000
_MAX_NOTED = 20_000  # of a snapshot that is read whole: contents in other formats, and completed ones
_RANGE_FROM = 200  # changed releases, from which one scan over their names costs less than a look-up for each
_COLUMNS = "config, format, archive, manifest"
_FIND = f"SELECT {_COLUMNS} FROM contents WHERE catalogue_id = ? AND name = ? AND version = ? AND platform = ?"  # noqa: S608
_RANGE = f"SELECT name, version, platform, {_COLUMNS} FROM contents WHERE catalogue_id = ? AND name BETWEEN ? AND ?"  # noqa: S608
_FIND_FORMER = f"""
SELECT {_COLUMNS} FROM former_contents
WHERE catalogue_id = ? AND name = ? AND version = ? AND platform = ? AND config = ? AND format = ?
"""  # noqa: S608
_INSERT = "INSERT OR IGNORE INTO contents VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
_INSERT_FORMER = "INSERT OR IGNORE INTO former_contents VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
_REPLACE = "INSERT OR REPLACE INTO contents VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
_KEEP = """
INSERT OR IGNORE INTO former_contents SELECT * FROM contents WHERE catalogue_id = ? AND name = ? AND version = ? AND platform = ?
"""
_SET_ASIDE = f"""
INSERT OR REPLACE INTO former_contents
SELECT catalogue_id, name, version, platform, {_COLUMNS}, {ASIDE_TIME} FROM contents
WHERE catalogue_id = ? AND name = ? AND version = ? AND platform = ?
"""  # noqa: S608
_FIND_ASIDE = _FIND.replace("FROM contents", "FROM former_contents") + ASIDE
_RANGE_ASIDE = _RANGE.replace("FROM contents", "FROM former_contents") + ASIDE
_FIRST_SEEN = """
SELECT first_seen FROM former_contents
WHERE catalogue_id = ? AND name = ? AND version = ? AND platform = ? AND config = ? AND format = ? AND archive = ? AND manifest = ?
"""
_COMPLETE = """
UPDATE contents SET format = ?, archive = ?, manifest = ?
WHERE catalogue_id = ? AND name = ? AND version = ? AND platform = ? AND archive IS NULL
"""

_Key = tuple[str, str, str]


@dataclass(slots=True)
class Comparison:
    """What `compare_contents` found in one catalogue: everything that `note_contents` must write.

    ``conflicts`` are the releases among those compared whose content differs, whether noted before or not; ``open`` counts all open
    conflicts of the catalogue. A ``flooded`` comparison was not finished and must not be written.
    """

    catalogue: str
    conflicts: list[Conflict] = field(default_factory=list)
    open: int = 0
    flooded: bool = False
    fresh: list[tuple[Any, ...]] = field(default_factory=list)
    other_formats: list[tuple[Any, ...]] = field(default_factory=list)
    completed: list[tuple[Any, ...]] = field(default_factory=list)
    settled: list[_Key] = field(default_factory=list)
    changed: list[Conflict] = field(default_factory=list)


FindHeld = Callable[[str, str], Release | None]


def compare_contents(
    connection: Connection,
    catalogue: str,
    releases: Iterable[Release],
    at: str,
    *,
    held: FindHeld | None = None,
    gone: Iterable[tuple[str, str]] = (),
    whole: bool = False,
    settled: bool = False,
    most: int | None = None,
) -> Comparison:
    """Compare new and changed releases of a catalogue with the contents they were seen with. Only reads.

    ``held`` returns the release of a name and version from the index; ``gone`` are the names and versions that the catalogue no
    longer has. With ``whole``, ``releases`` are all that the catalogue has, and new contents are left to `see_contents`:
    there may be millions. With ``settled``, contents that only a suspicious snapshot has shown do not count
    (`catalog.trust.provisional`). The comparison ends early once more than ``most`` conflicts would be open
    (``Comparison.flooded``).
    """
    number = _find_number(connection, catalogue)
    found = Comparison(catalogue)
    noted = NotedConflicts(connection, catalogue)
    found.open = noted.open
    for key in gone:
        _settle(found, key, noted.take(key), ())
    stream = iter(releases)
    while batch := list(islice(stream, _BATCH)):
        keys = [(*_key(release), str(platform)) for release in batch for platform in release.images]
        current = {} if number is None else _read_current(connection, number, keys, settled=settled)
        for release in batch:
            before = noted.take(_key(release))
            differing = _compare_release(connection, number, found, release, current, at, held, before)
            _settle(found, _key(release), before, differing)
            if most is not None and found.open > most:
                found.flooded = True
                return found
        if whole:
            found.fresh.clear()
            del found.other_formats[_MAX_NOTED:], found.completed[_MAX_NOTED:]
    if whole:
        for key, before in noted.take_rest():
            _settle(found, key, before, ())
    return found


def note_contents(connection: Connection, found: Comparison, at: str) -> None:
    """Write what a comparison found: new contents, conflicts, and that other conflicts are over."""
    number = catalogue_id(connection, found.catalogue)
    see_contents(connection, found.catalogue, found.fresh, at)
    for statement, rows in (
        (_INSERT_FORMER, [(number, *row, at) for row in found.other_formats]),
        (_COMPLETE, [(*row[:3], number, *row[3:]) for row in found.completed]),
    ):
        if rows:
            connection.exec_driver_sql(statement, rows)
    end_conflicts(connection, found.catalogue, found.settled)
    for conflict in found.changed:
        put_conflict(connection, conflict)


def check_own_content(connection: Connection, catalogue: str, release: Release, at: str) -> None:
    """Note the content of a release that is being published; raise `ReleaseConflictError` where it was published with another."""
    found = compare_contents(connection, catalogue, [release], at)
    for conflict in found.conflicts:
        raise ReleaseConflictError(
            f"{release.reference} was published with other content",
            why=f"for {conflict.platform} {describe_change(conflict)}; a version never changes",
            hint="publish it as another version",
        )
    note_contents(connection, found, at)


def has_contents(connection: Connection, catalogue: str) -> bool:
    """Return whether contents of a catalogue were seen here before."""
    statement = select(contents.c.name).join(catalogues).where(catalogues.c.catalogue == catalogue).limit(1)
    return connection.execute(statement).first() is not None


SeenImage = tuple[str, str, str, bytes, str, bytes, bytes]
"""Name, version, platform, config, format, archive and manifest."""


def see_contents(connection: Connection, catalogue: str, images: Iterable[SeenImage], at: str) -> None:
    """Note the contents of images that have none yet; current ones stay.

    Raise `SnapshotError` where the catalogue has shown more contents than are remembered of one: lines are never deleted, so no
    honest publisher comes near that.
    """
    number = catalogue_id(connection, catalogue)
    stream = iter(images)
    added = 0
    while batch := list(islice(stream, _BATCH)):
        added += connection.exec_driver_sql(_INSERT, [(number, *row, at) for row in batch]).rowcount
    if added and _count_seen(connection, number, added) > MAX_SEEN_CONTENTS:
        raise SnapshotError(
            f"the catalogue {catalogue} has shown more than {MAX_SEEN_CONTENTS} contents",
            why="all that it ever showed is remembered, so that none of it can change",
        )


def accept_images(connection: Connection, catalogue: str, images: Iterable[SeenImage], at: str) -> None:
    """Make the contents of images current, whatever was seen before; conflicts about them are over. Former ones keep their time.

    With a time that is marked (`catalog.trust.provisional`) they are current until the suspicious record is refused.
    """
    number = catalogue_id(connection, catalogue)
    provisional = is_provisional(at)
    stream = iter(images)
    while batch := list(islice(stream, _BATCH)):
        current = _read_current(connection, number, [row[:3] for row in batch])
        changed = [row for row in batch if current.get(row[:3]) != row[3:]]
        if changed:
            keys = [(number, *row[:3]) for row in changed]
            connection.exec_driver_sql(_SET_ASIDE if provisional else _KEEP, keys)
            seen = [_seen_before(connection, number, row) or at for row in changed]
            times = [mark_time(time) if provisional else time for time in seen]
            connection.exec_driver_sql(_REPLACE, [(number, *row, time) for row, time in zip(changed, times, strict=True)])
            end_conflicts(connection, catalogue, [row[:3] for row in changed])


def accept_contents(connection: Connection, catalogue: str, release: Release, at: str) -> None:
    """Make the contents of a release current: those that another home of the own key shared first, or that the user accepted."""
    images: list[SeenImage] = []
    for platform, image in release.images.items():
        key = (release.name, release.version, str(platform))
        images.append((*key, image.config.raw, image.format, image.archive.binary, image.manifest.raw))
    accept_images(connection, catalogue, images, at)


def accept_conflict(connection: Connection, conflict: Conflict, release: Release) -> None:
    """Make the content of a conflict current; ``release`` is the one that is shown now, and must still have that content.

    While a suspicious snapshot is shown, it is current until its record is refused.
    Raise `NotFoundError` where the conflict is over, or its content or that of ``release`` is another one by now.
    """
    now = check_waiting(connection, conflict)
    image = release.images.get(conflict.platform)
    if image is None or content_of(image) != content_of(conflict.image):
        raise NotFoundError(f"{release.reference} has another content for {conflict.platform} by now", why="list what waits again")
    only = replace(release, images={conflict.platform: image})
    stored = get_floor(connection, conflict.catalogue)
    is_jump = stored is not None and stored.shown is not None
    accept_contents(connection, conflict.catalogue, only, mark_time(now.seen) if is_jump else now.seen)


def _compare_release(
    connection: Connection,
    number: int | None,
    found: Comparison,
    release: Release,
    current: Mapping[_Key, Content],
    at: str,
    held: FindHeld | None,
    before: Mapping[Platform, Conflict],
) -> dict[Platform, Conflict]:
    """Compare the images of one release; return its conflicts. ``before`` are those that were noted already."""
    differing: dict[Platform, Conflict] = {}
    for platform, image in release.images.items():
        key, content = (release.name, release.version, str(platform)), content_of(image)
        known = current.get(key)
        if known is None or number is None:
            found.fresh.append((*key, *content))
            continue
        if known.archive is None:
            known = _complete(found, key, known, content, None if held is None else held(*_key(release)), platform)
        elif known.config == content.config and known.format != content.format:
            row = connection.exec_driver_sql(_FIND_FORMER, (number, *key, content.config, content.format)).first()
            if row is None:
                found.other_formats.append((*key, *content))
                continue
            known = Content(*row)
        if not known.is_changed_to(content):
            continue
        noted = before.get(platform)
        if noted is not None and content_of(noted.image) == content:
            conflict = replace(noted, release=release)
        else:
            was = noted.held if noted is not None else None if held is None else held(*_key(release))
            old = ConfigDigest(known.config)
            conflict = Conflict(found.catalogue, release.name, release.version, platform, old, release, was, at, "open")
            found.open += noted is None or noted.state != "open"
        if conflict != noted:
            found.changed.append(conflict)
        differing[platform] = conflict
        found.conflicts.append(conflict)
    return differing


def _settle(found: Comparison, key: tuple[str, str], before: Mapping[Platform, Conflict], differing: Collection[Platform]) -> None:
    """Note the conflicts of a release that are over: the old content came back, or the image is gone."""
    for platform, conflict in before.items():
        if platform not in differing:
            found.settled.append((*key, str(platform)))
            found.open -= conflict.state == "open"


def _complete(
    found: Comparison, key: _Key, current: Content, content: Content, held: Release | None, platform: Platform
) -> Content:
    """Return a content that was noted without archive and manifest with those that the index has, else with the new ones."""
    image = held.images.get(platform) if held is not None else None
    known = content_of(image) if image is not None and image.config.raw == current.config else content
    if known.config != current.config:
        return current
    found.completed.append((known.format, known.archive, known.manifest, *key))
    return known


def _read_current(connection: Connection, number: int, keys: Sequence[_Key], *, settled: bool = False) -> dict[_Key, Content]:
    """Return the current contents of (name, version, platform); with ``settled``, as if the suspicious record had been refused."""
    known: dict[_Key, Content] = {}
    if len(keys) >= _RANGE_FROM:
        low, high = min(name for name, _, _ in keys), max(name for name, _, _ in keys)
        for statement in (_RANGE + SETTLED, _RANGE_ASIDE) if settled else (_RANGE,):
            for name, version, platform, *content in connection.exec_driver_sql(statement, (number, low, high)):
                known[name, version, platform] = Content(*content)
    else:
        for statement in (_FIND + SETTLED, _FIND_ASIDE) if settled else (_FIND,):
            for key in keys:
                row = connection.exec_driver_sql(statement, (number, *key)).first()
                if row is not None:
                    known[key] = Content(*row)
    return known


def _count_seen(connection: Connection, number: int, added: int) -> int:
    """Return how many contents of a catalogue were ever noted, ``added`` ones just now among them."""
    key = f"contents {number}"
    known = get_note(connection, key)
    if known is None:
        count = int(connection.exec_driver_sql("SELECT count(*) FROM contents WHERE catalogue_id = ?", (number,)).scalar_one())
    else:
        count = int(known) + added
    put_note(connection, key, str(count))
    return count


def _seen_before(connection: Connection, number: int, image: SeenImage) -> str | None:
    times = connection.exec_driver_sql(_FIRST_SEEN, (number, *image)).scalars()
    return min(map(time_seen, times), default=None)


def _find_number(connection: Connection, catalogue: str) -> int | None:
    return connection.execute(select(catalogues.c.catalogue_id).where(catalogues.c.catalogue == catalogue)).scalar()


def _key(release: Release) -> tuple[str, str]:
    return release.name, release.version
