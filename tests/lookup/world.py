"""A home's index and trust store in memory, for tests of what references mean: quick to fill, and to empty again."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.pool import StaticPool

from catalog.errors import ReleaseNotFoundError
from catalog.followed.taking import note_names
from catalog.index import releases, subscriptions
from catalog.index.catalogue import CatalogueRow
from catalog.index.schema import SCHEMA as INDEX
from catalog.index.update import IndexUpdate, apply_update
from catalog.lookup.locate import Lookup
from catalog.lookup.view import View
from catalog.model.release import Release
from catalog.storage.database import Schema
from catalog.trust import ownership
from catalog.trust.comparison import compare_contents, note_contents
from catalog.trust.conflicts import keep_contents
from catalog.trust.own import note_own_releases
from catalog.trust.schema import SCHEMA as TRUST
from tests.factory.times import AT

OWN = "k51mine"


class World:
    """One home. Catalogues are put in by what a publish and a sync run in their transactions, without files and blocks."""

    def __init__(self, index: Connection, trust: Connection, raw: tuple[sqlite3.Connection, sqlite3.Connection]) -> None:
        self.index = index
        self.trust = trust
        self._raw = raw
        self.put_own()

    def put_own(self, *some: Release) -> None:
        ownership.set_own(self.trust, OWN)
        note_own_releases(self.trust, OWN, some, AT)
        apply_update(self.index, IndexUpdate(OWN, row=CatalogueRow(OWN, own=True), releases=some))

    def subscribe(self, alias: str, *some: Release, catalogue: str = "", row: CatalogueRow | None = None) -> str:
        catalogue = catalogue or f"k51{alias}"
        ownership.follow(self.trust, catalogue, alias, AT)
        self.sync(alias, *some, catalogue=catalogue, row=row)
        return catalogue

    def sync(
        self,
        alias: str,
        *some: Release,
        catalogue: str = "",
        row: CatalogueRow | None = None,
        at: str = AT,
        gone: Sequence[tuple[str, str]] = (),
    ) -> None:
        """Take releases as a sync does that found them as differences; ``gone`` are lines that the publisher left out."""
        catalogue = catalogue or f"k51{alias}"

        def held(name: str, version: str) -> Release | None:
            try:
                return releases.get_release(self.index, catalogue, name, version)
            except ReleaseNotFoundError:
                return None

        found = compare_contents(self.trust, catalogue, some, at, held=held, gone=gone)
        note_names(self.trust, catalogue, some, None, ownership.next_tick(self.trust))
        note_contents(self.trust, found, at)
        ownership.finish_first_sync(self.trust, catalogue)
        put = [keep_contents(release, found.conflicts) for release in some]
        row = row or CatalogueRow(catalogue, alias=alias)
        apply_update(self.index, IndexUpdate(catalogue, row=row, releases=put, gone=gone))

    def unsubscribe(self, alias: str) -> None:
        ownership.unfollow(self.trust, f"k51{alias}")
        subscriptions.hide_catalogue(self.index, f"k51{alias}")

    @property
    def lookup(self) -> Lookup:
        return Lookup(View(*self._raw))


@contextmanager
def open_world() -> Iterator["Worlds"]:
    """Open what worlds are made in."""
    worlds = Worlds()
    try:
        yield worlds
    finally:
        worlds.close()


class Worlds:
    """One pair of files in memory; each world in it is undone when it ends."""

    def __init__(self) -> None:
        self._raw = (_memory(INDEX), _memory(TRUST))
        self._engines = [_engine(raw) for raw in self._raw]

    @contextmanager
    def world(self) -> Iterator[World]:
        index, trust = (engine.connect() for engine in self._engines)
        with index, trust:
            index.begin()
            trust.begin()
            try:
                yield World(index, trust, self._raw)
            finally:
                index.rollback()
                trust.rollback()

    def close(self) -> None:
        for engine in self._engines:
            engine.dispose()
        for raw in self._raw:
            raw.close()


def _memory(schema: Schema) -> sqlite3.Connection:
    raw = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    for statement in schema.statements():
        raw.execute(statement)
    return raw


def _engine(raw: sqlite3.Connection) -> Engine:
    engine = create_engine("sqlite+pysqlite://", creator=lambda: raw, poolclass=StaticPool)
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
    return engine
