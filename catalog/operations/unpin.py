"""``dcat unpin``: let go of the bytes of releases; they stay in the index."""

from dataclasses import dataclass
from datetime import timedelta

from catalog.home.home import Home
from catalog.lookup.locate import open_lookup
from catalog.model.platform import Platform
from catalog.model.reference import parse_reference
from catalog.model.release import format_time
from catalog.trust.store import Pin, delete_pin, list_pins


@dataclass(frozen=True, slots=True)
class Unpinned:
    """The archives that are no longer held; their bytes go with the next gc, unless the own catalogue keeps them."""

    pins: tuple[Pin, ...]


def unpin(home: Home, reference: str, platform: Platform | None = None) -> Unpinned:
    """Let go of a release's images (of one ``platform``, if given); an image that is not held is no error."""
    with open_lookup(home.path) as lookup:
        resolved = lookup.resolve(parse_reference(reference), now=home.now, platform=platform)
    images = {str(resolved.image.archive)} if resolved.image else {str(image.archive) for image in resolved.release.images.values()}
    with home.trust.write() as connection:
        held = [entry for entry in list_pins(connection) if entry.archive in images]
        for entry in held:
            delete_pin(connection, entry.archive)
    return Unpinned(tuple(held))


def unpin_older(home: Home, age: timedelta) -> Unpinned:
    """Let go of every image that is held for longer than ``age``."""
    with home.trust.write() as connection:
        held = list_pins(connection, before=format_time(home.now - age))
        for entry in held:
            delete_pin(connection, entry.archive)
    return Unpinned(tuple(held))
