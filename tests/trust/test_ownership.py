"""Whose a name is: the first catalogue that brought it, in the order of subscription, whatever happens later."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection

from catalog.errors import AmbiguousReferenceError, CatalogueNotFoundError, InvalidNameError
from catalog.limits import MAX_SEQUENCE
from catalog.storage.database import Database
from catalog.trust.comparison import compare_contents
from catalog.trust.contents import accept_contents
from catalog.trust.decision import Floor
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
    reserve_ranks,
    set_own,
    succeed,
    unfollow,
)
from catalog.trust.schema import SCHEMA
from catalog.trust.store import raise_floor
from tests.factory.releases import make_release
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


def test_a_second_alias_is_added(connection: Connection) -> None:
    subscribe(connection, "k51bob", "bob", "web")
    follow(connection, "k51bob", "robert", AT)
    (subscription,) = list_subscriptions(connection)
    assert (subscription.alias, subscription.others) == ("robert", ("bob",))
    assert get_subscription(connection, "bob") == subscription
    with pytest.raises(AmbiguousReferenceError, match="is the alias of k51bob"):
        follow(connection, "k51carol", "bob", AT)
    with pytest.raises(AmbiguousReferenceError):
        check_own_name(connection, "bob/web")
    follow(connection, "k51bob", "bob", AT)
    assert get_subscription(connection, "robert").alias == "bob"


def test_no_name_begins_with_mine(connection: Connection) -> None:
    subscribe(connection, "k51bob", "bob", "mine/web", "mine")
    assert owner_of(connection, "mine/web") is None
    assert owner_of(connection, "mine") == "k51bob"
    with pytest.raises(AmbiguousReferenceError, match="cannot be published"):
        check_own_name(connection, "mine/web")


def test_names_of_one_run_rank_in_the_order_of_subscription(connection: Connection) -> None:
    """Whichever catalogue is ready first."""
    subscribe(connection, "k51bob", "bob")
    subscribe(connection, "k51carol", "carol")
    ranks = reserve_ranks(connection, ["k51bob", "k51carol"])
    claim_names(connection, "k51carol", ["web", "db"], rank=ranks["k51carol"])
    claim_names(connection, "k51bob", ["web"], rank=ranks["k51bob"])
    assert owner_of(connection, "web") == "k51bob"
    assert owner_of(connection, "db") == "k51carol"


@pytest.mark.slow
def test_a_new_catalogue_never_takes_a_name_over(connection: Connection) -> None:
    """Safety A8: 1,000 sets of catalogues; each added subscription leaves every earlier owner as it was."""
    randomness = random.Random(8)
    names = [f"n{number}" for number in range(12)]
    for _ in range(1000):
        with connection.begin_nested() as undone:
            own = randomness.sample(names, 3)
            claim_names(connection, "k51mine", own)
            owners = dict.fromkeys(own, "k51mine")
            for letter in "abcd":
                brought = randomness.sample(names, randomness.randrange(8))
                subscribe(connection, f"k51{letter}", letter, *brought)
                now = {str(name): str(holder) for name, holder in connection.exec_driver_sql(_OWNERS)}
                assert owners.items() <= now.items()
                assert now.keys() == {*owners, *brought}
                owners = now
            undone.rollback()


_OWNERS = "SELECT name, catalogue FROM owners JOIN catalogues USING (catalogue_id)"

SUCCESSORS = {
    "unknown": "followed",
    "followed": "followed",
    "formerly followed": "followed",
    "own": "your own catalogue",
    "itself": "the same catalogue",
    "revoked": "given up by its owner as well",
}


@pytest.mark.parametrize("successor", SUCCESSORS)
def test_who_may_succeed(connection: Connection, successor: str) -> None:
    """Safety A21."""
    name = {"own": "k51mine", "itself": "k51bob"}.get(successor, "k51new")
    subscribe(connection, "k51bob", "bob", "web", "api")
    accept_contents(connection, "k51bob", make_release("web", "1", "bob's"), AT)
    accept_contents(connection, "k51bob", make_release("api", "1", "bob's"), AT)
    if successor in ("followed", "formerly followed"):
        subscribe(connection, "k51new", "new", "web")
        accept_contents(connection, "k51new", make_release("web", "1", "new's"), AT)
    if successor == "formerly followed":
        unfollow(connection, "k51new")
    if successor == "revoked":
        raise_floor(connection, "k51new", Floor(MAX_SEQUENCE, b"/ipfs/x"), b"record")
    if SUCCESSORS[successor] != "followed":
        with pytest.raises(AmbiguousReferenceError) as caught:
            succeed(connection, "k51bob", name, AT)
        assert SUCCESSORS[successor] in caught.value.why
        assert own_catalogue(connection) == "k51mine"
        return
    taken = succeed(connection, "k51bob", name, AT)
    assert taken.since == AT
    assert "bob" in (taken.alias, *taken.others)
    assert [owner_of(connection, some) for some in ("web", "api")] == ["k51new", "k51new"]
    expected = {"web": "new's" if successor != "unknown" else "bob's", "api": "bob's"}
    for some, content in expected.items():
        assert compare_contents(connection, "k51new", [make_release(some, "1", content)], AT).conflicts == []
    current = "SELECT count(*) FROM contents JOIN catalogues USING (catalogue_id) WHERE catalogue = 'k51new'"
    assert connection.exec_driver_sql(current).scalar_one() == 2


def test_own_catalogue_is_not_followed(connection: Connection) -> None:
    assert own_catalogue(connection) == "k51mine"
    with pytest.raises(AmbiguousReferenceError):
        follow(connection, "k51mine", "me", AT)
    with pytest.raises(CatalogueNotFoundError):
        get_subscription(connection, "nobody")
    with pytest.raises(CatalogueNotFoundError):
        unfollow(connection, "k51nobody")
