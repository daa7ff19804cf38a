"""``dcat prefer``: have a name mean another catalogue of this home."""

from dataclasses import dataclass

from sqlalchemy import Connection

from catalog.home.home import Home
from catalog.index.history import Change
from catalog.index.releases import list_releases
from catalog.index.update import IndexUpdate
from catalog.model.reference import MINE, check_name
from catalog.trust.ownership import get_subscription, owner_of
from catalog.trust.ownership import prefer as move


@dataclass(frozen=True, slots=True)
class Preferred:
    """The catalogue that a name means now, and before (None: none), and whether it has a release of that name."""

    name: str
    catalogue: str
    alias: str
    before: str | None
    has_releases: bool


def prefer(home: Home, name: str, alias: str) -> Preferred:
    """Make ``name`` mean the catalogue of ``alias`` from now on, or the own one (`MINE`), which is created if there is none.

    Raise `CatalogueNotFoundError` for an unknown alias, and `InvalidNameError`.
    """
    check_name(name)
    if alias == MINE:
        catalogue, _ = home.create_own_catalogue()
    else:
        with home.trust.read() as connection:
            subscription = get_subscription(connection, alias)
        catalogue, alias = subscription.catalogue, subscription.alias
    with home.trust.read() as connection:
        before = owner_of(connection, name)
    with home.index.read() as connection:
        has_releases = bool(list_releases(connection, catalogue, name, limit=1))

    def trust(connection: Connection) -> None:
        move(connection, name, catalogue)

    change = Change(catalogue, home.time, "preferred", name, detail={"before": before or ""})
    home.commit(IndexUpdate(catalogue, changes=[change]), trust)
    return Preferred(name, catalogue, alias, before, has_releases)
