"""``dcat pull --locked``: the metadata of the platforms that are not pulled, so that `dcat serve` answers the index of all."""

from catalog.delivery.metadata import fetch_images_metadata
from catalog.home.home import Home
from catalog.home.naming import reference_of
from catalog.lookup.locate import open_lookup
from catalog.model.lock import LockedRelease
from catalog.sources.network import Network


def fetch_metadata(home: Home, locked: LockedRelease, network: Network) -> None:
    """Fetch the metadata of every image of a locked release that is not here: two blocks an image, and no layer.

    `gc` keeps it as long as one of the images is kept. Raise `UnavailableError`, `VerificationError`, and what resolving raises.
    """
    with open_lookup(home.path) as lookup:
        reference = reference_of(lookup, locked.catalogue, locked.reference)
        release = lookup.resolve(reference, now=home.now).release
    images = {platform: image for platform, image in release.images.items() if platform in locked.images}
    fetch_images_metadata(home, network, locked.catalogue, reference, images)
