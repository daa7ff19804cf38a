"""A home as a `Site`."""

from collections.abc import Callable
from datetime import datetime

from catalog.home.deltas import KeptDelta, open_delta_cache
from catalog.home.home import INDEX_FILE, TRUST_FILE, Home
from catalog.home.records import LocalRouting, local_records
from catalog.home.roots import list_roots
from catalog.index.releases import is_listed
from catalog.ipld.cid import Cid, parse_cid
from catalog.ipns.name import IpnsName, parse_ipns_name
from catalog.limits import LINKS_CHECK_PERIOD
from catalog.lookup.opening import open_view
from catalog.own.signing import own_name
from catalog.server.chores import Chore
from catalog.server.feeding.feeder import Feeder
from catalog.server.publishing import Publisher
from catalog.server.site.linked import LinkedBlocks
from catalog.server.site.site import HeldBlocks, Site
from catalog.trust.ownership import list_subscriptions
from catalog.trust.store import list_pins


def open_site(
    home: Home,
    now: Callable[[], datetime],
    node: HeldBlocks | None = None,
    feeder: Feeder | None = None,
    publisher: Publisher | None = None,
) -> Site:
    """Return the site of a home: the blocks of its own store, those that it keeps in ``node``, and its records.

    The home must stay open as long as the site is used. Raise `NewerHomeError` or `CorruptHomeError` for one that cannot be read: a
    server of it would run, and answer every request with an error.
    """
    home.own_catalogue()  # opened now, or several threads would open it at once
    if (home.path / INDEX_FILE).exists():
        home.index  # noqa: B018  # as above
    records = _HomeRecords(home, local_records(home))
    if node is None:
        return Site(
            home.blocks,
            records,
            lambda: own_name(home),
            now,
            _HomeDeltas(home, home.blocks),
            home,
            lambda: _state(home),
            feeder=feeder,
            publisher=publisher,
        )
    blocks = LinkedBlocks(home.blocks, node, lambda: list_roots(home), lambda: _state(home))
    chores = (Chore("looking at what is kept", LINKS_CHECK_PERIOD, blocks.refresh),)
    return Site(
        blocks,
        records,
        lambda: own_name(home),
        now,
        _HomeDeltas(home, blocks),
        home,
        lambda: _state(home),
        chores,
        feeder,
        publisher,
    )


def _state(home: Home) -> tuple[tuple[int, int], ...]:
    """Return a value that differs whenever the index or the trust store was written to."""
    files = [home.path / f"{name}{ending}" for name in (INDEX_FILE, TRUST_FILE) for ending in ("", "-wal")]
    stats = [file.stat() for file in files if file.exists()]
    return tuple((stat.st_mtime_ns, stat.st_size) for stat in stats)


class _HomeRecords:
    """The records of a home's own name and of those that it follows."""

    def __init__(self, home: Home, kept: LocalRouting) -> None:
        self._home = home
        self._kept = kept

    def get(self, name: IpnsName) -> bytes | None:
        return self._kept.get(name) if self.knows(name) else None

    def put(self, name: IpnsName, record: bytes) -> None:
        self._kept.put(name, record)

    def snapshot(self, name: IpnsName) -> Cid | None:
        if not self.knows(name):
            return None
        with open_view(self._home.path) as view:
            row = view.catalogue(str(name))
        return None if row is None or row.root is None else parse_cid(row.root)

    def knows(self, name: IpnsName) -> bool:
        if own_name(self._home) == name:
            return True
        with self._home.trust.read() as connection:
            return any(parse_ipns_name(followed.catalogue) == name for followed in list_subscriptions(connection))


class _HomeDeltas:
    """Deltas between the archives of this home's catalogues and of what its user pinned."""

    def __init__(self, home: Home, blocks: HeldBlocks) -> None:
        self._home = home
        self._blocks = blocks
        self._cache = open_delta_cache(home)

    def offers(self, base: Cid, target: Cid) -> bool:
        with self._home.index.read() as connection:
            unknown = {str(cid) for cid in (base, target) if not is_listed(connection, cid)}
        if unknown:
            with self._home.trust.read() as connection:
                unknown -= {pin.archive for pin in list_pins(connection)}
        return not unknown

    def find(self, base: Cid, target: Cid) -> KeptDelta | None:
        return self._cache.find(base, target)

    def make(self, base: Cid, target: Cid, stopped: Callable[[], bool]) -> KeptDelta:
        return self._cache.make(base, target, self._blocks, stopped=stopped)
