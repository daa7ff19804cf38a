"""Images that an archive could be rebuilt from: the others of its names and platforms, catalogue by catalogue."""

from dataclasses import dataclass

from catalog.delta.policy import KnownImage
from catalog.home.home import Home
from catalog.ipld.cid import Cid
from catalog.limits import MAX_DELTA_CANDIDATES
from catalog.lookup.contents import holding
from catalog.lookup.opening import open_view
from catalog.lookup.releases import newest_releases


@dataclass(frozen=True, slots=True)
class Lineage:
    """The images that one catalogue released under the names and platforms of an archive, that archive among them.

    What one catalogue states about deltas says nothing about the images of another one, so they are never mixed.
    """

    catalogue: str
    images: tuple[KnownImage, ...]


def find_lineages(home: Home, archive_cid: Cid, catalogue: str | None = None) -> list[Lineage]:
    """Return the lineages of an archive that hold other images too: of ``catalogue``, or of every catalogue that releases it.

    The own catalogue is first, the others follow in the order of subscription.
    """
    with open_view(home.path) as view:
        targets: dict[str, set[tuple[str, str]]] = {}
        for held in holding(view, "archive", archive_cid.digest):
            if catalogue in (None, held.catalogue):
                targets.setdefault(held.catalogue, set()).add((held.name, held.platform))
        lineages = []
        for shown in view.catalogues():
            images: dict[Cid, KnownImage] = {}
            for name, platform in sorted(targets.get(shown.catalogue, ())):
                for row in newest_releases(view, shown.catalogue, name, MAX_DELTA_CANDIDATES):
                    release = row.release
                    for released, image in release.images.items():
                        if str(released) == platform:
                            images.setdefault(image.archive, KnownImage(release.version, image))
            if len(images) > 1:
                lineages.append(Lineage(shown.catalogue, tuple(images.values())))
    return lineages
