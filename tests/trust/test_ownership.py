"""Whose a name is: the first catalogue that brought it, in the order of subscription, whatever happens later."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection

from catalog.errors import AmbiguousReferenceError, CatalogueNotFoundError, InvalidNameError
from catalog.storage.database import Database
from catalog.trust.ownership import (
    check_own_name,
    claim_names,
    finish_first_sync,
    follow,
    get_subscription,
    list_subscriptions,
    own_catalogue,
    owner_of,
    prefer,
    set_own,
    unfollow,
)
from catalog.trust.schema import SCHEMA
from tests.factory.times import AT


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    database = Database(tmp_path / "trust.sqlite", SCHEMA)
    with database.write() as opened:
        set_own(opened, "k51mine")
        yield opened
    database.close()


def subscribe(connection: Connection, catalogue: str, alias: str, *names: str) -> None:
    follow(connection, catalogue, alias, AT)
    sync(connection, catalogue, *names)


def sync(connection: Connection, catalogue: str, *names: str) -> None:
    claim_names(connection, catalogue, names)
    finish_first_sync(connection, catalogue)


def test_first_catalogue_owns_the_name(connection: Connection) -> None:
    subscribe(connection, "k51bob", "bob", "nginx", "api")
    subscribe(connection, "k51carol", "carol", "nginx", "db")
    sync(connection, "k51bob", "db")
    assert [owner_of(connection, name) for name in ("nginx", "api", "db", "none")] == ["k51bob", "k51bob", "k51carol", None]


def test_own_names_are_never_taken(connection: Connection) -> None:
    follow(connection, "k51bob", "bob", AT)
    claim_names(connection, "k51mine", ["nginx"])
    sync(connection, "k51bob", "nginx")  # its first sync ranks before, and takes nothing all the same
    assert owner_of(connection, "nginx") == "k51mine"


def test_order_of_subscription_not_of_syncs(connection: Connection) -> None:
    follow(connection, "k51bob", "bob", AT)
    follow(connection, "k51carol", "carol", AT)
    sync(connection, "k51carol", "nginx", "db")
    sync(connection, "k51bob", "nginx")
    assert owner_of(connection, "nginx") == "k51bob"
    assert owner_of(connection, "db") == "k51carol"


def test_ownership_and_alias_outlive_unsubscribing(connection: Connection) -> None:
    subscribe(connection, "k51bob", "bob", "nginx")
    unfollow(connection, "k51bob")
    assert list_subscriptions(connection) == []
    assert get_subscription(connection, "bob").since is None
    subscribe(connection, "k51carol", "carol", "nginx")
    assert owner_of(connection, "nginx") == "k51bob"
    with pytest.raises(AmbiguousReferenceError):
        follow(connection, "k51dave", "bob", AT)
    with pytest.raises(AmbiguousReferenceError):
        check_own_name(connection, "bob/web")
    follow(connection, "k51bob", "bob", AT)
    assert [subscription.alias for subscription in list_subscriptions(connection)] == ["carol", "bob"]


def test_following_again_takes_no_name_that_came_meanwhile(connection: Connection) -> None:
    subscribe(connection, "k51bob", "bob", "nginx")
    unfollow(connection, "k51bob")
    subscribe(connection, "k51carol", "carol", "db")
    subscribe(connection, "k51bob", "bob", "nginx", "db")
    assert owner_of(connection, "db") == "k51carol"


def test_user_moves_names(connection: Connection) -> None:
    subscribe(connection, "k51bob", "bob", "nginx")
    subscribe(connection, "k51carol", "carol", "nginx")
    with pytest.raises(AmbiguousReferenceError, match="belongs to"):
        check_own_name(connection, "nginx")
    prefer(connection, "nginx", "k51mine")
    check_own_name(connection, "nginx")
    prefer(connection, "nginx", "k51carol")
    assert owner_of(connection, "nginx") == "k51carol"
    follow(connection, "k51dave", "dave", AT)
    sync(connection, "k51bob", "nginx")
    assert owner_of(connection, "nginx") == "k51carol"


@pytest.mark.parametrize("alias", ["web", "team", "api"])
def test_alias_that_names_begin_with_is_refused(connection: Connection, alias: str) -> None:
    claim_names(connection, "k51mine", ["web", "team/tool"])
    subscribe(connection, "k51bob", "bob", "api/v1")
    with pytest.raises(AmbiguousReferenceError, match="cannot be an alias"):
        follow(connection, "k51carol", alias, AT)
    assert [subscription.alias for subscription in list_subscriptions(connection, ended=True)] == ["bob"]


def test_alias_of_its_own_names_is_fine(connection: Connection) -> None:
    subscribe(connection, "k51bob", "bob", "api/v1", "bobby")
    follow(connection, "k51bob", "api", AT)
    assert get_subscription(connection, "k51bob").alias == "api"
    follow(connection, "k51carol", "bobb", AT)
    check_own_name(connection, "apis/v2")


@pytest.mark.parametrize("alias", ["a/b", "", "Bob", "mine", "b b", "-b"])
def test_alias_is_one_part_of_a_name(connection: Connection, alias: str) -> None:
    with pytest.raises(InvalidNameError):
        follow(connection, "k51bob", alias, AT)


def test_own_catalogue_is_not_followed(connection: Connection) -> None:
    assert own_catalogue(connection) == "k51mine"
    with pytest.raises(AmbiguousReferenceError):
        follow(connection, "k51mine", "me", AT)
    with pytest.raises(CatalogueNotFoundError):
        get_subscription(connection, "nobody")
    with pytest.raises(CatalogueNotFoundError):
        unfollow(connection, "k51nobody")
