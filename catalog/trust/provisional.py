"""What only a suspicious snapshot has shown (docs/safety.md, A4): noted, and undone when its record is refused.

While such a snapshot is shown its contents must not change silently either, so they are noted like others. What marks them is the
time at which they were first seen. A content that was current before, and gave way because the user accepted another one while the
suspicious snapshot was shown, is marked among the former ones, and becomes current again. Lookups import this module, so it imports
no SQLAlchemy.
"""

from __future__ import annotations

TYPE_CHECKING = False  # see catalog.record
if TYPE_CHECKING:
    from sqlalchemy import Connection

_MARK = "jump "
_SET_ASIDE = "held "
SETTLED = f" AND first_seen NOT LIKE '{_MARK}%'"
"""A condition on contents: they were not seen, or accepted, in a suspicious snapshot only."""
ASIDE = f" AND first_seen LIKE '{_SET_ASIDE}%'"
"""A condition on former contents: they become current again when the record of the suspicious snapshot is refused."""
ASIDE_TIME = f"CASE WHEN first_seen LIKE '{_MARK}%' THEN first_seen ELSE '{_SET_ASIDE}' || first_seen END"
"""The time to note for a current content that gives way while a suspicious snapshot is shown."""
SEEN = f"replace(replace(first_seen, '{_MARK}', ''), '{_SET_ASIDE}', '')"
"""The time at which a content was first seen, marked or not, as a term of SQL."""
_NUMBER = "(SELECT catalogue_id FROM catalogues WHERE catalogue = ?)"
_COLUMNS = "catalogue_id, name, version, platform, config, format, archive, manifest"
_WITHOUT_CONTENTS = f"catalogue_id = {_NUMBER} AND name NOT IN (SELECT name FROM contents WHERE catalogue_id = {_NUMBER})"  # noqa: S608
_FREED = f"SELECT name FROM owners WHERE NOT preferred AND {_WITHOUT_CONTENTS} ORDER BY name"  # noqa: S608
# Who else had the name already: the own catalogue, else the followed one that brought it first. What a first sync brought ranks as
# of the subscription.
_HEIRS = """
SELECT catalogue_id, 0 FROM contents JOIN catalogues USING (catalogue_id) WHERE own AND name = ?1
UNION ALL
SELECT catalogue_id, CASE
    WHEN tick = (SELECT min(tick) FROM seen_names AS first WHERE first.catalogue_id = seen_names.catalogue_id)
    THEN min(tick, coalesce(position, tick)) ELSE tick END AS rank
FROM seen_names JOIN catalogues USING (catalogue_id) WHERE NOT own AND name = ?1
ORDER BY 2 LIMIT 1
"""


def mark_time(time: str) -> str:
    """Return the time to note for a content that only a suspicious snapshot has."""
    return _MARK + time_seen(time)


def is_provisional(noted: str) -> bool:
    """Return whether the noted time is that of a content that only a suspicious snapshot has."""
    return noted.startswith(_MARK)


def time_seen(noted: str) -> str:
    """Return the time at which a content was first seen, marked or not."""
    return noted.removeprefix(_MARK).removeprefix(_SET_ASIDE)


def keep_provisional(connection: Connection, catalogue: str) -> None:
    """Note everything for good: the user accepted the record."""
    for table, mark in (("contents", _MARK), ("former_contents", _MARK), ("former_contents", _SET_ASIDE)):
        connection.exec_driver_sql(
            f"UPDATE {table} SET first_seen = substr(first_seen, ?) WHERE catalogue_id = {_NUMBER} AND first_seen LIKE ?",  # noqa: S608
            (len(mark) + 1, catalogue, f"{mark}%"),
        )


def drop_provisional(connection: Connection, catalogue: str) -> None:
    """Undo everything: the record was refused, by the user or because the owner signed a proper one.

    Contents that only it had are forgotten, those that gave way to them are current again, and names that only it brought belong to
    nobody, or to the catalogue that had them next.
    """
    for table in ("contents", "former_contents"):
        connection.exec_driver_sql(
            f"DELETE FROM {table} WHERE catalogue_id = {_NUMBER} AND first_seen LIKE ?",  # noqa: S608
            (catalogue, f"{_MARK}%"),
        )
    connection.exec_driver_sql(
        f"INSERT OR IGNORE INTO contents SELECT {_COLUMNS}, substr(first_seen, ?) "  # noqa: S608
        f"FROM former_contents WHERE catalogue_id = {_NUMBER}{ASIDE}",
        (len(_SET_ASIDE) + 1, catalogue),
    )
    connection.exec_driver_sql(f"DELETE FROM former_contents WHERE catalogue_id = {_NUMBER}{ASIDE}", (catalogue,))  # noqa: S608
    _free_names(connection, catalogue)
    # The number of contents that were seen is counted anew (`catalog.trust.contents.see_contents`).
    connection.exec_driver_sql(f"DELETE FROM notes WHERE key = 'contents ' || {_NUMBER}", (catalogue,))  # noqa: S608


def _free_names(connection: Connection, catalogue: str) -> None:
    """Let go of names under which no content of the catalogue is noted any more."""
    freed = connection.exec_driver_sql(_FREED, (catalogue, catalogue)).scalars().all()
    connection.exec_driver_sql(f"DELETE FROM seen_names WHERE {_WITHOUT_CONTENTS}", (catalogue, catalogue))  # noqa: S608
    for name in freed:
        connection.exec_driver_sql("DELETE FROM owners WHERE name = ?", (name,))
        heir = connection.exec_driver_sql(_HEIRS, (name,)).first()
        if heir is not None:
            connection.exec_driver_sql("INSERT INTO owners VALUES (?, ?, ?, 0)", (name, *heir))
