"""Followed catalogues, their aliases, and the ownership of names (docs/safety.md, A8 and A18).

A name belongs to the catalogue that first brought it into this home, for ever, unless the user moves it. "First" follows the order
of subscription: what a first sync brings ranks as of the subscription, what a later one brings as of that sync. An alias belongs to
the catalogue that first took it, for ever. Functions take a connection of the trust file's `catalog.storage.database.Database`; a
catalogue is given by its IPNS name as text.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, or_, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from catalog.errors import AmbiguousReferenceError, CatalogueNotFoundError, InvalidNameError
from catalog.model.reference import MINE, check_name
from catalog.trust.conflicts import forget_conflicts
from catalog.trust.schema import aliases, catalogues, owners
from catalog.trust.store import catalogue_id, get_floor, get_note, put_note
from catalog.trust.withheld import forget_withheld

_TICK = "tick"
_CLAIM = """
INSERT INTO owners (name, catalogue_id, rank, preferred) VALUES (?, ?, ?, 0)
ON CONFLICT (name) DO UPDATE SET catalogue_id = excluded.catalogue_id, rank = excluded.rank
WHERE excluded.rank < owners.rank AND NOT owners.preferred
AND owners.catalogue_id NOT IN (SELECT catalogue_id FROM catalogues WHERE own)
"""
_SEE = "INSERT OR IGNORE INTO seen_names (catalogue_id, name, tick) VALUES (?, ?, ?)"
_INHERIT = """
INSERT OR IGNORE INTO contents
SELECT ?, name, version, platform, config, format, archive, manifest, first_seen FROM contents WHERE catalogue_id = ?
"""
_INHERIT_NAMES = "INSERT OR IGNORE INTO seen_names SELECT ?, name, tick FROM seen_names WHERE catalogue_id = ?"


@dataclass(frozen=True, slots=True)
class Subscription:
    """A catalogue that is, or was, followed here.

    ``since`` is None for one that no longer is; its aliases stay its own. ``alias`` is the one that is displayed, ``others`` are
    those that it has as well. ``position`` is the order of subscription.
    """

    catalogue: str
    alias: str
    position: int
    since: str | None
    synced: bool
    others: tuple[str, ...] = ()


def set_own(connection: Connection, catalogue: str) -> None:
    """Make a catalogue this home's own."""
    number = catalogue_id(connection, catalogue)
    connection.execute(update(catalogues).values(own=catalogues.c.catalogue_id == number))


def own_catalogue(connection: Connection) -> str | None:
    """Return the IPNS name of this home's own catalogue; None before there is one."""
    return connection.execute(select(catalogues.c.catalogue).where(catalogues.c.own == 1)).scalar()


