"""Whose a name is: the catalogues that are followed, their aliases, and the ownership of names (design.md, section 4; safety A8).

A name belongs to the catalogue that first brought it into this home, for ever, unless the user moves it. "First" follows the order
of subscription: what a first sync brings counts as of the subscription, what a later one brings as of that sync. Functions take a
connection of the trust file's `catalog.storage.database.Database`; a catalogue is given by its IPNS name as text.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, or_, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from catalog.errors import AmbiguousReferenceError, CatalogueNotFoundError, InvalidNameError
from catalog.model.reference import check_name
from catalog.trust.schema import catalogues, owners
from catalog.trust.store import catalogue_id, get_note, put_note

MINE = "mine"
_TICK = "tick"
_CLAIM = """
INSERT INTO owners (name, catalogue_id, rank, preferred) VALUES (?, ?, ?, 0)
ON CONFLICT (name) DO UPDATE SET catalogue_id = excluded.catalogue_id, rank = excluded.rank
WHERE excluded.rank < owners.rank AND NOT owners.preferred
AND owners.catalogue_id NOT IN (SELECT catalogue_id FROM catalogues WHERE own)
"""
_INHERIT = """
INSERT OR IGNORE INTO contents SELECT ?, name, version, platform, config, first_seen, current FROM contents WHERE catalogue_id = ?
"""


@dataclass(frozen=True, slots=True)
class Subscription:
    """A catalogue that is, or was, followed here.

    ``since`` is None for one that no longer is; its alias stays its own. ``position`` is the order of subscription.
    """

    catalogue: str
    alias: str
    position: int
    since: str | None
    synced: bool


def set_own(connection: Connection, catalogue: str) -> None:
    """Say which catalogue is this home's own."""
    number = catalogue_id(connection, catalogue)
    connection.execute(update(catalogues).values(own=catalogues.c.catalogue_id == number))


def own_catalogue(connection: Connection) -> str | None:
    """Return the IPNS name of this home's own catalogue; None before there is one."""
    return connection.execute(select(catalogues.c.catalogue).where(catalogues.c.own == 1)).scalar()


def follow(connection: Connection, catalogue: str, alias: str, at: str) -> Subscription:
    """Follow a catalogue under an alias, from now on and behind all that were followed before it.

    Following what is followed changes its alias only. Raises `AmbiguousReferenceError` where the alias already means something
    else here, `InvalidNameError` where it is none.
    """
    check_alias(connection, catalogue, alias)
    number = catalogue_id(connection, catalogue)
    if own_catalogue(connection) == catalogue:
        raise AmbiguousReferenceError(f"{catalogue} is this home's own catalogue", why="it is always there, without an alias")
    row = connection.execute(select(catalogues).where(catalogues.c.catalogue_id == number)).one()
    values: dict[str, object] = {"alias": alias}
    if row.subscribed is None:
        values |= {"subscribed": at, "position": next_tick(connection), "synced": 0}
    connection.execute(update(catalogues).where(catalogues.c.catalogue_id == number).values(values))
    return get_subscription(connection, catalogue)


def unfollow(connection: Connection, catalogue: str) -> None:
    """Stop following. Its names stay owned by it and its alias reserved, so that no reference changes its meaning."""
    get_subscription(connection, catalogue)
    connection.execute(update(catalogues).where(catalogues.c.catalogue == catalogue).values(subscribed=None, synced=0))


def get_subscription(connection: Connection, catalogue_or_alias: str) -> Subscription:
    """Return a subscription by IPNS name or alias, ended ones too; raise `CatalogueNotFoundError`."""
    for subscription in list_subscriptions(connection, ended=True):
        if catalogue_or_alias in (subscription.catalogue, subscription.alias):
            return subscription
    raise CatalogueNotFoundError(f'no catalogue "{catalogue_or_alias}" is followed here')


def list_subscriptions(connection: Connection, *, ended: bool = False) -> list[Subscription]:
    """Return what is followed, in the order of subscription; with ``ended``, also what no longer is."""
    statement = (
        select(catalogues.c.catalogue, catalogues.c.alias, catalogues.c.position, catalogues.c.subscribed, catalogues.c.synced)
        .where(catalogues.c.alias.is_not(None))
        .order_by(catalogues.c.position)
    )
    if not ended:
        statement = statement.where(catalogues.c.subscribed.is_not(None))
    return [Subscription(*row[:4], bool(row.synced)) for row in connection.execute(statement)]


