import threading
from datetime import timedelta

import pytest

from catalog.errors import RecordError, UnavailableError
from catalog.ipns.key import IpnsKey
from catalog.ipns.name import IpnsName
from catalog.ipns.record import create_record
from catalog.ipns.validity import nanoseconds
from catalog.sources.records import ask_routings
from tests.factory.times import NOW

KEY = IpnsKey(b"a" * 32)


def record(sequence: int, days: int = 30) -> bytes:
    validity = nanoseconds(NOW + timedelta(days=days))
    return create_record(KEY, b"/ipfs/x", sequence=sequence, validity=validity).encoded


class Fake:
    """A routing that says one thing, after an event where there is one."""

    def __init__(self, name: str, answer: bytes | Exception | None, after: threading.Event | None = None) -> None:
        self.name = name
        self._answer = answer
        self._after = after

    def get(self, name: IpnsName) -> bytes | None:
        if self._after is not None:
            self._after.wait(60)
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer

    def put(self, name: IpnsName, record: bytes) -> None:
        raise AssertionError("nothing is put while asking")


def test_each_answer_is_checked_and_told_in_order() -> None:
    stranger = create_record(IpnsKey(b"s" * 32), b"/ipfs/x", sequence=9, validity=nanoseconds(NOW) * 2).encoded
    answers = ask_routings(
        [
            Fake("good", record(4)),
            Fake("none", None),
            Fake("old", record(5, days=-1)),
            Fake("liar", stranger),
            Fake("noise", b"<html>"),
            Fake("dead", UnavailableError("nobody there")),
        ],
        KEY.name,
        NOW,
    )
    assert [answer.source for answer in answers] == ["good", "none", "old", "liar", "noise", "dead"]
    assert answers[0].record is not None
    assert answers[0].record.sequence == 4
    assert (answers[1].record, answers[1].failure) == (None, None)
    assert answers[2].expired
    assert isinstance(answers[3].failure, RecordError)
    assert isinstance(answers[4].failure, RecordError)
    assert isinstance(answers[5].failure, UnavailableError)
    assert not any(answer.expired for answer in answers[3:])


def test_a_slow_one_holds_up_nobody_once_there_is_a_record() -> None:
    release = threading.Event()
    answers = ask_routings([Fake("slow", record(9), release), Fake("quick", record(4))], KEY.name, NOW, grace=0.05, budget=30)
    release.set()
    assert answers[0].failure is not None
    assert answers[0].record is None
    assert answers[1].record is not None


def test_the_budget_ends_what_nobody_answers() -> None:
    release = threading.Event()
    answers = ask_routings([Fake("slow", record(9), release), Fake("none", None)], KEY.name, NOW, grace=0.05, budget=1)
    release.set()
    assert answers[0].failure is not None
    assert answers[1].failure is None


def test_a_mistake_in_a_routing_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        ask_routings([Fake("broken", ZeroDivisionError())], KEY.name, NOW)


def test_nobody_to_ask_is_no_answer() -> None:
    assert ask_routings([], KEY.name, NOW) == []
