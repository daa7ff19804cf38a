from collections.abc import Iterator
from pathlib import Path

import pytest

from catalog.errors import CatalogueNotFoundError, RecordError, RollbackError
from catalog.home.home import Home
from catalog.ipns.key import IpnsKey
from catalog.limits import MAX_SEQUENCE
from catalog.operations.key import show_key
from catalog.operations.revoke import create_revocation, read_revocation, revoke
from catalog.own.share import share_own
from tests.factory.releases import publish_fake
from tests.fakes.homes import NOBODY, open_at, share


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    with open_at(tmp_path / "home") as opened:
        yield opened


def test_a_revocation_is_the_last_record(home: Home) -> None:
    publish_fake(home, "web", "1")
    with pytest.raises(CatalogueNotFoundError, match="signed"):
        create_revocation(home, None)
    record = share(home).record
    successor = IpnsKey(b"s" * 32).name
    revocation = create_revocation(home, successor)
    assert (revocation.sequence, revocation.value, revocation.successor) == (MAX_SEQUENCE, record.value, successor)
    assert share(home).record == record
    assert read_revocation(record.name, revocation.encoded) == revocation
    with pytest.raises(RecordError, match="not a revocation"):
        read_revocation(record.name, record.encoded)
    with pytest.raises(RecordError, match="successor"):
        create_revocation(home, record.name)
    revoke(home, NOBODY, record.name, revocation.encoded)
    assert show_key(home).revoked
    publish_fake(home, "web", "2")
    with pytest.raises(RollbackError, match="revoked"):
        share_own(home, NOBODY)


def test_a_lost_key_is_revoked_from_any_home(home: Home, tmp_path: Path) -> None:
    publish_fake(home, "web", "1")
    name = share(home).record.name
    revocation = create_revocation(home, None)
    with open_at(tmp_path / "other") as other:
        done = revoke(other, NOBODY, name, revocation.encoded)
        assert done.record.revoked
        with pytest.raises(RecordError):
            revoke(other, NOBODY, IpnsKey(b"z" * 32).name, revocation.encoded)