def check_alias(connection: Connection, catalogue: str, alias: str) -> None:
    """Raise `AmbiguousReferenceError` where ``alias`` means something else than ``catalogue`` here (design.md, section 4)."""
    check_name(alias)
    if "/" in alias or alias == MINE:
        raise InvalidNameError(f'"{alias}" is no alias', why=f'an alias is a name of one part, and not "{MINE}"')
    holder = connection.execute(select(catalogues.c.catalogue).where(catalogues.c.alias == alias)).scalar()
    if holder not in (None, catalogue):
        raise AmbiguousReferenceError(f'"{alias}" is the alias of {holder}', why="an alias stays with its catalogue")
    statement = (
        select(owners.c.name, catalogues.c.own, catalogues.c.alias)
        .join(catalogues)
        .where(catalogues.c.catalogue != catalogue)
        .where(or_(owners.c.name == alias, (owners.c.name >= f"{alias}/") & (owners.c.name < f"{alias}0")))
        .limit(1)
    )
    row = connection.execute(statement).first()
    if row is not None:
        whose = "your own catalogue" if row.own else f'the catalogue "{row.alias}"'
        raise AmbiguousReferenceError(
            f'"{alias}" cannot be an alias here', why=f'the name "{row.name}" of {whose} begins with it', hint="take another alias"
        )


def check_own_name(connection: Connection, name: str) -> None:
    """Raise `AmbiguousReferenceError` where publishing ``name`` would change what a reference means here."""
    first = name.partition("/")[0]
    holder = connection.execute(select(catalogues.c.catalogue).where(catalogues.c.alias == first)).scalar()
    if holder is not None:
        raise AmbiguousReferenceError(f'"{name}" begins with the alias "{first}"', why=f"{first}/… means the catalogue {holder}")
    owner = owner_of(connection, name)
    if owner is not None and owner != own_catalogue(connection):
        alias = connection.execute(select(catalogues.c.alias).where(catalogues.c.catalogue == owner)).scalar()
        raise AmbiguousReferenceError(
            f'the name "{name}" belongs to the catalogue "{alias or owner}" here',
            why="publishing it would change what the name means",
            hint=f'move the name "{name}" to your own catalogue first, or publish under another name',
        )


def owner_of(connection: Connection, name: str) -> str | None:
    """Return the catalogue that a name belongs to; None where none brought it yet."""
    return connection.execute(select(catalogues.c.catalogue).join(owners).where(owners.c.name == name)).scalar()


def claim_names(connection: Connection, catalogue: str, names: Iterable[str]) -> None:
    """Note the names that a sync, or a publish, brought: those that nobody owns become the catalogue's.

    The first call behind `follow` is the first sync, and ranks as of the subscription; `finish_first_sync` ends that. Where several
    catalogues bring names in one run, call it in the order of subscription.
    """
    number = catalogue_id(connection, catalogue)
    row = connection.execute(select(catalogues).where(catalogues.c.catalogue_id == number)).one()
    first = row.subscribed is not None and not row.synced
    rank = row.position if first else next_tick(connection)
    rows = [(name, number, rank) for name in names]
    if rows:
        connection.exec_driver_sql(_CLAIM, rows)


def finish_first_sync(connection: Connection, catalogue: str) -> None:
    """Say that all names of a followed catalogue are known: from now on its new ones rank behind what is here."""
    connection.execute(update(catalogues).where(catalogues.c.catalogue == catalogue).values(synced=1))


def prefer(connection: Connection, name: str, catalogue: str) -> None:
    """Move a name to a catalogue, by the user's own act."""
    values = {"catalogue_id": catalogue_id(connection, catalogue), "rank": next_tick(connection), "preferred": 1}
    statement = upsert(owners).values(name=check_name(name), **values)
    connection.execute(statement.on_conflict_do_update(index_elements=[owners.c.name], set_=values))


def next_tick(connection: Connection) -> int:
    """Return a number above all that were given before: the order in which things happened here."""
    tick = int(get_note(connection, _TICK) or 0) + 1
    put_note(connection, _TICK, str(tick))
    return tick


def succeed(connection: Connection, old: str, new: str, at: str) -> Subscription:
    """Follow ``new`` in place of the revoked ``old``, by the user's own act.

    It takes over the alias, the names, and what the releases were seen with, so that references mean what they meant and content
    that moved is noticed. One that is followed already keeps its own alias.
    """
    former = get_subscription(connection, old)
    numbers = {"old": catalogue_id(connection, old), "new": catalogue_id(connection, new)}
    row = connection.execute(select(catalogues).where(catalogues.c.catalogue_id == numbers["new"])).one()
    values = {"subscribed": None, "synced": 0}
    if row.subscribed is None:
        connection.execute(update(catalogues).where(catalogues.c.catalogue_id == numbers["old"]).values(alias=None, **values))
        changed = {"alias": former.alias, "position": former.position, "subscribed": at, "synced": 0}
        connection.execute(update(catalogues).where(catalogues.c.catalogue_id == numbers["new"]).values(changed))
    else:
        connection.execute(update(catalogues).where(catalogues.c.catalogue_id == numbers["old"]).values(values))
    connection.execute(update(owners).where(owners.c.catalogue_id == numbers["old"]).values(catalogue_id=numbers["new"]))
    connection.exec_driver_sql(_INHERIT, (numbers["new"], numbers["old"]))
    return get_subscription(connection, new)
