"""The history of changes that ``log`` shows. The newest change has the highest number."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from sqlalchemy import Connection, insert, select

from catalog.index.schema import history
from catalog.limits import MAX_HISTORY

_FORGET = """
DELETE FROM history WHERE catalogue = ? AND change_id <= (
    SELECT change_id FROM history WHERE catalogue = ? ORDER BY change_id DESC LIMIT 1 OFFSET ?
)
"""

ChangeKind = Literal[
    "published",  # a new release
    "platform",  # a platform was added to a release
    "annotated",  # titles, annotations, deltas or archives changed, the content did not
    "yanked",
    "unyanked",
    "removed",
    "conflict",  # a followed release came with other content
    "accepted",
    "refused",
    "subscribed",
    "unsubscribed",
    "synced",  # many releases at once; their number stands in the detail
    "preferred",
]


@dataclass(frozen=True, slots=True)
class Change:
    """One change. ``catalogue`` is an IPNS name, ``at`` the time when this home made or saw it, ``detail`` depends on the kind.

    ``change_id`` is 0 until it is stored.
    """

    catalogue: str
    at: str
    kind: ChangeKind
    name: str = ""
    version: str = ""
    platform: str = ""
    detail: Mapping[str, object] = field(default_factory=dict)
    change_id: int = 0


def add_changes(connection: Connection, changes: Iterable[Change]) -> None:
    """Append changes to the history; of each catalogue the newest `MAX_HISTORY` are kept."""
    rows = [
        {
            "catalogue": change.catalogue,
            "at": change.at,
            "kind": change.kind,
            "name": change.name,
            "version": change.version,
            "platform": change.platform,
            "detail": json.dumps(dict(change.detail), separators=(",", ":"), sort_keys=True),
        }
        for change in changes
    ]
    if rows:
        connection.execute(insert(history), rows)
        for catalogue in {str(row["catalogue"]) for row in rows}:
            connection.exec_driver_sql(_FORGET, (catalogue, catalogue, MAX_HISTORY))


def list_changes(
    connection: Connection,
    *,
    catalogue: str | None = None,
    name: str | None = None,
    version: str | None = None,
    kind: ChangeKind | None = None,
    before: int | None = None,
    limit: int = 100,
) -> list[Change]:
    """Return a page of the history, newest first, with the changes older than ``before``."""
    statement = select(
        history.c.catalogue,
        history.c.at,
        history.c.kind,
        history.c.name,
        history.c.version,
        history.c.platform,
        history.c.detail,
        history.c.change_id,
    )
    filters = ((history.c.catalogue, catalogue), (history.c.name, name), (history.c.version, version), (history.c.kind, kind))
    for column, wanted in filters:
        if wanted is not None:
            statement = statement.where(column == wanted)
    if before is not None:
        statement = statement.where(history.c.change_id < before)
    statement = statement.order_by(history.c.change_id.desc()).limit(limit)
    return [
        Change(row.catalogue, row.at, row.kind, row.name, row.version, row.platform, json.loads(row.detail), row.change_id)
        for row in connection.execute(statement)
    ]
