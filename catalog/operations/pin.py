"""``dcat pin``: hold the bytes of releases in this home, and help to distribute them."""

from dataclasses import dataclass

from catalog.delivery import Delivered, explain_absence, fetch_archive, open_archive, open_store
from catalog.errors import UnavailableError
from catalog.home.home import Home
from catalog.lookup.locate import Resolved, open_lookup
from catalog.model.platform import Platform
from catalog.model.reference import parse_reference
from catalog.model.release import Image
from catalog.progress import Progress, silent
from catalog.sources.network import NO_NETWORK, Network
from catalog.trust.store import Pin, put_pin


@dataclass(frozen=True, slots=True)
class Pinned:
    """The image of a release that is held now, and what had to be fetched for it."""

    resolved: Resolved
    platform: Platform
    image: Image
    fetched: Delivered


def pin(home: Home, reference: str, *, platform: Platform, network: Network = NO_NETWORK, progress: Progress = silent) -> Pinned:
    """Hold the whole image for ``platform`` of a release in this home; missing blocks are fetched first."""
    with open_lookup(home.path) as lookup:
        resolved = lookup.resolve(parse_reference(reference), now=home.now, platform=platform)
    image, held_platform = resolved.image, resolved.platform or platform
    assert image is not None
    store = open_store(home, network, resolved.catalogue.catalogue)
    with home.lease(f"pin {reference}"):
        try:
            fetched = fetch_archive(
                home,
                open_archive(image, held_platform, store),
                store,
                progress=progress,
                catalogue=resolved.catalogue.catalogue,
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
