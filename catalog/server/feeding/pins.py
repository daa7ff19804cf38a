"""Pins of what was fetched for clients: the newest stay, until all of them take more than `MAX_FETCHED_SIZE`."""

from sqlalchemy import Connection

from catalog.home.home import Home
from catalog.index.releases import find_archive
from catalog.ipld.cid import Cid, parse_cid
from catalog.limits import MAX_FETCHED_SIZE
from catalog.server.feeding.job import Wish
from catalog.trust.store import Pin, delete_pin, list_pins, put_pin

FETCHED = "fetched"
"""The reason of these pins."""


def pin_fetched(home: Home, wish: Wish) -> bool:
    """Pin what was fetched, and unpin the oldest where all of that takes too much; return whether something was unpinned."""
    pin = Pin(str(wish.image.archive), wish.catalogue, wish.name, wish.version, str(wish.platform), FETCHED, home.time)
    with home.trust.write() as connection:
        put_pin(connection, pin)
        fetched = [entry for entry in list_pins(connection) if entry.reason == FETCHED]
    with home.index.read() as index:
        sizes = {entry.archive: _size_of(index, entry) for entry in fetched}
    total, old = sum(sizes.values()), []
    for entry in fetched:
        if total > MAX_FETCHED_SIZE and entry.archive != pin.archive:
            total -= sizes[entry.archive]
            old.append(entry.archive)
    if old:
        with home.trust.write() as connection:
            for archive in old:
                delete_pin(connection, archive)
    return bool(old)


def unpin_fetched(home: Home, archive_cid: Cid) -> None:
    """Unpin an archive if it was fetched for clients; a pin for another reason stays."""
    with home.trust.write() as connection:
        if any(pin.archive == str(archive_cid) and pin.reason == FETCHED for pin in list_pins(connection)):
            delete_pin(connection, str(archive_cid))


def _size_of(connection: Connection, pin: Pin) -> int:
    """Return the size that the catalogue states from which it was fetched: what others say of it does not count."""
    archive_cid = parse_cid(pin.archive)
    sizes = [
        image.size
        for _, release in find_archive(connection, archive_cid, catalogue=pin.catalogue)
        for image in release.images.values()
        if image.archive == archive_cid
    ]
    return max(sizes, default=0)
