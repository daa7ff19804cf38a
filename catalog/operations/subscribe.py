"""``dcat subscribe``: follow a catalogue: check its record, fetch its index, remember it under an alias."""

from dataclasses import dataclass, replace

from sqlalchemy import Connection

from catalog.errors import AmbiguousReferenceError, CatalogueNotFoundError
from catalog.followed.checking import ask_for_record
from catalog.followed.overlap import list_overlap
from catalog.followed.updating import Update, update_one
from catalog.home.home import Home
from catalog.ipns.name import IpnsName
from catalog.progress import Progress, Step, silent
from catalog.sources.network import Network
from catalog.trust.ownership import Subscription, check_alias, follow, get_subscription


@dataclass(frozen=True, slots=True)
class Subscribed:
    """A new subscription, or a renewed one.

    ``overlap`` are names of the catalogue that still mean another one's here; ``first`` says that it was not followed before.
    """

    subscription: Subscription
    update: Update
    overlap: tuple[str, ...]
    first: bool


def subscribe(home: Home, network: Network, name: IpnsName, alias: str, *, progress: Progress = silent) -> Subscribed:
    """Follow ``name`` as ``alias``; nothing is remembered unless its record is valid and its index can be fetched.

    Following what is followed already brings it up to date, and adds the alias to those that it has. Raise
    `AmbiguousReferenceError` for an alias that means something else, `UnavailableError` where no source has the record or the
    index, `CatalogueNotFoundError` for a revoked name, and what validation raises.
    """
    catalogue = str(name)
    if home.own_catalogue() == catalogue:
        raise AmbiguousReferenceError(f"{catalogue} is this home's own catalogue", why="it is always there, without an alias")
    with home.trust.read() as connection:
        check_alias(connection, catalogue, alias)
        first = not _is_followed(connection, catalogue)
    progress(Step("phase", f"Asking for the record of {catalogue}"))
    check = ask_for_record(home, network, name)
    if check.error is not None:
        raise check.error
    if check.choice is not None and check.choice.record is not None and check.choice.record.revoked:
        successor = check.choice.record.successor
        raise CatalogueNotFoundError(
            f"{catalogue} was given up by its owner",
            why=f"its successor is said to be {successor}" if successor else "it has no successor",
            hint="follow the successor, if its owner confirms it" if successor else "",
        )

    def remember(connection: Connection) -> None:
        follow(connection, catalogue, alias, home.time)

    update = update_one(home, network, check, alias, first=remember, progress=progress)
    if update.error is not None:
        raise update.error
    with home.trust.write() as connection:
        subscription = follow(connection, catalogue, alias, home.time)
    if first and update.state in ("updated", "unchanged"):
        update = replace(update, state="new")
    return Subscribed(subscription, update, list_overlap(home, catalogue), first)


def _is_followed(connection: Connection, catalogue: str) -> bool:
    try:
        return get_subscription(connection, catalogue).since is not None
    except CatalogueNotFoundError:
        return False
