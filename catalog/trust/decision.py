"""Whether a record may replace the one that is held. Pure functions; no I/O and no clock.

The steps of `judge_record`, applied to records that passed validation (`catalog.ipns.record`):

1. Nothing replaces the record of a revoked name (docs/safety.md, A9): 2^63 - 1 is the highest sequence.
2. A lower sequence than the highest ever accepted is a rollback (A2).
3. The same sequence with another value is an equivocation (A5): the first stays.
4. Sequence 2^63 - 1 revokes the name, whatever is held (A9).
5. A sequence more than 10^6 above the highest ever accepted is suspicious (A4): the data is taken and the floor is not raised, so
   that the owner's next proper record is still newer. A record that the user refused is not taken again. Among suspicious
   records steps 2 and 3 apply as well, to the one whose data is shown.
6. Anything else is newer, and raises the floor.

Considered: refusing suspicious data. Chosen: taking it, because subscribers of a publisher whose counter jumped would otherwise
get nothing until each of them acts. The cost is small: the thief of a key can show data under a normal sequence as well.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

from catalog.errors import RollbackError
from catalog.ipns.record import Record, select_record
from catalog.limits import MAX_SEQUENCE, SUSPICIOUS_SEQUENCE_JUMP


@dataclass(frozen=True, slots=True)
class Floor:
    """Sequence and value of a name's newest accepted record: nothing below it is ever accepted again."""

    sequence: int
    value: bytes

    @property
    def revoked(self) -> bool:
        return self.sequence == MAX_SEQUENCE


class Verdict(Enum):
    """How a record relates to the one that is held."""

    SAME = "same"  # sequence and value as held; perhaps a later end of life
    NEWER = "newer"
    SUSPICIOUS = "suspicious"  # take its data, leave the floor
    REVOKED = "revoked"  # final: take no data, raise the floor


@dataclass(frozen=True, slots=True)
class RecordChoice:
    """The best of the records that several sources returned.

    ``record`` and ``verdict`` are None where no source returned any. ``behind`` are records that an honest but late source may
    return. ``conflicts`` are equivocations, reported to the user whatever was chosen; ``passed_over`` are suspicious records that
    lost to a proper one: they are refused from now on.
    """

    record: Record | None = None
    verdict: Verdict | None = None
    behind: tuple[Record, ...] = ()
    conflicts: tuple[RollbackError, ...] = ()
    passed_over: tuple[Record, ...] = ()


def floor_of(record: Record) -> Floor:
    """Return the floor that a record raises, once it is accepted."""
    return Floor(record.sequence, record.value)


def judge_record(record: Record, floor: Floor | None, refused: Iterable[Floor] = (), shown: Floor | None = None) -> Verdict:
    """Return how a validated record relates to what is held, by the steps above; raise `RollbackError` where it may not replace it.

    ``floor`` is None at first contact; ``refused`` are suspicious records that the user refused; ``shown`` is the suspicious record
    whose data is shown.
    """
    if floor is None:
        return Verdict.REVOKED if record.revoked else Verdict.NEWER
    if floor.revoked and not record.revoked:
        raise RollbackError(
            f"{record.name} was revoked by its owner",
            why=f"a record of sequence {record.sequence} came after the last one that the key can sign",
            hint="follow the owner's new catalogue",
        )
    if record.sequence < floor.sequence:
        raise RollbackError(
            f"the catalogue {record.name} went backwards: sequence {record.sequence}, and {floor.sequence} was seen here",
            why="a source serves an old record; what is held stays",
        )
    if record.sequence == floor.sequence:
        if record.value != floor.value:
            raise equivocation(record, floor)
        return Verdict.SAME
    if record.revoked:
        return Verdict.REVOKED
    if record.sequence - floor.sequence > SUSPICIOUS_SEQUENCE_JUMP:
        if floor_of(record) in set(refused):
            raise RollbackError(
                f"the record of sequence {record.sequence} of {record.name} was refused here",
                why=f"it jumped from {floor.sequence}",
            )
        if shown is not None and record.sequence < shown.sequence:
            raise RollbackError(
                f"the catalogue {record.name} went backwards: sequence {record.sequence}, and {shown.sequence} is shown here",
                why=f"both jumped from {floor.sequence}; a source serves an old record",
            )
        if shown is not None and record.sequence == shown.sequence and record.value != shown.value:
            raise equivocation(record, shown)
        return Verdict.SUSPICIOUS
    return Verdict.NEWER


def choose_record(
    records: Sequence[Record], floor: Floor | None, refused: Iterable[Floor] = (), shown: Floor | None = None
) -> RecordChoice:
    """Return the best of the validated records that all sources returned for one name; the order of ``records`` does not matter.

    A revocation ranks first, then a proper newer record, then a suspicious one, then what is held. Raise `RollbackError` where
    there are records and none of them may be taken.
    """
    verdicts: dict[Verdict, list[Record]] = {verdict: [] for verdict in Verdict}
    refusals: list[tuple[Record, RollbackError]] = []
    refused = tuple(refused)
    for record in records:
        try:
            verdicts[judge_record(record, floor, refused, shown)].append(record)
        except RollbackError as error:
            refusals.append((record, error))
    held = {entry.sequence for entry in (floor, shown) if entry is not None}
    conflicts = [error for record, error in refusals if record.sequence in held and floor_of(record) not in refused]
    behind = tuple(record for record, _ in refusals if record.sequence not in held)
    for verdict in (Verdict.REVOKED, Verdict.NEWER, Verdict.SUSPICIOUS, Verdict.SAME):
        candidates = verdicts[verdict]
        if not candidates:
            continue
        best = select_record(candidates)
        conflicts += _rivals(best, candidates)
        passed_over = () if verdict is Verdict.SUSPICIOUS else tuple(verdicts[Verdict.SUSPICIOUS])
        return RecordChoice(best, verdict, behind, tuple(conflicts), passed_over)
    if refusals:
        raise max(refusals, key=lambda refusal: refusal[0].sequence)[1]
    return RecordChoice()


def next_sequence(own: int, seen: Iterable[int] = ()) -> int:
    """Return the sequence of the next record: one above the highest known here or anywhere.

    A record planted near the maximum would leave no sequence above it but the revocation; it is ignored, as subscribers ignore it.
    """
    top = MAX_SEQUENCE - SUSPICIOUS_SEQUENCE_JUMP
    highest = max((sequence for sequence in seen if sequence < top), default=own)
    following = max(own, highest) + 1
    if following >= MAX_SEQUENCE:
        raise RollbackError("no sequence is left for this key", why="its last record is the revocation")
    return following


def equivocation(record: Record, held: Floor) -> RollbackError:
    """Return the error for two values under one sequence."""
    first, second = (value.decode("ascii", "backslashreplace") for value in (held.value, record.value))
    return RollbackError(
        f"the catalogue {record.name} has two values for sequence {record.sequence}: {first} and {second}",
        why="its key signs in two places, or its owner shows different people different things; the first one stays",
        hint="ask the owner; a higher sequence settles it",
    )


def _rivals(best: Record, candidates: Iterable[Record]) -> list[RollbackError]:
    values = {record.value: record for record in candidates if record.sequence == best.sequence and record.value != best.value}
    return [equivocation(values[value], floor_of(best)) for value in sorted(values)]
