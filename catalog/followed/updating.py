"""Updating followed catalogues, in the order of subscription whatever the order of answers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from sqlalchemy import Connection

from catalog.errors import DcatError, RollbackError
from catalog.followed.changes import ChangeList
from catalog.followed.checking import Check, check_all, check_name, keep_sightings
from catalog.followed.offering import offer_record
from catalog.followed.taking import Taken, confirm_record, take_record, take_revocation
from catalog.home.home import Home
from catalog.index.subscriptions import get_catalogue
from catalog.ipns.name import IpnsName, parse_ipns_name
from catalog.ipns.record import Record
from catalog.progress import Progress, silent
from catalog.sources.network import Network
from catalog.trust.contents import Conflict
from catalog.trust.decision import Verdict
from catalog.trust.ownership import Subscription
from catalog.trust.store import get_floor

State = Literal["new", "updated", "unchanged", "suspicious", "revoked", "failed"]


@dataclass(frozen=True, slots=True)
class Update:
    """The result for one followed catalogue.

    ``error`` says why it failed: nothing has changed then. ``warnings`` name sources that sent wrong data, ``equivocations`` two
    values for one sequence. ``record`` is the one in force now, None where nothing was ever accepted.
    """

    catalogue: str
    alias: str
    state: State
    record: Record | None = None
    changes: ChangeList | None = None
    conflicts: tuple[Conflict, ...] = ()
    releases: int = 0
    fetched: int = 0
    successor: IpnsName | None = None
    warnings: tuple[str, ...] = ()
    equivocations: tuple[RollbackError, ...] = ()
    error: DcatError | None = None


def update_followed(
    home: Home, network: Network, subscriptions: Sequence[Subscription], *, progress: Progress = silent
) -> list[Update]:
    """Bring followed catalogues up to date: all are asked for at once, then taken one after the other."""
    ordered = sorted(subscriptions, key=lambda subscription: subscription.position)
    checks = check_all(home, network, [parse_ipns_name(subscription.catalogue) for subscription in ordered])
    return [
        update_one(home, network, check, subscription.alias, progress=progress)
        for subscription, check in zip(ordered, checks, strict=True)
    ]


def update_one(
    home: Home,
    network: Network,
    check: Check,
    alias: str,
    *,
    first: Callable[[Connection], None] | None = None,
    progress: Progress = silent,
) -> Update:
    """Take over the result of a check. Failures of sources and publishers are not raised: they are the ``error`` of the update."""
    keep_sightings(home, check)
    name = str(check.name)
    try:
        with home.lease(f"sync {alias}"), home.lock("sync"):
            update = _take(home, network, _judge_again(home, network, check), alias, first, progress)
    except DcatError as error:
        return Update(name, alias, "failed", error=error)
    if update.state != "failed" and (refused := offer_record(home, network, check.name)):
        return _warn(update, refused)
    return update


def _take(
    home: Home, network: Network, check: Check, alias: str, first: Callable[[Connection], None] | None, progress: Progress
) -> Update:
    name = str(check.name)
    if check.choice is None or check.choice.record is None:
        return Update(name, alias, "failed", error=check.error)
    choice, record = check.choice, check.choice.record
    told = choice.conflicts
    if choice.verdict is Verdict.REVOKED:
        take_revocation(home, check, alias)
        return Update(name, alias, "revoked", record, successor=record.successor, equivocations=told)
    if choice.verdict is Verdict.SAME and (record.revoked or _shows(home, record)):
        confirm_record(home, check, alias)
        state: State = "revoked" if record.revoked else "unchanged"
        return Update(name, alias, state, record, successor=record.successor if record.revoked else None, equivocations=told)
    if choice.verdict is Verdict.SUSPICIOUS and _shows(home, record):
        return Update(name, alias, "suspicious", record, equivocations=told)
    if choice.verdict is Verdict.SAME and check.stored is not None and check.stored.shown is not None:
        # A late source must not decide what the user was asked about.
        return Update(name, alias, "suspicious", record, equivocations=told)
    new = check.stored is None
    taken = take_record(home, network, check, alias, first=first, progress=progress)
    state = "suspicious" if choice.verdict is Verdict.SUSPICIOUS else "new" if new else "updated"
    return Update(
        name,
        alias,
        state,
        record,
        taken.changes,
        taken.conflicts,
        taken.snapshot.catalogue.releases,
        taken.fetched,
        warnings=_told_of(taken),
        equivocations=told,
    )


def _judge_again(home: Home, network: Network, check: Check) -> Check:
    """Check again where another command changed the floor meanwhile."""
    with home.trust.read() as connection:
        stored = get_floor(connection, str(check.name))
    return check if stored == check.stored else check_name(home, network, check.name)


def _shows(home: Home, record: Record) -> bool:
    """Return whether the index shows the record's snapshot already."""
    try:
        with home.index.read() as connection:
            return get_catalogue(connection, str(record.name)).root == str(record.snapshot_cid)
    except DcatError:
        return False


def _told_of(taken: Taken) -> tuple[str, ...]:
    return tuple(
        f"{use.name} sent what was not asked for or does not match; it was dropped ({use.failure})"
        for use in taken.sources
        if use.lied
    )


def _warn(update: Update, warning: str) -> Update:
    return replace(update, warnings=(*update.warnings, warning))
