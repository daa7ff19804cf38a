"""Releases in the index: writing them, a few or a million, and reading them back in pages.

Functions take a connection of `catalog.storage.database.Database`, so that several of them make one transaction. A catalogue is
given by its IPNS name as text. Paging is by keyset: a page starts after the last entry of the page before, so that every page costs
the same.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, and_, delete, func, select, text

from catalog.errors import ReleaseNotFoundError
from catalog.index.names import NameWriter, refresh_names
from catalog.index.order import encode_order
from catalog.index.schema import catalogues, images, names, releases
from catalog.index.subscriptions import generation_of, is_empty
from catalog.ipld.cid import Cid
from catalog.model.digest import ManifestDigest
from catalog.model.release import Release
from catalog.snapshot.line import decode_line, encode_line

_BATCH = 2000
_FIND = "SELECT release_id FROM releases WHERE generation = ? AND name = ? AND sort = ?"
_INSERT = "INSERT INTO releases VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
_UPDATE = "UPDATE releases SET published = ?, yanked = ?, removed = ?, line = ? WHERE release_id = ?"
_INSERT_IMAGE = "INSERT INTO images VALUES (?, ?, ?, ?, ?)"
_STORED = """
SELECT name, sum(size), max(CASE WHEN is_newest THEN size END) FROM (
    SELECT names.name AS name, max(releases.version = names.newest) AS is_newest,
        max(json_extract(CAST(releases.line AS TEXT), '$.images."' || images.platform || '".size')) AS size
    FROM catalogues JOIN names USING (generation) JOIN releases USING (generation, name) JOIN images USING (release_id)
    WHERE catalogues.catalogue = ? AND names.name IN (SELECT value FROM json_each(?)) AND releases.removed IS NULL
    GROUP BY names.name_id, images.archive
) GROUP BY name
"""
_DELETE_IMAGES = "DELETE FROM images WHERE release_id = ?"


@dataclass(frozen=True, slots=True)
class NameEntry:
    """A name of a catalogue, as lists show it: its newest version that is neither yanked nor removed, and how many are live."""

    catalogue: str
    name: str
    newest: str
    live: int
    published: str
    title: str
    description: str


class StoredSize(NamedTuple):
    """The sizes of a name's archives, as stored each by itself: of all, one in two releases counted once, and of the largest of its
    newest version."""

    total: int
    newest: int | None


def put_releases(connection: Connection, catalogue: str, entries: Iterable[Release]) -> None:
    """Add the releases to a catalogue that the index shows, each in place of the one with its name and version."""
    generation = generation_of(connection, catalogue)
    last = {(release.name, release.version): release for release in entries}  # the last of several for one release wins
    put_in_generation(connection, generation, ((release, encode_line(release)[:-1]) for release in last.values()))


def put_in_generation(connection: Connection, generation: int, entries: Iterable[tuple[Release, bytes]]) -> None:
    """Add releases with their lines (without LF). Fastest for an empty generation, in the order of snapshots."""
    writer = NameWriter(generation) if is_empty(connection, generation) else None
    touched: set[str] = set()
    stream = iter(entries)
    while batch := list(islice(stream, _BATCH)):
        put_rows(connection, generation, batch, fresh=writer is not None)
        if writer is not None:
            writer.add(connection, (release for release, _ in batch))
        else:
            touched.update(release.name for release, _ in batch)
    refresh_names(connection, generation, touched if writer is None else writer.finish(connection))


def remove_releases(connection: Connection, catalogue: str, keys: Iterable[tuple[str, str]]) -> None:
    """Delete the releases of (name, version) from the index."""
    generation = generation_of(connection, catalogue)
    touched = set()
    for name, version in keys:
        key = (releases.c.generation == generation, releases.c.name == name, releases.c.sort == encode_order(version))
        for (release_id,) in connection.execute(select(releases.c.release_id).where(*key)).all():
            connection.execute(delete(images).where(images.c.release_id == release_id))
            connection.execute(delete(releases).where(releases.c.release_id == release_id))
        touched.add(name)
    refresh_names(connection, generation, touched)


def get_release(connection: Connection, catalogue: str, name: str, version: str) -> Release:
    """Return one release of one catalogue, removed or not; raise `ReleaseNotFoundError`."""
    statement = (
        select(releases.c.line)
        .join(catalogues, catalogues.c.generation == releases.c.generation)
        .where(catalogues.c.catalogue == catalogue, releases.c.name == name, releases.c.sort == encode_order(version))
    )
    line = connection.execute(statement).scalar()
    if line is None:
        raise ReleaseNotFoundError(f'no release "{name}@{version}" in the catalogue {catalogue}')
    return decode_line(line)


def list_names(
    connection: Connection,
    *,
    catalogue: str | None = None,
    prefix: str = "",
    after: tuple[str, str] = ("", ""),
    limit: int = 100,
) -> list[NameEntry]:
    """Return a page of the names that have a live release, sorted by (name, catalogue), behind the (name, catalogue) ``after``."""
    statement = (
        select(
            catalogues.c.catalogue,
            names.c.name,
            names.c.newest,
            names.c.live,
            names.c.published,
            names.c.title,
            names.c.description,
        )
        .join(catalogues, catalogues.c.generation == names.c.generation)
        .where(names.c.live > 0, names.c.name >= max(prefix, after[0]))
        .where((names.c.name > after[0]) | (catalogues.c.catalogue > after[1]))
        .order_by(names.c.name, catalogues.c.catalogue)
        .limit(limit)
    )
    if prefix:
        statement = statement.where(names.c.name < prefix + "\x7f")
    if catalogue is not None:
        statement = statement.where(catalogues.c.catalogue == catalogue)
    return [NameEntry(*row) for row in connection.execute(statement)]


def stored_sizes(connection: Connection, catalogue: str, wanted: Sequence[str]) -> dict[str, StoredSize]:
    """Return what the archives of these names take; reads a line for each of their releases."""
    rows = connection.exec_driver_sql(_STORED, (catalogue, json.dumps(wanted)))
    return {name: StoredSize(total, newest) for name, total, newest in rows}


def newest_names(connection: Connection, *, catalogue: str | None = None, limit: int = 20) -> list[NameEntry]:
    """Return the names (of one catalogue, or of all) whose newest release was published last, latest first.

    Reads the row of every name.
    """
    columns = (names.c.name, names.c.newest, names.c.live, names.c.published, names.c.title, names.c.description)
    statement = (
        select(catalogues.c.catalogue, *columns)
        .join(catalogues, catalogues.c.generation == names.c.generation)
        .where(names.c.live > 0, names.c.newest != "")
        .order_by(names.c.published.desc(), names.c.name, catalogues.c.catalogue)
        .limit(limit)
    )
    if catalogue is not None:
        statement = statement.where(catalogues.c.catalogue == catalogue)
    return [NameEntry(*row) for row in connection.execute(statement)]


def list_releases(
    connection: Connection, catalogue: str, name: str, *, before: str | None = None, limit: int = 100
) -> list[Release]:
    """Return a page of a name's releases, newest version first, behind the version ``before``; removed ones too."""
    statement = (
        select(releases.c.line)
        .join(catalogues, catalogues.c.generation == releases.c.generation)
        .where(catalogues.c.catalogue == catalogue, releases.c.name == name)
        .order_by(releases.c.sort.desc())
        .limit(limit)
    )
    if before is not None:
        statement = statement.where(releases.c.sort < encode_order(before))
    return [decode_line(line) for line in connection.execute(statement).scalars()]


