import random
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.errors import RollbackError
from catalog.ipld.cid import cid_of
from catalog.ipns.key import IpnsKey
from catalog.ipns.record import Record, create_record
from catalog.limits import MAX_SEQUENCE, SUSPICIOUS_SEQUENCE_JUMP
from catalog.trust.decision import (
    Floor,
    RecordChoice,
    Verdict,
    choose_record,
    floor_of,
    judge_record,
    next_sequence,
)

NAME = IpnsKey(b"d" * 32).name


def make(sequence: int, value: bytes = b"", validity: int = 10**18) -> Record:
    """A record as validation would hand it on; its signature is none of this module's business."""
    value = value or f"/ipfs/{cid_of(str(sequence).encode())}".encode()
    return Record(NAME, value, sequence, validity, 0, b"%d %b %d" % (sequence, value, validity))


class Subscriber:
    """What a home does with what a choice says."""

    def __init__(self) -> None:
        self.floor: Floor | None = None
        self.data = b""
        self.refused: set[Floor] = set()

    def sync(self, records: Iterable[Record]) -> RecordChoice:
        choice = choose_record(list(records), self.floor, self.refused)
        if choice.record is None:
            return choice
        self.refused |= {floor_of(record) for record in choice.passed_over}
        if choice.verdict is not Verdict.REVOKED:
            self.data = choice.record.value
        if choice.verdict in (Verdict.NEWER, Verdict.REVOKED):
            self.floor = floor_of(choice.record)
        return choice


def test_accepted_sequence_never_decreases_in_any_order() -> None:
    """Safety A2: 1,000 orderings of 50 records over 5 sources."""
    randomness = random.Random(2)
    records = [make(sequence) for sequence in range(50)]
    for _ in range(1000):
        subscriber = Subscriber()
        sources = [randomness.sample(records, 10) for _ in range(5)]
        highest = -1
        for answers in zip(*sources, strict=True):
            try:
                subscriber.sync(answers)
            except RollbackError:
                assert max(answer.sequence for answer in answers) < highest
            assert subscriber.floor is not None
            assert subscriber.floor.sequence >= highest
            highest = subscriber.floor.sequence
            assert subscriber.data == records[highest].value
        assert highest == max(record.sequence for source in sources for record in source)


def test_a_late_source_is_no_rollback_while_another_is_in_time() -> None:
    choice = choose_record([make(3), make(5), make(4)], floor_of(make(4)))
    assert choice.record == make(5)
    assert choice.behind == (make(3),)
    assert choice.conflicts == ()
    with pytest.raises(RollbackError, match="sequence 3, and 4 was seen"):
        choose_record([make(2), make(3)], floor_of(make(4)))


def test_two_values_for_one_sequence_are_always_flagged() -> None:
    """Safety A5: 1,000 pairs, over the order of arrival and together."""
    randomness = random.Random(5)
    for _ in range(1000):
        sequence = randomness.randrange(MAX_SEQUENCE + 1)
        one, other = (make(sequence, randomness.randbytes(8).hex().encode(), randomness.randrange(9)) for _ in range(2))
        for first, second in ((one, other), (other, one)):
            with pytest.raises(RollbackError) as caught:
                judge_record(second, floor_of(first))
            assert first.value.decode() in caught.value.message
            assert second.value.decode() in caught.value.message
        together = [choose_record(pair, None) for pair in ([one, other], [other, one])]
        assert together[0].record == together[1].record
        assert len(together[0].conflicts) == len(together[1].conflicts) == 1


def test_the_first_of_two_values_stays() -> None:
    held = floor_of(make(5, b"first"))
    choice = choose_record([make(5, b"second"), make(5, b"first", 7), make(4)], held)
    assert choice.record == make(5, b"first", 7)
    assert choice.verdict is Verdict.SAME
    assert len(choice.conflicts) == 1
    with pytest.raises(RollbackError, match="two values"):
        choose_record([make(5, b"second"), make(4)], held)


def test_a_longer_life_is_the_same_record() -> None:
    assert judge_record(make(5, b"v", 9), Floor(5, b"v")) is Verdict.SAME
    assert choose_record([make(5, b"v", 9), make(5, b"v", 8)], Floor(5, b"v")).record == make(5, b"v", 9)


def test_a_planted_jump_takes_nothing_away() -> None:
    """Safety A4: the data of a jump is taken, the floor stays, the owner's next record is newer still."""
    subscriber = Subscriber()
    subscriber.sync([make(42)])
    planted = make(MAX_SEQUENCE - 1)
    assert subscriber.sync([planted]).verdict is Verdict.SUSPICIOUS
    assert subscriber.floor == floor_of(make(42))
    assert subscriber.data == planted.value
    choice = subscriber.sync([planted, make(43)])
    assert choice.verdict is Verdict.NEWER
    assert choice.passed_over == (planted,)
    assert subscriber.data == make(43).value
    for _ in range(3):
        choice = subscriber.sync([planted, make(43)])
        assert choice.verdict is Verdict.SAME
        assert choice.behind == (planted,)
        assert subscriber.data == make(43).value


