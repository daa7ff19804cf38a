"""``dcat pin`` and ``dcat unpin``: hold the bytes of releases here and help to distribute them, or let go of them."""

from dataclasses import dataclass
from datetime import timedelta

from catalog.delivery import Delivered, explain_absence, fetch_archive, open_store
from catalog.errors import UnavailableError
from catalog.home.home import Home
from catalog.image.reader import read_archive
from catalog.lookup.locate import Resolved, open_lookup
from catalog.model.platform import Platform
from catalog.model.reference import parse_reference
from catalog.model.release import Image, format_time
from catalog.progress import Progress, silent
from catalog.sources.network import Network
from catalog.trust.store import Pin, delete_pin, list_pins, put_pin


@dataclass(frozen=True, slots=True)
class Pinned:
    """A release's image that is held here now, and what had to be fetched for it."""

    resolved: Resolved
    platform: Platform
    image: Image
    fetched: Delivered


@dataclass(frozen=True, slots=True)
class Unpinned:
    """What is held no longer; the bytes go with the next gc, unless the own catalogue keeps them."""

    pins: tuple[Pin, ...]


def pin(home: Home, reference: str, *, platform: Platform, network: Network, progress: Progress = silent) -> Pinned:
    """Hold the image for ``platform`` of a release here, whole; what is not here is fetched first."""
    with open_lookup(home.path) as lookup:
        resolved = lookup.resolve(parse_reference(reference), now=home.now, platform=platform)
    image, held_platform = resolved.image, resolved.platform or platform
    assert image is not None
    store = open_store(home, network)
    with home.lease(f"pin {reference}"):
        try:
            fetched = fetch_archive(
                home, read_archive(image.archive, store), store, progress=progress, catalogue=resolved.catalogue.catalogue
            )
        except UnavailableError as error:
            raise explain_absence(error, reference, network) from error
        release = resolved.release
        entry = Pin(
            str(image.archive),
            resolved.catalogue.catalogue,
            release.name,
            release.version,
            str(held_platform),
            "pinned",
            home.time,
        )
        with home.trust.write() as connection:
            put_pin(connection, entry)
    return Pinned(resolved, held_platform, image, fetched)


def unpin(home: Home, reference: str, platform: Platform | None = None) -> Unpinned:
    """Let go of a release's images (of one ``platform``, where given); what is not held is no error."""
    with open_lookup(home.path) as lookup:
        resolved = lookup.resolve(parse_reference(reference), now=home.now, platform=platform)
    images = {str(resolved.image.archive)} if resolved.image else {str(image.archive) for image in resolved.release.images.values()}
    with home.trust.write() as connection:
        held = [entry for entry in list_pins(connection) if entry.archive in images]
        for entry in held:
            delete_pin(connection, entry.archive)
    return Unpinned(tuple(held))


def unpin_older(home: Home, age: timedelta) -> Unpinned:
    """Let go of all that is held for longer than ``age``."""
    with home.trust.write() as connection:
        held = list_pins(connection, before=format_time(home.now - age))
        for entry in held:
            delete_pin(connection, entry.archive)
    return Unpinned(tuple(held))