def iterate_releases(connection: Connection, catalogue: str) -> Iterator[Release]:
    """Yield every release of a catalogue, by name, then by version from the oldest."""
    statement = (
        select(releases.c.line)
        .join(catalogues, catalogues.c.generation == releases.c.generation)
        .where(catalogues.c.catalogue == catalogue)
        .order_by(releases.c.name, releases.c.sort)
        .execution_options(yield_per=_BATCH)
    )
    for line in connection.execute(statement).scalars():
        yield decode_line(line)


def find_archive(
    connection: Connection, archive_cid: Cid, *, catalogue: str | None = None, most: int | None = None
) -> list[tuple[str, Release]]:
    """Return the releases that hold an archive, with their catalogues; with ``catalogue``, only those of that one.

    A publisher may list one archive in all of its releases: ``most`` bounds what is read of them.
    """
    statement = (
        select(catalogues.c.catalogue, releases.c.line)
        .join(releases, catalogues.c.generation == releases.c.generation)
        .join(images, images.c.release_id == releases.c.release_id)
        .where(_holds(archive_cid))
        .distinct()
        .limit(most)
    )
    if catalogue is not None:
        statement = statement.where(catalogues.c.catalogue == catalogue)
    return [(found, decode_line(line)) for found, line in connection.execute(statement)]


def is_listed(connection: Connection, archive_cid: Cid, *, catalogue: str | None = None) -> bool:
    """Return whether some release (of ``catalogue``, if given) holds an archive; one that very many list costs no more."""
    statement = select(images.c.release_id).where(_holds(archive_cid)).limit(1)
    if catalogue is not None:
        statement = (
            statement.join(releases, images.c.release_id == releases.c.release_id)
            .join(catalogues, catalogues.c.generation == releases.c.generation)
            .where(catalogues.c.catalogue == catalogue)
        )
    return connection.execute(statement).first() is not None


def manifests_of(connection: Connection, archives: Iterable[Cid]) -> list[ManifestDigest]:
    """Return the canonical manifest digests of the archives that some release holds."""
    found = []
    for archive_cid in archives:
        statement = select(images.c.manifest).where(_holds(archive_cid)).limit(1)
        found += [ManifestDigest(raw) for raw in connection.execute(statement).scalars()]
    return found


def put_rows(connection: Connection, generation: int, batch: list[tuple[Release, bytes]], *, fresh: bool) -> None:
    """Write the rows of releases and images, without those of names. ``fresh``: the generation holds none of the releases."""
    next_id = connection.exec_driver_sql("SELECT coalesce(max(release_id), 0) + 1 FROM releases").scalar_one()
    added, changed, image_rows = [], [], []
    # The last of several entries for one release wins.
    for (name, version), (release, line) in {(entry[0].name, entry[0].version): entry for entry in batch}.items():
        sort = encode_order(version)
        release_id = None if fresh else connection.exec_driver_sql(_FIND, (generation, name, sort)).scalar()
        if release_id is None:
            release_id = next_id
            next_id += 1
            added.append((release_id, generation, name, sort, version, release.published, release.yanked, release.removed, line))
        else:
            changed.append((release.published, release.yanked, release.removed, line, release_id))
        for platform, image in release.images.items():
            image_rows.append((release_id, str(platform), image.archive.digest, image.config.raw, image.manifest.raw))
    if changed:
        connection.exec_driver_sql(_UPDATE, changed)
        connection.exec_driver_sql(_DELETE_IMAGES, [(row[-1],) for row in changed])
    if added:
        connection.exec_driver_sql(_INSERT, added)
    if image_rows:
        connection.exec_driver_sql(_INSERT_IMAGE, image_rows)


def _holds(archive_cid: Cid) -> ColumnElement[bool]:
    """Return the condition that an image has this archive, in the form that its index serves."""
    shortened = func.substr(images.c.archive, text("1"), text("6")) == archive_cid.digest[:6]
    return and_(shortened, images.c.archive == archive_cid.digest)
