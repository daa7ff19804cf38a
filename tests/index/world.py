"""A home's index and trust store in memory, for tests of what references mean: quick to fill, and to empty again."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.pool import StaticPool

from catalog.index import releases, subscriptions
from catalog.index.catalogue import CatalogueRow
from catalog.index.schema import SCHEMA as INDEX
from catalog.lookup.locate import Lookup
from catalog.lookup.view import View
from catalog.model.release import Release
from catalog.storage.database import Schema
from catalog.trust import ownership as naming
from catalog.trust.contents import see_contents
from catalog.trust.schema import SCHEMA as TRUST
from tests.factory.times import AT

OWN = "k51mine"


class World:
    """One home. Catalogues are put in as a publish or a sync does."""

    def __init__(self, index: Connection, trust: Connection, raw: tuple[sqlite3.Connection, sqlite3.Connection]) -> None:
        self.index = index
        self.trust = trust
        self._raw = raw
        self.put_own()

    def put_own(self, *some: Release) -> None:
        naming.set_own(self.trust, OWN)
        subscriptions.show_catalogue(self.index, CatalogueRow(OWN, own=True))
        for name in sorted({release.name for release in some}):
            naming.check_own_name(self.trust, name)
        see_contents(self.trust, OWN, some, AT)
        naming.claim_names(self.trust, OWN, {release.name for release in some})
        releases.put_releases(self.index, OWN, some)

    def subscribe(self, alias: str, *some: Release, catalogue: str = "", row: CatalogueRow | None = None) -> str:
        catalogue = catalogue or f"k51{alias}"
        naming.follow(self.trust, catalogue, alias, AT)
        self.sync(alias, *some, catalogue=catalogue, row=row)
        return catalogue

    def sync(self, alias: str, *some: Release, catalogue: str = "", row: CatalogueRow | None = None, at: str = AT) -> None:
        catalogue = catalogue or f"k51{alias}"
        differing = see_contents(self.trust, catalogue, some, at)
        naming.claim_names(self.trust, catalogue, {release.name for release in some})
        naming.finish_first_sync(self.trust, catalogue)
        subscriptions.show_catalogue(self.index, row or CatalogueRow(catalogue, alias=alias))
        kept = {(conflict.name, conflict.version) for conflict in differing}
        releases.put_releases(self.index, catalogue, [r for r in some if (r.name, r.version) not in kept])

    def unsubscribe(self, alias: str) -> None:
        naming.unfollow(self.trust, f"k51{alias}")
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
