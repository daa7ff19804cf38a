"""Signed IPNS records: the `Routing` protocol, and asking several routings at once.

A routing moves bytes and validates nothing; its callers do. The contract:

- `get` returns at most `MAX_RECORD_SIZE` bytes, or None where this routing knows no record; it raises `UnavailableError` where the
  routing cannot be reached.
- `put` offers a record; a routing that has a better one keeps that, without an error.

`ask_routings` passes each answer through `validate_record`, so what it returns is signed by the name's key and has not expired;
the caller decides whether it may replace the record held (`catalog.trust.decision`). A slow routing (a DHT) does not delay a fast
one: once a valid record arrived, the others have an eighth of the budget left.
"""

import queue
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from time import monotonic
from typing import Protocol

from catalog.errors import DcatError, RecordExpiredError
from catalog.ipns.name import IpnsName
from catalog.ipns.record import Record, validate_record
from catalog.limits import RECORD_GRACE_SHARE, SOURCE_BUDGET


class Routing(Protocol):
    """Somewhere to get and put signed IPNS records."""

    def get(self, name: IpnsName) -> bytes | None:
        """Return the record that this routing knows for ``name``, not validated, or None."""
        ...

    def put(self, name: IpnsName, record: bytes) -> None:
        """Offer ``record`` for ``name``."""
        ...


class NamedRouting(Routing, Protocol):
    """A routing with a name for messages."""

    @property
    def name(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer of one routing: a valid record, or a failure. Both are None where it knows no record."""

    source: str
    record: Record | None = None
    failure: DcatError | None = None

    @property
    def expired(self) -> bool:
        return isinstance(self.failure, RecordExpiredError)


def ask_routings(
    routings: Sequence[NamedRouting],
    name: IpnsName,
    now: datetime,
    *,
    budget: float = SOURCE_BUDGET,
    grace: float | None = None,
) -> list[Answer]:
    """Ask all ``routings`` in parallel, for at most ``budget`` seconds; return their answers, in their order.

    A failing routing raises nothing; one that did not answer in time counts as failed, and its thread is left to end by itself.
    """
    answers: queue.SimpleQueue[tuple[int, Answer | BaseException]] = queue.SimpleQueue()

    def ask(place: int, routing: NamedRouting) -> None:
        try:
            answers.put((place, _ask(routing, name, now)))
        except BaseException as error:  # a bug: raise it in the calling thread
            answers.put((place, error))

    for place, routing in enumerate(routings):
        threading.Thread(target=ask, args=(place, routing), name=f"ask {routing.name}", daemon=True).start()
    said: dict[int, Answer] = {}
    deadline = monotonic() + budget
    while len(said) < len(routings):
        try:
            place, answer = answers.get(timeout=max(deadline - monotonic(), 0))
        except queue.Empty:
            break
        if isinstance(answer, BaseException):
            raise answer
        said[place] = answer
        if answer.record is not None:
            deadline = min(deadline, monotonic() + (budget * RECORD_GRACE_SHARE if grace is None else grace))
    late = DcatError("no answer in time")
    return [said.get(place) or Answer(routing.name, failure=late) for place, routing in enumerate(routings)]


def _ask(routing: NamedRouting, name: IpnsName, now: datetime) -> Answer:
    try:
        encoded = routing.get(name)
        return Answer(routing.name, validate_record(name, encoded, now) if encoded is not None else None)
    except DcatError as error:
        return Answer(routing.name, failure=error)
