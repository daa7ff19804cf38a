"""Fetching an image for whoever looks at a page: only where the server may (``serve --fetch``), and only when asked to.

A page that lacks an image links itself with ``fetch=yes``. The image is brought whole, by delta where an older one is held, under
the bounds of all that clients have fetched (docs/safety.md, E8).
"""

from catalog.blockstores.holding import is_whole
from catalog.errors import LockedError
from catalog.index.catalogue import CatalogueRow
from catalog.model.platform import Platform
from catalog.model.release import Release
from catalog.server.feeding.job import FeederBusyError, Wish
from catalog.server.pages.visit import Visit

_PATIENCE = 10.0  # seconds that a page waits for an image


class StillFetchingError(LockedError):
    """The image is on its way, or others are."""

    def __init__(self, reference: str) -> None:
        super().__init__(
            f"{reference} is not here yet", why="it is being fetched, or waits for others", hint="Open this page again in a moment."
        )


def can_fetch(visit: Visit, row: CatalogueRow) -> bool:
    """Return whether this server fetches images of a catalogue for its clients."""
    return visit.feeder is not None and not row.own


def fetch_if_asked(visit: Visit, row: CatalogueRow, release: Release, platform: Platform) -> bool:
    """Fetch an image if the query asks for it; return whether that failed. Raise `StillFetchingError` where it takes longer."""
    if visit.feeder is None or row.own or visit.query.get("fetch") != "yes":
        return False
    image = release.images[platform]
    if is_whole(image.archive, visit.home.blocks):
        return False
    wish = Wish(row.catalogue, release.name, release.version, platform, image)
    try:
        return not visit.feeder.bring(wish, _PATIENCE, visit.stopped)
    except FeederBusyError as error:
        raise StillFetchingError(release.reference) from error
