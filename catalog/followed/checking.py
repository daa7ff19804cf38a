"""Asking all sources at once for newer records, which `catalog.trust.decision` compares with what is held."""

from collections.abc import Sequence
from dataclasses import dataclass

from catalog.errors import DcatError, RecordExpiredError, RollbackError, UnavailableError
from catalog.home.home import Home
from catalog.home.records import local_records
from catalog.index.subscriptions import put_sighting
from catalog.ipns.name import IpnsName
from catalog.ipns.record import validate_record
from catalog.sources.network import Network
from catalog.sources.records import Answer
from catalog.trust.decision import RecordChoice, Verdict, choose_record
from catalog.trust.store import StoredFloor, get_floor, list_refused


@dataclass(frozen=True, slots=True)
class Sighting:
    """The answer of one source for the record of a name: its sequence, or why there is none (empty: the source has none)."""

    source: str
    sequence: int | None
    failure: str
    at: str


@dataclass(frozen=True, slots=True)
class RecordCheck:
    """The result of asking for one name.

    ``choice`` is the record to continue with, None where ``error`` says why there is none. ``confirmed``: a source, not only this
    home, returned a record that is not behind what is held.
    """

    name: IpnsName
    stored: StoredFloor | None
    sightings: tuple[Sighting, ...]
    choice: RecordChoice | None = None
    error: DcatError | None = None
    confirmed: bool = False


def ask_for_record(home: Home, network: Network, name: IpnsName) -> RecordCheck:
    """Ask every source for the record of one name, and choose among the answers."""
    with home.trust.read() as connection:
        stored = get_floor(connection, str(name))
        refused = list_refused(connection, str(name))
    answers = network.ask_records(name, home.now)
    sightings = tuple(_sighting(answer, home.time) for answer in answers)
    floor = stored.floor if stored is not None else None
    shown = stored.shown if stored is not None else None
    try:
        kept = _ask_home(home, name)
        records = [answer.record for answer in answers if answer.record is not None]
        choice = choose_record([*records, *([kept.record] if kept.record is not None else [])], floor, refused, shown)
        confirmed = bool(records) and choose_record(records, floor, refused, shown).record is not None
    except RollbackError as error:
        return RecordCheck(name, stored, sightings, error=error)
    if choice.record is None or (not confirmed and choice.verdict is Verdict.SAME):
        return RecordCheck(name, stored, sightings, error=_explain(name, answers, network))
    return RecordCheck(name, stored, sightings, choice, confirmed=confirmed)


def keep_sightings(home: Home, check: RecordCheck) -> None:
    """Note which sources had a record of the name, for ``status``."""
    seen = [sighting for sighting in check.sightings if sighting.sequence is not None]
    if seen:
        with home.index.write() as connection:
            for sighting in seen:
                put_sighting(connection, str(check.name), sighting.source, sighting.sequence or 0, sighting.at)


def _ask_home(home: Home, name: IpnsName) -> Answer:
    """Return the record that is kept in this home, from a server or a bundle."""
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
    """Return the reason why no source had a record that can be taken."""
    expired = [answer for answer in answers if isinstance(answer.failure, RecordExpiredError)]
    if expired and expired[0].failure is not None:
        return RecordExpiredError(
            expired[0].failure.message,
            why=f"no newer one was found at {', '.join(answer.source for answer in answers)}",
            hint="ask its owner to sync or publish",
        )
    failures = [(answer.source, answer.failure) for answer in answers if answer.failure is not None]
    said = [_describe(source, failure) for source, failure in failures]
    said += [f"{answer.source} has no record of it" for answer in answers if answer.failure is None and answer.record is None]
    why = "the network is switched off" if network.offline else "; ".join(said) or "no source is configured"
    hint = next((failure.hint for _, failure in failures if failure.hint), "name a source that has it")
    return UnavailableError(f"no record of {name} could be fetched", why=why, hint=hint)


def _describe(source: str, failure: DcatError) -> str:
    """Return what a source failed with, and why, naming it once."""
    text = failure.message if source in failure.message else f"{source}: {failure.message}"
    return f"{text} ({failure.why})" if failure.why else text
