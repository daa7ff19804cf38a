"""Images that an archive could be made from: those of its names and platforms, in every catalogue that this home shows."""

from dataclasses import replace

from catalog.delta.policy import KnownImage
from catalog.home.home import Home
from catalog.ipld.cid import Cid
from catalog.limits import MAX_DELTA_CANDIDATES
from catalog.lookup.view import open_view


def find_known(home: Home, archive_cid: Cid) -> list[KnownImage]:
    """Give the images of the names and platforms that an archive is released under, in whatever catalogue of this home."""
    found: dict[Cid, KnownImage] = {}
    with open_view(home.path) as view:
        wanted = {
            (release.name, platform)
            for release in (row.release for _, row in view.holding("archive", archive_cid.digest))
            for platform, image in release.images.items()
            if image.archive == archive_cid
        }
        catalogues = [row.catalogue for row in view.catalogues()] if wanted else []
        for name, platform in sorted(wanted):
            for catalogue in catalogues:
                for row in view.releases(catalogue, name, MAX_DELTA_CANDIDATES):
                    release = row.release
                    image = release.images.get(platform)
                    if image is None:
                        continue
                    before = found.get(image.archive)
                    if before is not None:
                        image = replace(image, deltas={**before.image.deltas, **image.deltas})
                    found[image.archive] = KnownImage(before.version if before else release.version, image)
    return list(found.values()) if len(found) > 1 else []