@given(st.integers(0, MAX_SEQUENCE - 1), st.integers(1, 2 * SUSPICIOUS_SEQUENCE_JUMP))
def test_the_line_between_newer_and_suspicious(known: int, jump: int) -> None:
    sequence = min(known + jump, MAX_SEQUENCE - 1)
    if sequence == known:
        return
    expected = Verdict.SUSPICIOUS if sequence - known > SUSPICIOUS_SEQUENCE_JUMP else Verdict.NEWER
    assert judge_record(make(sequence), floor_of(make(known))) is expected


def test_suspicious_records_do_not_go_back_either() -> None:
    """Safety A2 and A5, among records that jumped: 5,000,000 is shown, and 3,000,000 is older than that."""
    floor, shown = floor_of(make(1)), make(5_000_000)
    assert judge_record(shown, floor, (), floor_of(shown)) is Verdict.SUSPICIOUS
    assert judge_record(make(5_000_001), floor, (), floor_of(shown)) is Verdict.SUSPICIOUS
    with pytest.raises(RollbackError, match="went backwards: sequence 3000000, and 5000000 is shown"):
        choose_record([make(3_000_000), make(1)][:1], floor, (), floor_of(shown))
    with pytest.raises(RollbackError, match="two values"):
        choose_record([make(5_000_000, b"other")], floor, (), floor_of(shown))
    assert choose_record([make(3_000_000), make(1)], floor, (), floor_of(shown)).verdict is Verdict.SAME
    assert choose_record([make(3_000_000), make(2)], floor, (), floor_of(shown)).verdict is Verdict.NEWER
    refused = (floor_of(shown),)
    assert judge_record(make(3_000_000), floor, refused) is Verdict.SUSPICIOUS


def test_a_revocation_is_final_at_once() -> None:
    """Safety A9: no jump is too far for it, nothing comes after it, and the held data stays."""
    subscriber = Subscriber()
    subscriber.sync([make(42)])
    choice = subscriber.sync([make(43), make(MAX_SEQUENCE), make(MAX_SEQUENCE - 1)])
    assert choice.verdict is Verdict.REVOKED
    assert subscriber.data == make(42).value
    with pytest.raises(RollbackError, match="revoked"):
        subscriber.sync([make(43), make(MAX_SEQUENCE - 1)])
    with pytest.raises(RollbackError, match="two values"):
        subscriber.sync([make(MAX_SEQUENCE, b"thief")])
    assert subscriber.sync([make(MAX_SEQUENCE)]).verdict is Verdict.SAME
    assert judge_record(make(MAX_SEQUENCE), None) is Verdict.REVOKED


def test_first_contact_takes_what_there_is() -> None:
    assert judge_record(make(2**62), None) is Verdict.NEWER
    assert choose_record([], None) == RecordChoice()


@given(st.lists(st.integers(0, 8), max_size=8), st.randoms())
def test_the_order_of_answers_does_not_matter(sequences: list[int], randomness: random.Random) -> None:
    floor = floor_of(make(4))
    records = [make(sequence, validity=index) for index, sequence in enumerate(sequences)]
    shuffled = list(records)
    randomness.shuffle(shuffled)
    results = []
    for answers in (records, shuffled):
        try:
            results.append(choose_record(answers, floor).record)
        except RollbackError:
            results.append(None)
    assert results[0] == results[1]


@pytest.mark.parametrize(
    ("own", "seen", "expected"),
    [
        (0, [], 1),
        (7, [3], 8),
        (3, [7, 9], 10),
        (17, [MAX_SEQUENCE - 1], 18),
        (17, [MAX_SEQUENCE - 1, 40], 41),
        (17, [MAX_SEQUENCE], 18),
    ],
)
def test_the_next_sequence_is_above_all_that_is_known(own: int, seen: list[int], expected: int) -> None:
    assert next_sequence(own, seen) == expected


def test_no_sequence_is_left_above_the_top() -> None:
    with pytest.raises(RollbackError, match="no sequence"):
        next_sequence(MAX_SEQUENCE - 1)


def test_what_is_created_at_the_next_sequence_is_accepted() -> None:
    key = IpnsKey(b"k" * 32)
    floor: Floor | None = None
    for step in range(5):
        sequence = next_sequence(floor.sequence if floor else 0)
        record = create_record(key, f"/ipfs/{step}".encode(), sequence=sequence, validity=10**18)
        assert judge_record(record, floor) is Verdict.NEWER
        floor = floor_of(record)
