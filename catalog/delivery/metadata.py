"""The metadata of several images of a release, without their layers: what the index of them is made of."""

from collections.abc import Mapping

from catalog.delivery.archive import open_archive, open_store
from catalog.home.home import Home
from catalog.model.platform import Platform
from catalog.model.release import Image
from catalog.sources.network import Network


def fetch_images_metadata(home: Home, network: Network, catalogue: str, label: str, images: Mapping[Platform, Image]) -> None:
    """Fetch the metadata of images that is not here: two blocks an image. ``label`` names the release to other commands.

    Raise `UnavailableError`, `VerificationError`.
    """
    store = open_store(home, network, catalogue)
    with home.lease(f"metadata of {label}"):
        for platform in sorted(images):
            open_archive(images[platform], platform, store)
