"""The last step of every command that changes the own catalogue: write its snapshot, sign a record, share both.

Several processes may do this at once: whichever holds the share lock signs everything that is noted as not shared yet.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from catalog.errors import DcatError, UnavailableError
from catalog.home.home import Home
from catalog.ipld.block import Blockstore
from catalog.limits import CLOCK_TOLERANCE, OWN_RECORD_PATIENCE, SOURCE_BUDGET
from catalog.progress import Progress, Step, silent
from catalog.sources.network import NO_NETWORK, Network

if TYPE_CHECKING:  # a publish states how it shares before it reads its image, and imports this meanwhile
    from datetime import datetime

    from catalog.ipns.name import IpnsName
    from catalog.ipns.record import Record
    from catalog.own.deltas import MadeDelta
    from catalog.own.merging import MergeReport
    from catalog.own.nodes import Consent, ReplicaState
    from catalog.own.pinning import ServiceState
    from catalog.own.state import OwnCatalogue
    from catalog.own.upload import LostBlocks
    from catalog.sources.records import Answer


@dataclass(frozen=True, slots=True)
class Sharing:
    """How a change of the own catalogue is shared.

    Without a ``network`` it is signed and kept in the home. A Kubo node of ``network`` is used once its user confirmed it: where
    that did not happen yet, ``consent`` is asked. Without ``deltas``, new releases get no delta.
    """

    network: Network = NO_NETWORK
    consent: "Consent | None" = None
    deltas: bool = True


SIGN_ONLY = Sharing()
"""Sign a change and keep it in the home; it is shared with the next one that has a network."""


@dataclass(frozen=True, slots=True)
class Shared:
    """The state of the own catalogue after a share.

    ``record`` is the newest signed record, ``signed`` says that it was made now, ``merged`` what other homes of this key brought.
    ``targets`` name where it was put; ``pending`` says why it is not where it should be, empty where it is, or where nothing is
    configured. ``deltas`` are those that were made for new releases. ``lost`` are releases of which the Kubo node lost blocks that
    this home does not have: everything else was shared. ``replicas`` are those of a cluster, None without one.
    ``services`` are the pinning services that were asked, whose failures leave nothing pending. ``outlived`` is the end of life of
    the record before, where the one that was signed now ends earlier: the clock is wrong, or was.
    """

    record: "Record"
    signed: bool
    merged: "MergeReport | None" = None
    targets: tuple[str, ...] = ()
    pending: str = ""
    deltas: "tuple[MadeDelta, ...]" = ()
    lost: "tuple[LostBlocks, ...]" = ()
    replicas: "ReplicaState | None" = None
    services: "tuple[ServiceState, ...]" = ()
    outlived: "datetime | None" = None


def share_change(
    home: Home, sharing: Sharing, *, held: Blockstore | None = None, progress: Progress = silent
) -> tuple[Shared | None, DcatError | None]:
    """Sign and share a change that is already committed: a failure is returned, and the next share tries again.

    ``held`` holds the archives, where the caller opened that already.
    """
    from catalog.own.nodes import has_consent

    network = sharing.network
    try:
        if network.kubo is not None and not network.kubo_public and has_consent(home, network.kubo.url, sharing.consent):
            network = replace(network, kubo_public=True)
        shared = share_own(home, network, deltas=sharing.deltas, held=held, patience=OWN_RECORD_PATIENCE, progress=progress)
    except DcatError as error:
        return None, error
    return shared, None


def share_own(
    home: Home,
    network: Network,
    *,
    deltas: bool = False,
    held: Blockstore | None = None,
    patience: float = SOURCE_BUDGET,
    progress: Progress = silent,
) -> Shared | None:
    """Sign what is not signed yet, renew what ends soon, and put both where the user configured it; None without a catalogue.

    With ``deltas``, new releases get one from the release published before, where that is worth it. Sources have ``patience``
    seconds to return a record that another home of this key signed: one that is found later is merged then.

    The record and its snapshot are always kept in this home; a failure of the network leaves the share pending. Raise
    `RollbackError` where the key was revoked, or where a record far above this home's was found under its name.
    """
    from catalog.own.signing import own_name
    from catalog.sources.records import ask_routings

    name = own_name(home)
    if name is None:
        return None
    answers = ask_routings(network.routings, name, home.now, budget=min(patience, network.timeouts.budget))
    with _exclusive(home, network, name, "share", progress) as own:
        higher = own.find_higher(answer.record for answer in answers)
        if higher is not None:
            try:
                own.merge(higher)
            except UnavailableError as error:
                return _leave_unmerged(own, higher, error)
        made = own.make_deltas(held) if deltas else []
        before = own.record
        record, signed = own.sign()
    shared = Shared(record, signed, own.merged, deltas=tuple(made), outlived=_find_outlived(before, record))
    return _put(home, network, shared, progress)


def recover_own(home: Home, network: Network, *, progress: Progress = silent) -> Shared:
    """Do as `share_own`, and merge what suspicious records of the own name point to as well (docs/safety.md, A4 and A10).

    A record that nothing can be signed above is refused from then on. Raise `UnavailableError` where no source answered, since
    nothing can be compared then.
    """
    from catalog.own.signing import own_name
    from catalog.sources.records import ask_routings

    name = own_name(home)
    if name is None:
        raise UnavailableError("this home has no catalogue of its own to recover", hint="import its key first")
    progress(Step("phase", "Asking every source for the newest record"))
    answers = ask_routings(network.routings, name, home.now, budget=network.timeouts.budget)
    if not any(answer.record is not None or answer.failure is None for answer in answers):
        raise UnavailableError("no source could be asked", why=_explain(answers) or "none is configured")
    with _exclusive(home, network, name, "recover", progress) as own:
        for record in own.list_new(answer.record for answer in answers):
            try:
                own.merge(record)
            except UnavailableError:
                if not own.is_suspicious(record):
                    raise
                own.refuse(record)  # publishing goes on without it: its snapshot cannot be fetched, nothing may be signed above it
        record, signed = own.sign()
    return _put(home, network, Shared(record, signed, own.merged), progress)


def renew_own_snapshot(home: Home, network: Network, *, progress: Progress = silent) -> "Record":
    """Write the own catalogue's snapshot anew from the index and sign it: where blocks of the last one are lost.

    Raise `UnavailableError` where the root of an archive is neither in this home nor at any source.
    """
    from catalog.own.signing import own_name

    name = own_name(home)
    if name is None:
        raise UnavailableError("this home has no catalogue of its own")
    with _exclusive(home, network, name, "share", progress) as own:
        return own.sign_anew()


def _find_outlived(before: "Record | None", record: "Record") -> "datetime | None":
    """Return the end of life of the record before where the new one ends clearly earlier; one that revokes is meant to last."""
    if before is None or before.revoked or before.expires - record.expires <= timedelta(seconds=CLOCK_TOLERANCE):
        return None
    return before.expires


@contextmanager
def _exclusive(home: Home, network: Network, name: "IpnsName", purpose: str, progress: Progress) -> "Iterator[OwnCatalogue]":
    """Hold the share lock, and read the own catalogue under it."""
    from catalog.own.state import OwnCatalogue

    with home.lease(purpose), home.lock("share"):
        yield OwnCatalogue(home, network, name, progress)


def _leave_unmerged(own: "OwnCatalogue", higher: "Record", error: UnavailableError) -> Shared:
    """Sign nothing: a record that cannot be merged yet must not be signed over."""
    text = f"another home of this key shared sequence {higher.sequence}, which cannot be read now"
    if own.record is None:
        raise UnavailableError(text, why=error.why or error.message) from error
    return Shared(own.record, signed=False, pending=f"{text}: {error.message}")


def _put(home: Home, network: Network, shared: Shared, progress: Progress) -> Shared:
    """Put the catalogue into the Kubo node, where one is configured and confirmed; return where it is, or why it is not."""
    if network.kubo is None:
        fed = [f"the cluster at {network.cluster.name}"] if network.cluster is not None else []
        fed += [f"the pinning service {service.name}" for service in network.services]
        return replace(shared, pending=f"no Kubo node is configured, from which {', '.join(fed)} would fetch") if fed else shared
    if not network.kubo_public:
        return replace(shared, pending=f"what becomes public through the Kubo node at {network.kubo.url} was not confirmed yet")
    # Most homes have no node, and what shares through one takes a tenth of a publish to import.
    from catalog.own.kubo import share_to_kubo
    from catalog.own.places import open_place

    try:
        place = open_place(home, network)
        if place is None:
            return shared
        if place.cluster is None:
            done = share_to_kubo(home, place, shared.record, progress)
            shared = replace(shared, targets=("kubo",), lost=done.lost)
        else:
            from catalog.own.cluster import share_to_cluster

            through = share_to_cluster(home, place, network.rule, shared.record, progress)
            done, pending = through.uploaded, through.pending
            targets = () if pending else ("cluster",)
            shared = replace(shared, targets=targets, pending=pending, lost=done.lost, replicas=through.replicas)
    except UnavailableError as error:
        return replace(shared, pending=f"{error.message}: {error.why}" if error.why else error.message)
    if not network.services:
        return shared
    from catalog.own.pinning import share_to_services

    states = share_to_services(home, network.services, place.node, done.top, shared.record, progress)
    return replace(shared, services=tuple(states))


def _explain(answers: "Sequence[Answer]") -> str:
    return "; ".join(f"{answer.source}: {answer.failure.message}" for answer in answers if answer.failure is not None)
