"""``dcat unsubscribe``: stop following a catalogue. Pulled images stay, and so does the meaning of its names and its alias."""

from dataclasses import dataclass

from sqlalchemy import Connection

from catalog.errors import CatalogueNotFoundError
from catalog.home.home import Home
from catalog.index.history import Change, add_changes
from catalog.index.loading import sweep_generations
from catalog.index.subscriptions import hide_catalogue
from catalog.trust.ownership import Subscription, get_subscription, list_subscriptions, unfollow


@dataclass(frozen=True, slots=True)
class Unsubscribed:
    """The subscription as it was."""

    subscription: Subscription


def unsubscribe(home: Home, alias: str) -> Unsubscribed:
    """End the subscription of an alias or an IPNS name; raise `CatalogueNotFoundError` where there is none.

    Its floor, the contents seen of its releases, its alias and its names stay: following it again continues from there.
    """
    with home.lock("sync"):  # a sync that is fetching it must not show it again
        with home.trust.write() as connection:
            subscription = _find(connection, alias)
            unfollow(connection, subscription.catalogue)
        change = Change(subscription.catalogue, home.time, "unsubscribed", detail={"alias": subscription.alias})
        with home.index.write() as connection:
            hide_catalogue(connection, subscription.catalogue)
            add_changes(connection, [change])
    sweep_generations(home.index)
    return Unsubscribed(subscription)


def _find(connection: Connection, alias: str) -> Subscription:
    followed = [entry.alias for entry in list_subscriptions(connection)]
    try:
        subscription = get_subscription(connection, alias)
    except CatalogueNotFoundError as error:
        why = f"followed are {', '.join(followed)}" if followed else "no catalogue is followed here"
        raise CatalogueNotFoundError(f'no catalogue "{alias}" is followed here', why=why) from error
    if subscription.since is None:
        raise CatalogueNotFoundError(f'the catalogue "{alias}" is no longer followed', why="it was unsubscribed from already")
    return subscription
