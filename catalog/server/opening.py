"""A home as a `Site`: the wiring between what a home keeps and what a server shows."""

from collections.abc import Callable
from datetime import datetime

from catalog.home import Home
from catalog.ipns.name import IpnsName, parse_ipns_name
from catalog.routing.local import LocalRouting
from catalog.server.site import Site
from catalog.sharing.signing import local_records, own_name
from catalog.trust.naming import list_subscriptions


def open_site(home: Home, now: Callable[[], datetime]) -> Site:
    """Show a home: the blocks of its own store, the records it keeps. The home stays open for as long as the site is used."""
    home.own_catalogue()  # opens what threads would otherwise open at once
    return Site(home.blocks, _HomeRecords(home, local_records(home)), lambda: own_name(home), now)


class _HomeRecords:
    """The records of a home's own name and of those that it follows now."""

    def __init__(self, home: Home, kept: LocalRouting) -> None:
        self._home = home
        self._kept = kept

    def get(self, name: IpnsName) -> bytes | None:
        return self._kept.get(name) if self.knows(name) else None

    def put(self, name: IpnsName, record: bytes) -> None:
        self._kept.put(name, record)

    def knows(self, name: IpnsName) -> bool:
        if own_name(self._home) == name:
            return True
        with self._home.trust.read() as connection:
            return any(parse_ipns_name(followed.catalogue) == name for followed in list_subscriptions(connection))
