"""The contract of `catalog.sources.records`, as tests that every implementation runs.

A test module subclasses `RoutingContract` and gives two fixtures: ``routing``, and ``key``, of whose name it takes records.
"""

from datetime import UTC, datetime

import pytest

from catalog.ipns.key import IpnsKey, create_key
from catalog.ipns.record import Record, check_record, create_record
from catalog.ipns.validity import nanoseconds
from catalog.limits import MAX_RECORD_SIZE
from catalog.sources.records import NamedRouting

VALUE = b"/ipfs/bafkqaddwgevxmmraojswg33smq"


def record_of(key: IpnsKey, sequence: int) -> Record:
    """Sign a record that real nodes take: alive by the real clock."""
    validity = nanoseconds(datetime(2100, 1, 1, tzinfo=UTC))
    return create_record(key, VALUE, sequence=sequence, validity=validity)


class RoutingContract:
    """Records are moved as they are; a better one may stay."""

    @pytest.fixture
    def key(self) -> IpnsKey:
        return create_key()

    def test_an_unknown_name_has_no_record(self, routing: NamedRouting) -> None:
        assert routing.get(create_key().name) is None

    def test_a_record_comes_back_as_it_was(self, routing: NamedRouting, key: IpnsKey) -> None:
        record = record_of(key, 1)
        routing.put(key.name, record.encoded)
        assert routing.get(key.name) == record.encoded

    def test_a_newer_record_takes_the_place_of_an_older_one(self, routing: NamedRouting, key: IpnsKey) -> None:
        for sequence in (1, 2):
            routing.put(key.name, record_of(key, sequence).encoded)
        given = routing.get(key.name)
        assert given is not None
        assert len(given) <= MAX_RECORD_SIZE
        assert check_record(key.name, given).sequence == 2

    def test_the_same_record_may_be_put_again(self, routing: NamedRouting, key: IpnsKey) -> None:
        for _ in range(2):
            routing.put(key.name, record_of(key, 1).encoded)
        assert routing.get(key.name) == record_of(key, 1).encoded

    def test_it_has_a_name_for_people(self, routing: NamedRouting) -> None:
        assert routing.name
