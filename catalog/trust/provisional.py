"""Contents that only a suspicious snapshot has shown (docs/safety.md, A4): noted, and forgotten when its record is refused.

While such a snapshot is shown its contents must not change silently either, so they are noted like others. What marks them is the
time at which they were first seen. Lookups import this module, so it imports no SQLAlchemy.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy import Connection

_MARK = "jump "
SETTLED = f" AND first_seen NOT LIKE '{_MARK}%'"
"""A condition on contents: they were not seen in a suspicious snapshot only."""
_TABLES = ("contents", "former_contents")
_NUMBER = "(SELECT catalogue_id FROM catalogues WHERE catalogue = ?)"


def mark_time(time: str) -> str:
    """Return the time to note for a content that only a suspicious snapshot has."""
    return _MARK + time


def time_seen(noted: str) -> str:
    """Return the time at which a content was first seen, marked or not."""
    return noted.removeprefix(_MARK)


def keep_provisional(connection: "Connection", catalogue: str) -> None:
    """Note the contents for good: the user accepted the record."""
    for table in _TABLES:
        connection.exec_driver_sql(
            f"UPDATE {table} SET first_seen = substr(first_seen, ?) WHERE catalogue_id = {_NUMBER} AND first_seen LIKE ?",  # noqa: S608
            (len(_MARK) + 1, catalogue, f"{_MARK}%"),
        )


def drop_provisional(connection: "Connection", catalogue: str) -> None:
    """Forget the contents: the record was refused, by the user or because the owner signed a proper one."""
    for table in _TABLES:
        connection.exec_driver_sql(
            f"DELETE FROM {table} WHERE catalogue_id = {_NUMBER} AND first_seen LIKE ?",  # noqa: S608
            (catalogue, f"{_MARK}%"),
        )
    # The number of contents that were seen is counted anew (`catalog.trust.contents.see_contents`).
    connection.exec_driver_sql(f"DELETE FROM notes WHERE key = 'contents ' || {_NUMBER}", (catalogue,))  # noqa: S608
