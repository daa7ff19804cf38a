"""The contents that releases were seen with: a published name@version never changes its content silently (docs/safety.md, A7, A17).

The content of a platform is its config digest, and within one format also archive and manifest, which are functions of the config.
The content that was seen first is current until the user accepts another one; for the own catalogue no other one is ever accepted.
What a catalogue shows now is compared with them in `catalog.trust.comparison`. Functions take a connection of the trust file's
`catalog.storage.database.Database`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import islice

from sqlalchemy import Connection, select

from catalog.errors import NotFoundError, SnapshotError
from catalog.limits import MAX_SEEN_CONTENTS
from catalog.model.release import Image, Release
from catalog.trust.conflicts import Conflict, check_waiting, end_conflicts
from catalog.trust.content import Content, content_of
from catalog.trust.provisional import ASIDE, ASIDE_TIME, SETTLED, is_provisional, mark_time, time_seen
from catalog.trust.schema import catalogues, contents
from catalog.trust.store import catalogue_id, get_floor, get_note, put_note

_BATCH = 2000
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

ImageKey = tuple[str, str, str]
"""Name, version and platform."""


def has_contents(connection: Connection, catalogue: str) -> bool:
    """Return whether contents of a catalogue were seen here before."""
    statement = select(contents.c.name).join(catalogues).where(catalogues.c.catalogue == catalogue).limit(1)
    return connection.execute(statement).first() is not None


SeenImage = tuple[str, str, str, bytes, str, bytes, bytes]
"""Name, version, platform, config, format, archive and manifest."""


def seen_image(key: ImageKey, image: Image) -> SeenImage:
    """Return an image as it is noted."""
    return (*key, image.config.raw, image.format, image.archive.binary, image.manifest.raw)


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


def add_other_formats(connection: Connection, number: int, images: Sequence[SeenImage], at: str) -> None:
    """Note images whose config is the current one in another format; the current content stays."""
    if images:
        connection.exec_driver_sql(_INSERT_FORMER, [(number, *image, at) for image in images])


def complete_contents(connection: Connection, number: int, found: Sequence[tuple[ImageKey, Content]]) -> None:
    """Write archive and manifest into contents that were noted without them."""
    if found:
        rows = [(content.format, content.archive, content.manifest, number, *key) for key, content in found]
        connection.exec_driver_sql(_COMPLETE, rows)


def find_former(connection: Connection, number: int, key: ImageKey, content: Content) -> Content | None:
    """Return the content that an image was seen with in the format of ``content``, beside its current one."""
    row = connection.exec_driver_sql(_FIND_FORMER, (number, *key, content.config, content.format)).first()
    return None if row is None else Content(*row)


def accept_images(connection: Connection, catalogue: str, images: Iterable[SeenImage], at: str) -> None:
    """Make the contents of images current, whatever was seen before; conflicts about them are over. Former ones keep their time.

    With a time that is marked (`catalog.trust.provisional`) they are current until the suspicious record is refused.
    """
    number = catalogue_id(connection, catalogue)
    provisional = is_provisional(at)
    stream = iter(images)
    while batch := list(islice(stream, _BATCH)):
        current = read_current(connection, number, [row[:3] for row in batch])
        changed = [row for row in batch if current.get(row[:3]) != Content(*row[3:])]
        if changed:
            keys = [(number, *row[:3]) for row in changed]
            connection.exec_driver_sql(_SET_ASIDE if provisional else _KEEP, keys)
            seen = [_seen_before(connection, number, row) or at for row in changed]
            times = [mark_time(time) if provisional else time for time in seen]
            connection.exec_driver_sql(_REPLACE, [(number, *row, time) for row, time in zip(changed, times, strict=True)])
            end_conflicts(connection, catalogue, [row[:3] for row in changed])


def accept_contents(connection: Connection, catalogue: str, release: Release, at: str) -> None:
    """Make the contents of a release current: those that another home of the own key shared first, or that the user accepted."""
    images = (seen_image((release.name, release.version, str(platform)), image) for platform, image in release.images.items())
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


def read_current(
    connection: Connection, number: int, keys: Sequence[ImageKey], *, settled: bool = False
) -> dict[ImageKey, Content]:
    """Return the current contents of images; with ``settled``, as if the suspicious record had been refused."""
    known: dict[ImageKey, Content] = {}
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


def find_number(connection: Connection, catalogue: str) -> int | None:
    """Return the number of a catalogue in the trust file, None where nothing is known of it."""
    return connection.execute(select(catalogues.c.catalogue_id).where(catalogues.c.catalogue == catalogue)).scalar()
