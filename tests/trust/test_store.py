"""Floors never fall; pins, notes and confirmations are kept; nothing is noted as unfinished twice."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection

from catalog.errors import RollbackError
from catalog.limits import MAX_REFUSALS
from catalog.storage.database import Database
from catalog.trust import store
from catalog.trust.decision import Floor
from catalog.trust.schema import SCHEMA
from tests.factory.times import AT


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    database = Database(tmp_path / "trust.sqlite", SCHEMA)
    with database.write() as opened:
        yield opened
    database.close()


def test_floor_never_falls(connection: Connection) -> None:
    choices = random.Random(1)
    highest = -1
    for _ in range(1000):
        sequence = choices.randrange(50)
        floor = Floor(sequence, b"/ipfs/%d" % (sequence * 10 + (choices.random() < 0.05)))
        held = store.get_floor(connection, "k51bob")
        try:
            store.raise_floor(connection, "k51bob", floor, b"record")
        except RollbackError:
            assert held is not None
            assert sequence < highest or (sequence == highest and floor.value != held.floor.value)
            assert store.get_floor(connection, "k51bob") == held
        else:
            assert sequence >= highest
            highest = sequence
    assert store.get_floor(connection, "k51carol") is None


def test_suspicious_record_is_shown_without_raising_the_floor(connection: Connection) -> None:
    low, high = Floor(5, b"/ipfs/low"), Floor(2**62, b"/ipfs/high")
    store.raise_floor(connection, "k51bob", low, b"low")
    store.show_above_floor(connection, "k51bob", high, b"high")
    held = store.get_floor(connection, "k51bob")
    assert held == store.StoredFloor(low, b"low", high, b"high")
    assert held.newest == high
    store.refuse_record(connection, "k51bob", high)
    assert store.list_refused(connection, "k51bob") == [high]
    assert store.list_refused(connection, "k51carol") == []
    held = store.get_floor(connection, "k51bob")
    assert held is not None
    assert held.newest == low
    store.show_above_floor(connection, "k51bob", high, b"high")
    store.raise_floor(connection, "k51bob", Floor(6, b"/ipfs/next"), b"next")
    assert store.get_floor(connection, "k51bob") == store.StoredFloor(Floor(6, b"/ipfs/next"), b"next")


def test_unfinished_numbers_are_never_given_twice(connection: Connection) -> None:
    first = store.add_unfinished(connection, "k51bob", {"whole": True})
    store.clear_unfinished(connection, first)
    second = store.add_unfinished(connection, "k51bob", {"whole": False})
    assert second > first
    assert store.list_unfinished(connection) == [store.Unfinished(second, "k51bob", {"whole": False})]


def test_pins(connection: Connection) -> None:
    pin = store.Pin("bafyone", "k51bob", "web", "1.0", "linux/amd64", "pulled", AT)
    other = store.Pin("bafytwo", "k51bob", "web", "1.1", "linux/amd64", "mirrored", "2026-11-25T00:00:00Z")
    for _ in range(2):
        store.put_pin(connection, other)
        store.put_pin(connection, pin)
    assert store.list_pins(connection) == [pin, other]
    assert store.list_pins(connection, before="2026-11-25T00:00:00Z") == [pin]
    store.put_pin(connection, store.Pin("bafyone", "k51bob", "web", "1.0", "linux/amd64", "pinned", "2026-12-01T00:00:00Z"))
    store.put_pin(connection, pin)
    assert next((held.reason, held.since) for held in store.list_pins(connection)) == ("pinned", AT)
    assert store.delete_pin(connection, "bafyone")
    assert not store.delete_pin(connection, "bafyone")


def test_notes_and_confirmations(connection: Connection) -> None:
    assert store.get_note(connection, "image-id") is None
    store.put_note(connection, "image-id", "config")
    store.put_note(connection, "image-id", "manifest")
    assert store.get_note(connection, "image-id") == "manifest"
    assert not store.is_confirmed(connection, "kubo")
    store.confirm_target(connection, "kubo", AT)
    store.confirm_target(connection, "kubo", AT)
    assert store.is_confirmed(connection, "kubo")


def test_refusals_of_one_catalogue_have_an_end(connection: Connection) -> None:
    """A source may serve another suspicious record with every sync."""
    for sequence in range(1, MAX_REFUSALS + 50):
        store.refuse_record(connection, "k51bob", Floor(sequence << 30, b"/ipfs/x"))
    store.refuse_record(connection, "k51carol", Floor(1, b"/ipfs/x"))
    kept = sorted(refused.sequence >> 30 for refused in store.list_refused(connection, "k51bob"))
    assert kept == list(range(50, MAX_REFUSALS + 50))
    assert len(store.list_refused(connection, "k51carol")) == 1
