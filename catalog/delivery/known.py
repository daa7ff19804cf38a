"""Images that an archive could be made from: those of its names and platforms, in every catalogue that this home shows."""

from dataclasses import replace

from catalog.delivery.choosing import KnownImage
from catalog.home import Home
from catalog.index.releases import find_archive, list_releases
from catalog.index.subscriptions import list_catalogues
from catalog.ipld.cid import Cid
from catalog.limits import MAX_DELTA_CANDIDATES


def find_known(home: Home, archive_cid: Cid) -> list[KnownImage]:
    """Give the images of the names and platforms that an archive is released under, in whatever catalogue of this home."""
    found: dict[Cid, KnownImage] = {}
    with home.index.read() as connection:
        wanted = {
            (release.name, platform)
            for _, release in find_archive(connection, archive_cid)
            for platform, image in release.images.items()
            if image.archive == archive_cid
        }
        catalogues = [row.catalogue for row in list_catalogues(connection)] if wanted else []
        for name, platform in sorted(wanted):
            for catalogue in catalogues:
                for release in list_releases(connection, catalogue, name, limit=MAX_DELTA_CANDIDATES):
                    image = release.images.get(platform)
                    if image is None:
                        continue
                    before = found.get(image.archive)
                    if before is not None:
                        image = replace(image, deltas={**before.image.deltas, **image.deltas})
                    found[image.archive] = KnownImage(before.version if before else release.version, image)
    return list(found.values()) if len(found) > 1 else []
