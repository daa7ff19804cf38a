"""Names are kept alive while a home runs: its own is signed anew in time, and nothing is done twice."""

from datetime import timedelta
from pathlib import Path

from catalog.home.records import local_records
from catalog.ipns.record import validate_record
from catalog.operations.renew import renew
from catalog.own.signing import own_name
from tests.factory.releases import publish_fake
from tests.factory.times import NOW
from tests.fakes.homes import NOBODY, open_at


def test_the_own_record_is_signed_anew_before_it_ends(tmp_path: Path) -> None:
    with open_at(tmp_path / "home") as home:
        assert renew(home, NOBODY) == []
        publish_fake(home, "web", "1.0")
        assert renew(home, NOBODY) == []
        name = own_name(home)
        assert name is not None
        first = local_records(home).get(name)
        assert first is not None
    for days, sequence in ((9, 1), (11, 2), (20, 2), (40, 3)):
        now = NOW + timedelta(days=days)
        with open_at(tmp_path / "home", days=days) as home:
            assert renew(home, NOBODY) == []
            record = validate_record(name, local_records(home).get(name) or b"", now)
            assert record.sequence == sequence
            assert record.value == validate_record(name, first, NOW).value
