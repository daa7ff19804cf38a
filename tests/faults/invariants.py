"""What must be true of a home after anything whatever happened to a command in it."""

import sqlite3
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from catalog.blockstores.holding import is_whole
from catalog.home.home import Home, open_home
from catalog.home.records import LocalRouting
from catalog.image.walk import walk
from catalog.index.releases import iterate_releases
from catalog.ipns.name import parse_ipns_name
from catalog.ipns.record import check_record
from catalog.lookup.locate import open_lookup
from catalog.snapshot.reader import open_snapshot
from catalog.trust.store import get_floor, list_unfinished, list_unshared


def check_files(path: Path) -> None:
    """Every SQLite file that is there is sound, before anything of dcat opens it."""
    for file in sorted(path.glob("*.sqlite")):
        connection = sqlite3.connect(file)
        try:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)], file
        finally:
            connection.close()


def check_home(path: Path, acknowledged: Mapping[str, str]) -> set[str]:
    """The home opens; what was ``acknowledged`` (reference to CID) is there; nothing is there by half; return the own releases.

    The record of the own catalogue points to a snapshot that is whole; everything that is published is in it or noted for the next.
    """
    with open_home(path, now=datetime.now(UTC)) as home:
        own = home.own_catalogue()
        if own is None:
            assert not acknowledged
            return set()
        home.read_key()
        with home.index.read() as connection:
            releases = {release.reference: release for release in iterate_releases(connection, own)}
        for reference, cid in acknowledged.items():
            with open_lookup(path) as lookup:
                found = lookup.resolve(reference, now=home.now).release
            assert cid in {str(image.archive) for image in found.images.values()}, reference
        for release in releases.values():
            for image in release.images.values():
                assert is_whole(image.archive, home.blocks), release.reference
                for block in walk(image.archive, home.blocks):
                    home.blocks.get(block.cid)
        with home.trust.read() as connection:
            assert list_unfinished(connection) == []
        _check_record(home, own, set(releases))
        return set(releases)


def _check_record(home: Home, own: str, releases: set[str]) -> None:
    name = parse_ipns_name(own)
    with home.trust.read() as connection:
        floor = get_floor(connection, own)
        noted = {release.reference for _, release in list_unshared(connection)}
    shared: set[str] = set()
    if floor is not None and floor.record is not None:
        record = check_record(name, floor.record)
        shared = {release.reference for release in open_snapshot(record.snapshot_cid, home.blocks).read()}
    assert releases == shared | noted
    offered = LocalRouting(home.path / "records").get(name)
    if offered is not None:
        older = check_record(name, offered)
        assert floor is not None
        assert older.sequence <= floor.floor.sequence
        list(open_snapshot(older.snapshot_cid, home.blocks).read())