def follow(connection: Connection, catalogue: str, alias: str, at: str) -> Subscription:
    """Follow a catalogue under an alias, from now on and after all that were followed before it.

    A catalogue that is followed already gets the alias as a further one, which is displayed from now on. Raise
    `AmbiguousReferenceError` where the alias already means something else here, `InvalidNameError` where it is not valid.
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
    taken = {"alias": alias, "catalogue_id": number, "tick": next_tick(connection)}
    connection.execute(upsert(aliases).values(taken).on_conflict_do_nothing())
    return get_subscription(connection, catalogue)


def unfollow(connection: Connection, catalogue: str) -> None:
    """Stop following. Its names stay owned by it and its aliases reserved, so that no reference changes its meaning.

    What waits for a decision about it is deleted; following it again asks again.
    """
    get_subscription(connection, catalogue)
    connection.execute(update(catalogues).where(catalogues.c.catalogue == catalogue).values(subscribed=None, synced=0))
    forget_conflicts(connection, catalogue)
    forget_withheld(connection, catalogue)


def get_subscription(connection: Connection, catalogue_or_alias: str) -> Subscription:
    """Return a subscription by IPNS name or any of its aliases, ended ones too; raise `CatalogueNotFoundError`."""
    for subscription in list_subscriptions(connection, ended=True):
        if catalogue_or_alias in (subscription.catalogue, subscription.alias, *subscription.others):
            return subscription
    raise CatalogueNotFoundError(f'no catalogue "{catalogue_or_alias}" is followed here')


def list_subscriptions(connection: Connection, *, ended: bool = False) -> list[Subscription]:
    """Return the followed catalogues, in the order of subscription; with ``ended``, also those that no longer are."""
    statement = (
        select(catalogues.c.catalogue, catalogues.c.alias, catalogues.c.position, catalogues.c.subscribed, catalogues.c.synced)
        .where(catalogues.c.alias.is_not(None))
        .order_by(catalogues.c.position)
    )
    if not ended:
        statement = statement.where(catalogues.c.subscribed.is_not(None))
    every: dict[str, list[str]] = {}
    for catalogue, alias in connection.execute(select(catalogues.c.catalogue, aliases.c.alias).join(aliases)):
        every.setdefault(catalogue, []).append(alias)
    return [
        Subscription(*row[:4], bool(row.synced), tuple(alias for alias in every.get(row.catalogue, ()) if alias != row.alias))
        for row in connection.execute(statement)
    ]


def rewrite_alias(connection: Connection, text: str) -> str:
    """Return ``text``, an alias or what begins with one, with the displayed alias of the followed catalogue that it means."""
    alias, slash, rest = text.partition("/")
    statement = select(catalogues.c.alias).join(aliases).where(aliases.c.alias == alias, catalogues.c.subscribed.is_not(None))
    displayed = connection.execute(statement).scalar()
    return text if displayed is None else f"{displayed}{slash}{rest}"


def check_alias(connection: Connection, catalogue: str, alias: str) -> None:
    """Raise `AmbiguousReferenceError` where ``alias`` means something else than ``catalogue`` here."""
    check_name(alias)
    if "/" in alias or alias == MINE:
        raise InvalidNameError(f'"{alias}" is not a valid alias', why=f'an alias is a name of one part, and not "{MINE}"')
    holder = connection.execute(select(catalogues.c.catalogue).join(aliases).where(aliases.c.alias == alias)).scalar()
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
    if name.startswith(f"{MINE}/"):
        raise AmbiguousReferenceError(f'"{name}" cannot be published', why=f"{MINE}/… means your own catalogue")
    holder = connection.execute(select(catalogues.c.catalogue).join(aliases).where(aliases.c.alias == first)).scalar()
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


def reserve_ranks(connection: Connection, some: Sequence[str]) -> dict[str, int]:
    """Return a rank for each of several catalogues that are synced together, in their order, whichever is done first."""
    return {catalogue: next_tick(connection) for catalogue in some}


def claim_names(connection: Connection, catalogue: str, names: Iterable[str], *, rank: int | None = None) -> None:
    """Note the names that a sync, or a publish, brought: names without an owner become the catalogue's.

    The first call after `follow` is the first sync, and ranks as of the subscription; `finish_first_sync` ends that. A later one
    ranks as of now, or as ``rank`` (`reserve_ranks`).
    """
    number = catalogue_id(connection, catalogue)
    row = connection.execute(select(catalogues).where(catalogues.c.catalogue_id == number)).one()
    if row.subscribed is not None and not row.synced:
        rank = row.position
    elif rank is None:
        rank = next_tick(connection)
    rows = [(name, number, rank) for name in names if not name.startswith(f"{MINE}/")]
    if rows:
        connection.exec_driver_sql(_CLAIM, rows)


def see_names(connection: Connection, catalogue: str, names: Iterable[str], tick: int) -> None:
    """Note names under which a followed catalogue has contents; ``tick`` is that of the sync (`next_tick`).

    It decides what ``ALIAS/NAME`` means where the catalogue has both ``NAME`` and ``ALIAS/NAME``, or had them: the one seen first.
    """
    number = catalogue_id(connection, catalogue)
    rows = [(number, name, tick) for name in names]
    if rows:
        connection.exec_driver_sql(_SEE, rows)


def finish_first_sync(connection: Connection, catalogue: str) -> None:
    """Mark the first sync of a followed catalogue as done: its new names rank after those that are here from now on."""
    connection.execute(update(catalogues).where(catalogues.c.catalogue == catalogue).values(synced=1))


def prefer(connection: Connection, name: str, catalogue: str) -> None:
    """Move a name to a catalogue, by the user's own act."""
    values = {"catalogue_id": catalogue_id(connection, catalogue), "rank": next_tick(connection), "preferred": 1}
    statement = upsert(owners).values(name=check_name(name), **values)
    connection.execute(statement.on_conflict_do_update(index_elements=[owners.c.name], set_=values))


def next_tick(connection: Connection) -> int:
    """Return a number above all that were returned before: the order in which things happened here."""
    tick = int(get_note(connection, _TICK) or 0) + 1
    put_note(connection, _TICK, str(tick))
    return tick


def check_successor(connection: Connection, old: str, new: str) -> None:
    """Raise `AmbiguousReferenceError` where ``new`` cannot take the place of the revoked ``old``."""
    floor = get_floor(connection, new)
    if new == own_catalogue(connection):
        why = "it is your own catalogue"
    elif new == old:
        why = "it is the same catalogue"
    elif floor is not None and floor.floor.revoked:
        why = "it was given up by its owner as well"
    else:
        return
    raise AmbiguousReferenceError(f"{new} cannot succeed {old} here", why=why, hint="refuse it, and ask the owner")


def succeed(connection: Connection, old: str, new: str, at: str) -> Subscription:
    """Follow ``new`` in place of the revoked ``old``, by the user's own act.

    It takes over the aliases, the names, and the contents of releases that it was not seen with itself, so that references mean
    what they meant and content that moved is noticed. One that was followed before keeps the alias that is displayed for it. Raise
    `AmbiguousReferenceError` as `check_successor`.
    """
    check_successor(connection, old, new)
    former = get_subscription(connection, old)
    before, after = catalogue_id(connection, old), catalogue_id(connection, new)
    row = connection.execute(select(catalogues).where(catalogues.c.catalogue_id == after)).one()
    unfollow(connection, old)
    connection.execute(update(catalogues).where(catalogues.c.catalogue_id == before).values(alias=None))
    values: dict[str, object] = {}
    if row.subscribed is None:
        # Its names rank from now on: with the rank of the former subscription it could take names over from later ones.
        values |= {"position": former.position, "subscribed": at, "synced": 1}
    if row.alias is None:
        values["alias"] = former.alias
    if values:
        connection.execute(update(catalogues).where(catalogues.c.catalogue_id == after).values(values))
    connection.execute(update(aliases).where(aliases.c.catalogue_id == before).values(catalogue_id=after))
    connection.execute(update(owners).where(owners.c.catalogue_id == before).values(catalogue_id=after))
    connection.exec_driver_sql(_INHERIT, (after, before))
    connection.exec_driver_sql(_INHERIT_NAMES, (after, before))
    return get_subscription(connection, new)
