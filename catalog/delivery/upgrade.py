"""An upgrade: from an image that is held to another one by the first delta that works."""

from collections.abc import Callable, Iterator

from catalog.delivery.offers import Offer, PlannedDelta, TakenDelta, find_offers
from catalog.errors import EncoderError
from catalog.home.home import Home
from catalog.image.encoder import check_encoder
from catalog.image.reader import ArchiveView
from catalog.progress import Progress, Step
from catalog.sources.store import FetchingBlockstore


def plan_upgrade(
    home: Home, store: FetchingBlockstore, view: ArchiveView, missing: int, progress: Progress, catalogue: str | None = None
) -> PlannedDelta | None:
    """Return what `take_upgrade` would take in place of ``missing`` bytes of blocks, or None."""
    offers = find_offers(home, store, view, missing, lambda: missing, catalogue)
    return next(filter(None, (offer.plan() for offer in _usable(offers, progress))), None)


def take_upgrade(
    home: Home,
    store: FetchingBlockstore,
    view: ArchiveView,
    missing: int,
    count_missing: Callable[[], int],
    progress: Progress,
    catalogue: str | None = None,
) -> TakenDelta | None:
    """Rebuild what can be rebuilt of an archive by a delta; return None where no offer is worth it.

    ``missing`` is what blocks would cost at most, ``count_missing`` returns that exactly.
    """
    offers = find_offers(home, store, view, missing, count_missing, catalogue)
    return next(filter(None, (offer.take(progress) for offer in _usable(offers, progress))), None)


def _usable(offers: Iterator[Offer], progress: Progress) -> Iterator[Offer]:
    """Yield the offers, unless this machine's encoder makes other frames: what it rebuilds would have other CIDs."""
    for number, offer in enumerate(offers):
        if number == 0:
            try:
                check_encoder()
            except EncoderError as error:
                progress(Step("warning", f"no delta can be used: {error.message}; blocks are fetched instead"))
                return
        yield offer
