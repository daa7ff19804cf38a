"""One row and one full-text document for each name of a catalogue, kept in step with its releases.

A document holds the name, its versions, title and description of its newest release, and the other annotations of its newest ones.
"""

import json
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from sqlalchemy import Connection

from catalog.index.order import encode_order
from catalog.model.release import Release

_VERSIONS_IN_DOCUMENT = 5000
_RELEASES_READ = 100
_MAX_LABELS = 8192
_TITLES = ("title", "org.opencontainers.image.title")
_DESCRIPTIONS = ("description", "org.opencontainers.image.description")

_SELECT = """
SELECT version, published, yanked, removed, CASE WHEN row_number() OVER (ORDER BY sort DESC) <= ? THEN line END
FROM releases WHERE generation = ? AND name = ? ORDER BY sort DESC
"""
_FIND = "SELECT name_id FROM names WHERE generation = ? AND name = ?"
_INSERT = "INSERT INTO names VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
_INSERT_TEXT = "INSERT INTO names_fts (rowid, name, versions, title, description, labels) VALUES (?, ?, ?, ?, ?, ?)"


class _Entry(NamedTuple):
    version: str
    published: str
    usable: bool
    live: bool
    annotations: Mapping[str, str]


class _Summary(NamedTuple):
    live: int
    newest: str
    published: str
    title: str
    description: str
    versions: str
    labels: str


class NameWriter:
    """Write the names of a generation that was empty while its releases are put, without reading them back.

    Best in the order of snapshots: a name that comes again after another one is left to `refresh_names`.
    """

    def __init__(self, generation: int) -> None:
        self._generation = generation
        self._written: set[str] = set()
        self._again: set[str] = set()
        self._name = ""
        self._releases: list[Release] = []
        self._complete: list[tuple[str, _Summary]] = []

    def add(self, connection: Connection, releases: Iterable[Release]) -> None:
        """Take releases that were put; write the names that are complete."""
        for release in releases:
            if release.name != self._name:
                self._end_name()
                self._name = release.name
            self._releases.append(release)
        self._send(connection)

    def finish(self, connection: Connection) -> set[str]:
        """Write the remaining names; return those that `refresh_names` must still write."""
        self._end_name()
        self._send(connection)
        return self._again

    def _end_name(self) -> None:
        if not self._releases:
            return
        if self._name in self._written:
            self._again.add(self._name)
        else:
            self._written.add(self._name)
            self._releases.sort(key=lambda release: encode_order(release.version), reverse=True)
            self._complete.append((self._name, _summarise([_entry(release) for release in self._releases])))
        self._releases = []

    def _send(self, connection: Connection) -> None:
        if not self._complete:
            return
        next_id = _next_id(connection)
        pairs = [_rows(next_id + place, self._generation, name, summary) for place, (name, summary) in enumerate(self._complete)]
        connection.exec_driver_sql(_INSERT, [row for row, _ in pairs])
        connection.exec_driver_sql(_INSERT_TEXT, [document for _, document in pairs])
        self._complete = []


def refresh_names(connection: Connection, generation: int, names: Iterable[str]) -> None:
    """Rewrite the rows of these names from their releases; delete a name without releases."""
    for name in names:
        name_id = connection.exec_driver_sql(_FIND, (generation, name)).scalar()
        if name_id is not None:
            connection.exec_driver_sql("DELETE FROM names WHERE name_id = ?", (name_id,))
            connection.exec_driver_sql("DELETE FROM names_fts WHERE rowid = ?", (name_id,))
        entries = [
            _Entry(
                version,
                published,
                yanked is None and removed is None,
                removed is None,
                json.loads(line)["annotations"] if line is not None else {},
            )
            for version, published, yanked, removed, line in connection.exec_driver_sql(_SELECT, (_RELEASES_READ, generation, name))
        ]
        if not entries:
            continue
        if name_id is None:
            name_id = _next_id(connection)
        row, document = _rows(name_id, generation, name, _summarise(entries))
        connection.exec_driver_sql(_INSERT, row)
        connection.exec_driver_sql(_INSERT_TEXT, document)


def _summarise(entries: list[_Entry]) -> _Summary:
    """Return the summary of a name; ``entries`` are its releases, newest first."""
    live = [entry for entry in entries if entry.live]
    newest = next((entry for entry in live if entry.usable), None)
    head = newest or (live[0] if live else None)
    title = _first(head.annotations, _TITLES) if head else ""
    description = _first(head.annotations, _DESCRIPTIONS) if head else ""
    labels: dict[str, None] = {}
    for entry in entries[:_RELEASES_READ]:
        if entry.live:
            for key, value in entry.annotations.items():
                if key not in _DESCRIPTIONS:
                    labels[value] = None
    return _Summary(
        len(live),
        newest.version if newest else "",
        newest.published if newest else "",
        title,
        description,
        " ".join(entry.version for entry in live[:_VERSIONS_IN_DOCUMENT]),
        "\n".join(labels)[:_MAX_LABELS],
    )


def _entry(release: Release) -> _Entry:
    live = release.removed is None
    return _Entry(release.version, release.published, live and release.yanked is None, live, release.annotations)


def _next_id(connection: Connection) -> int:
    return int(connection.exec_driver_sql("SELECT coalesce(max(name_id), 0) + 1 FROM names").scalar_one())


def _first(annotations: Mapping[str, str], keys: tuple[str, ...]) -> str:
    return next((annotations[key] for key in keys if key in annotations), "")


def _rows(name_id: int, generation: int, name: str, summary: _Summary) -> tuple[tuple[object, ...], tuple[object, ...]]:
    row = (name_id, generation, name, summary.live, summary.newest, summary.published, summary.title, summary.description)
    return row, (name_id, name, summary.versions, summary.title, summary.description, summary.labels)
