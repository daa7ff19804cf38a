"""Signed records: shown, and taken in only where they are valid, of a name that is known, and better. docs/safety.md E2."""

import random
from datetime import timedelta

import pytest

from catalog.ipns.key import IpnsKey, create_key
from catalog.ipns.name import IpnsName
from catalog.ipns.record import Record, create_record
from catalog.ipns.validity import nanoseconds
from tests.factory.times import NOW
from tests.server.serving import Records, Served, serving

KEY = create_key()
OTHER = create_key()
TYPE = "application/vnd.ipfs.ipns-record"


def sign(sequence: int, days: float = 30, key: IpnsKey = KEY) -> Record:
    value = b"/ipfs/bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"
    return create_record(key, value, sequence=sequence, validity=nanoseconds(NOW + timedelta(days=days)))


def put(served: Served, record: bytes, name: IpnsName | str = KEY.name, content_type: str = TYPE) -> int:
    return served.ask(f"/routing/v1/ipns/{name}", "PUT", record, Content_Type=content_type).status


@pytest.mark.parametrize(
    "path", [f"/ipns/{KEY.name}?format=ipns-record", f"/routing/v1/ipns/{KEY.name}"], ids=["gateway", "routing"]
)
def test_a_record_is_shown_with_its_age(path: str) -> None:
    record = sign(5)
    with serving(records=Records({KEY.name: record.encoded})) as served:
        answer = served.ask(path)
        assert (answer.status, answer.body) == (200, record.encoded)
        assert answer.headers["content-type"] == TYPE
        assert answer.headers["content-disposition"] == f'attachment; filename="{KEY.name}.ipns-record"'
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"].startswith("public, max-age=300,")
        assert answer.headers["expires"] == "Thu, 24 Dec 2026 06:33:30 GMT"
        same = served.ask(path, "GET", None, If_None_Match=answer.headers["etag"])
        assert (same.status, same.body, same.headers["etag"]) == (304, b"", answer.headers["etag"])


def test_a_record_is_kept_no_longer_than_it_lives() -> None:
    with serving(
        records=Records({KEY.name: sign(5, days=0.001).encoded, OTHER.name: sign(5, days=-1, key=OTHER).encoded})
    ) as served:
        assert served.ask(f"/routing/v1/ipns/{KEY.name}").headers["cache-control"].startswith("public, max-age=86,")
        expired = served.ask(f"/routing/v1/ipns/{OTHER.name}")
        assert (expired.status, expired.headers["cache-control"]) == (200, "no-store")


def test_every_text_of_a_name_finds_it_and_others_are_refused() -> None:
    with serving(records=Records({KEY.name: sign(1).encoded})) as served:
        for text in (str(KEY.name), KEY.name.peer_id):
            assert served.ask(f"/routing/v1/ipns/{text}").status == 200
        for text in ("nonsense", "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku", "example.org", "%00"):
            assert served.ask(f"/routing/v1/ipns/{text}").status == 400
            assert served.ask(f"/ipns/{text}?format=ipns-record").status == 400
        assert served.ask(f"/routing/v1/ipns/{OTHER.name}").status == 404
        assert served.ask(f"/ipns/{OTHER.name}?format=ipns-record").status == 404


def test_accept_asks_for_the_record() -> None:
    with serving(records=Records({KEY.name: sign(1).encoded})) as served:
        assert served.ask(f"/ipns/{KEY.name}", "GET", None, Accept=TYPE).status == 200
        assert served.ask(f"/routing/v1/ipns/{KEY.name}", "GET", None, Accept="text/html").status == 406
        assert served.ask(f"/routing/v1/ipns/{KEY.name}", "GET", None, Accept="application/json, */*").status == 200


def test_a_better_record_is_taken_in_and_a_worse_one_is_not() -> None:
    with serving(records=Records({KEY.name: sign(5).encoded})) as served:
        assert put(served, sign(4).encoded) == 200
        assert put(served, sign(5).encoded) == 200
        assert served.records.puts == 0
        assert put(served, sign(5, days=31).encoded) == 200
        assert put(served, sign(6, days=1).encoded) == 200
        assert served.records.puts == 2
        assert served.ask(f"/routing/v1/ipns/{KEY.name}").body == sign(6, days=1).encoded
        assert b"dcat_records_taken_total 2\n" in served.ask("/metrics").body


def test_a_first_record_of_a_followed_name_is_taken_in() -> None:
    records = Records()
    records.followed.add(KEY.name)
    with serving(records=records) as served:
        assert put(served, sign(1).encoded) == 200
        assert records.kept == {KEY.name: sign(1).encoded}


def test_what_is_no_valid_record_of_a_known_name_changes_nothing() -> None:
    good = sign(6).encoded
    with serving(records=Records({KEY.name: sign(5).encoded})) as served:
        assert put(served, sign(6, key=OTHER).encoded, OTHER.name) == 403
        assert put(served, sign(6, key=OTHER).encoded) == 400
        assert put(served, sign(6, days=-1).encoded) == 400
        assert put(served, b"") == 400
        assert put(served, good + b"\0" * 20000) == 413
        assert put(served, good, content_type="text/plain") == 406
        assert put(served, good, content_type="") == 406
        assert put(served, good, "nonsense") == 400
        assert served.ask(f"/ipns/{KEY.name}", "PUT", good, Content_Type=TYPE).status == 405
        assert served.records.puts == 0
        assert b"dcat_records_taken_total 0\n" in served.ask("/metrics").body


def test_a_record_that_others_touched_replaces_nothing() -> None:
    """Nobody checks the V1 signature, so anybody can change it; the record stays valid, and must not count as another one."""
    good = sign(6).encoded
    with serving(records=Records({KEY.name: good})) as served:
        generator = random.Random(7)
        for _ in range(200):
            at = generator.randrange(len(good))
            put(served, good[:at] + bytes((good[at] ^ 1 << generator.randrange(8),)) + good[at + 1 :])
        assert served.records.puts == 0
