"""Is there a newer record? Everybody is asked at once; what comes is judged by `catalog.trust.decision`."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from catalog.errors import DcatError, RecordExpiredError, RollbackError, UnavailableError
from catalog.home.home import Home
from catalog.index.subscriptions import put_sighting
from catalog.ipns.name import IpnsName
from catalog.ipns.record import validate_record
from catalog.limits import CHECKS_AT_ONCE
from catalog.own.signing import local_records
from catalog.sources.network import Network
from catalog.sources.records import Answer, ask_routings
from catalog.trust.decision import Choice, Verdict, choose_record
from catalog.trust.store import StoredFloor, get_floor, list_refused


@dataclass(frozen=True, slots=True)
class Sighting:
    """What one source said of a name's record, and when: its sequence, or why there is none (empty: it knows none)."""

    source: str
    sequence: int | None
    failure: str
    at: str


@dataclass(frozen=True, slots=True)
class Check:
    """What came of asking for one name.

    ``choice`` is the record to go on with, None where ``error`` says why there is none. ``confirmed`` says that a source, and not
    this home alone, gave a record that is not behind what is held.
    """

    name: IpnsName
    stored: StoredFloor | None
    sightings: tuple[Sighting, ...]
    choice: Choice | None = None
    error: DcatError | None = None
    confirmed: bool = False


def check_all(home: Home, network: Network, names: Sequence[IpnsName]) -> list[Check]:
    """Ask for all names side by side; give what came of each, in their order. Writes nothing."""
    if not names:
        return []
    with ThreadPoolExecutor(max_workers=CHECKS_AT_ONCE, thread_name_prefix="check") as pool:
        return list(pool.map(lambda name: check_name(home, network, name), names))


def check_name(home: Home, network: Network, name: IpnsName) -> Check:
    """Ask everybody for the record of one name, and judge what comes."""
    with home.trust.read() as connection:
        stored = get_floor(connection, str(name))
        refused = list_refused(connection, str(name))
    answers = ask_routings(network.routings, name, home.now, budget=network.timeouts.budget)
    sightings = tuple(_sighting(answer, home.time) for answer in answers)
    floor = stored.floor if stored is not None else None
    try:
        kept = _ask_home(home, name)
        records = [answer.record for answer in answers if answer.record is not None]
        choice = choose_record([*records, *([kept.record] if kept.record is not None else [])], floor, refused)
        confirmed = bool(records) and choose_record(records, floor, refused).record is not None
    except RollbackError as error:
        return Check(name, stored, sightings, error=error)
    if choice.record is None or (not confirmed and choice.verdict is Verdict.SAME):
        return Check(name, stored, sightings, error=_explain(name, answers, network))
    return Check(name, stored, sightings, choice, confirmed=confirmed)


def keep_sightings(home: Home, check: Check) -> None:
    """Remember where a record of the name was seen, for ``status``."""
    seen = [sighting for sighting in check.sightings if sighting.sequence is not None]
    if seen:
        with home.index.write() as connection:
            for sighting in seen:
                put_sighting(connection, str(check.name), sighting.source, sighting.sequence or 0, sighting.at)


def _ask_home(home: Home, name: IpnsName) -> Answer:
    """Look for a record that was left here by others, in the meantime or in a bundle."""
    encoded = local_records(home).get(name)
    if encoded is None:
        return Answer("this home")
    try:
        return Answer("this home", validate_record(name, encoded, home.now))
    except DcatError as error:
        return Answer("this home", failure=error)


def _sighting(answer: Answer, at: str) -> Sighting:
    failure = "" if answer.failure is None else f"{answer.failure.message}: {answer.failure.why}".rstrip(": ")
    return Sighting(answer.source, answer.record.sequence if answer.record is not None else None, failure, at)


def _explain(name: IpnsName, answers: Sequence[Answer], network: Network) -> DcatError:
    """Say why no source gave a record that can be taken."""
    expired = [answer for answer in answers if isinstance(answer.failure, RecordExpiredError)]
    if expired and expired[0].failure is not None:
        return RecordExpiredError(
            expired[0].failure.message,
            why=f"no newer one is to be had from {', '.join(answer.source for answer in answers)}",
            hint="ask its owner to sync or publish",
        )
    said = [f"{answer.source}: {answer.failure.message}" for answer in answers if answer.failure is not None]
    said += [f"{answer.source} knows no record of it" for answer in answers if answer.failure is None and answer.record is None]
    why = "the network is switched off" if network.offline else "; ".join(said) or "no source is configured"
    return UnavailableError(f"no record of {name} could be had", why=why, hint="name a source that has it")
