"""What every command that changes the own catalogue ends with: snapshot, record, and out to where the user wants it.

Several processes may do this at once: what one of them finds noted as not shared yet, it signs for all.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from catalog.delivery import open_store
from catalog.errors import RollbackError, UnavailableError
from catalog.home.home import Home
from catalog.ipns.name import IpnsName
from catalog.ipns.record import Record
from catalog.limits import SOURCE_BUDGET, SUSPICIOUS_SEQUENCE_JUMP
from catalog.own.kubo import share_to_kubo
from catalog.own.merging import MergeReport, merge_record
from catalog.own.moving import open_held
from catalog.own.signing import needs_renewal, own_name, own_record, sign_snapshot, take_own_record
from catalog.own.snapshots import write_own_snapshot
from catalog.progress import Progress, Step, silent
from catalog.sources.network import Network
from catalog.sources.records import Answer, ask_routings
from catalog.trust.decision import floor_of
from catalog.trust.store import list_refused, list_unshared, refuse_record

if TYPE_CHECKING:
    from catalog.own.deltas import MadeDelta


@dataclass(frozen=True, slots=True)
class Shared:
    """How the own catalogue stands after a share.

    ``record`` is the newest signed record, ``signed`` says that it was made now, ``merged`` what other homes of this key brought.
    ``targets`` name where it was put; ``pending`` says why it is not where it should be, empty where it is, or where nothing is
    configured. ``deltas`` are those that were made for new releases.
    """

    record: Record
    signed: bool
    merged: MergeReport | None = None
    targets: tuple[str, ...] = ()
    pending: str = ""
    deltas: "tuple[MadeDelta, ...]" = ()


def share_own(
    home: Home,
    network: Network,
    *,
    deltas: bool = False,
    patience: float = SOURCE_BUDGET,
    progress: Progress = silent,
) -> Shared | None:
    """Sign what is not signed yet, renew what ends soon, and put both where the user configured it; None without a catalogue.

    With ``deltas``, new releases get one from the release published before, where that is worth it. Sources have ``patience``
    seconds to show a record that another home of this key signed: one that is found later is merged then.

    The record and its snapshot are always kept here. Whatever goes wrong with the network only leaves the share pending. Raises
    `RollbackError` where the key was revoked, or a record far above this home's was found under its name.
    """
    name = own_name(home)
    if name is None:
        return None
    higher = _find_higher(home, network, name, patience)
    with home.lease("share"), home.lock("share"):
        report = None
        if higher is not None:
            try:
                report = _merge(home, network, name, higher)
            except UnavailableError as error:
                return _unmerged(home, name, higher, error)
        made = _make_deltas(home, network, name, progress) if deltas else []
        record, signed = _sign(home, network, name, report, progress)
    targets, pending = _put(home, network, record, progress)
    return Shared(record, signed, report, tuple(targets), pending, tuple(made))


def recover_own(home: Home, network: Network, *, progress: Progress = silent) -> Shared:
    """As `share_own`, but take in what a suspicious record of the own name points to as well (safety A4, A10).

    The record itself is refused from then on where nothing can be signed above it. Raises `UnavailableError` where no source
    answered, since nothing can be compared then.
    """
    name = own_name(home)
    if name is None:
        raise UnavailableError("this home has no catalogue of its own to recover", hint="import its key first")
    progress(Step("phase", "Asking every source for the newest record"))
    answers = ask_routings(network.routings, name, home.now, budget=network.timeouts.budget)
    if not any(answer.record is not None or answer.failure is None for answer in answers):
        raise UnavailableError("no source could be asked", why=_explain(answers) or "none is configured")
    records = [answer.record for answer in answers if answer.record is not None]
    with home.lease("recover"), home.lock("share"):
        report = None
        for record in sorted(records, key=lambda record: record.sequence):
            if _is_new(home, name, record):
                report = _merge(home, network, name, record)
        record, signed = _sign(home, network, name, report, progress)
    targets, pending = _put(home, network, record, progress)
    return Shared(record, signed, report, tuple(targets), pending)


def renew_own_snapshot(home: Home, network: Network, *, progress: Progress = silent) -> Record:
    """Write the own catalogue's snapshot anew from the index and sign it: where blocks of the last one are gone for good.

    Raises `UnavailableError` where the root of an archive is neither here nor at any source.
    """
    name = own_name(home)
    if name is None:
        raise UnavailableError("this home has no catalogue of its own")
    with home.lease("share"), home.lock("share"):
        record = own_record(home, name)
        with home.trust.read() as connection:
            noted = list_unshared(connection)
        progress(Step("phase", "Signing the catalogue"))
        archives = open_store(home, network)
        last = record.snapshot_cid if record is not None and not record.revoked else None
        written = write_own_snapshot(home, str(name), None, [release for _, release in noted], archives, merged=last)
        return sign_snapshot(home, written.root, shared_up_to=noted[-1][0] if noted else 0, published=home.time)


def _unmerged(home: Home, name: IpnsName, higher: Record, error: UnavailableError) -> Shared:
    """Leave everything as it is: what cannot be merged yet is not signed over either."""
    text = f"another home of this key shared sequence {higher.sequence}, which cannot be read now"
    own = own_record(home, name)
    if own is None:
        raise UnavailableError(text, why=error.why or error.message) from error
    return Shared(own, signed=False, pending=f"{text}: {error.message}")


def _find_higher(home: Home, network: Network, name: IpnsName, patience: float) -> Record | None:
    """Ask for the own record everywhere; give the highest that this home did not sign."""
    answers = ask_routings(network.routings, name, home.now, budget=min(patience, network.timeouts.budget))
    records = [answer.record for answer in answers if answer.record is not None]
    own = own_record(home, name)
    held = own.sequence if own is not None else 0
    new = [record for record in records if _is_new(home, name, record)]
    for record in new:
        if record.revoked:
            take_own_record(home, record)
            raise RollbackError(f"the key of {name} was revoked", why="its last record was found at a source")
        if record.sequence - held > SUSPICIOUS_SEQUENCE_JUMP:
            raise RollbackError(
                f"a record of your catalogue with sequence {record.sequence} was found, and {held} was the last one signed here",
                why="the key is used elsewhere, or somebody else has it",
                hint="recover takes in what it points to; revoke the key if it is not yours",
            )
    return max(new, key=lambda record: record.sequence, default=None)


def _is_new(home: Home, name: IpnsName, record: Record) -> bool:
    """Tell whether a record of the own name was not signed or taken in here."""
    own = own_record(home, name)
    with home.trust.read() as connection:
        refused = list_refused(connection, str(name))
    if floor_of(record) in refused:
        return False
    if own is None:
        return True
    return record.sequence > own.sequence or (record.sequence == own.sequence and record.value != own.value)


def _merge(home: Home, network: Network, name: IpnsName, record: Record) -> MergeReport:
    own = own_record(home, name)
    store = open_store(home, network)
    report = merge_record(home, own.snapshot_cid if own is not None else None, record, store)
    with home.trust.write() as connection:
        refuse_record(connection, str(name), floor_of(record))
    return report


def _make_deltas(home: Home, network: Network, name: IpnsName, progress: Progress) -> "list[MadeDelta]":
    from catalog.own.deltas import make_deltas

    record = own_record(home, name)
    if record is not None and record.revoked:
        return []
    last = record.snapshot_cid if record is not None else None
    return make_deltas(home, str(name), last, progress, open_held(home, network.kubo))


def _sign(home: Home, network: Network, name: IpnsName, report: MergeReport | None, progress: Progress) -> tuple[Record, bool]:
    record = own_record(home, name)
    if record is not None and record.revoked:
        raise RollbackError(f"the key of {name} was revoked", why="nothing can be signed above its last record")
    with home.trust.read() as connection:
        noted = list_unshared(connection)
    above = [report.sequence] if report is not None else []
    if record is None or noted or report is not None:
        progress(Step("phase", "Signing the catalogue"))
        archives = open_store(home, network)
        last = record.snapshot_cid if record is not None else None
        changed = [release for _, release in noted]
        written = write_own_snapshot(home, str(name), last, changed, archives, merged=report.root if report else None)
        up_to = noted[-1][0] if noted else 0
        return sign_snapshot(home, written.root, above=above, shared_up_to=up_to, published=home.time), True
    if needs_renewal(home, record):
        return sign_snapshot(home, record.snapshot_cid), True
    return record, False


def _put(home: Home, network: Network, record: Record, progress: Progress) -> tuple[list[str], str]:
    if network.kubo is None:
        return [], ""
    if not network.kubo_public:
        return [], f"what becomes public through the Kubo node at {network.kubo.url} was not confirmed yet"
    try:
        share_to_kubo(home, network.kubo, record, progress)
    except UnavailableError as error:
        return [], f"{error.message}: {error.why}" if error.why else error.message
    return ["kubo"], ""


def _explain(answers: Sequence[Answer]) -> str:
    return "; ".join(f"{answer.source}: {answer.failure.message}" for answer in answers if answer.failure is not None)
