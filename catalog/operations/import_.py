"""``dcat import``: read a bundle: records and indexes of followed catalogues, and images of releases. Without any network."""

from collections.abc import Iterator
from dataclasses import dataclass

from catalog.delivery import fetch_image, open_store
from catalog.errors import CatalogueNotFoundError, DcatError, UnavailableError
from catalog.followed.checking import RecordCheck, ask_for_record
from catalog.followed.updating import Update, update_one
from catalog.home.home import Home
from catalog.index.entry import qualify
from catalog.index.releases import find_archive
from catalog.index.subscriptions import get_catalogue
from catalog.ipld.cid import Cid
from catalog.ipns.name import parse_ipns_name
from catalog.model.platform import Platform
from catalog.model.release import Image, Release
from catalog.progress import Progress, Step, silent
from catalog.sources.bundle import BundleSource
from catalog.sources.network import NO_NETWORK, with_bundle
from catalog.sources.store import FetchingBlockstore
from catalog.trust.ownership import list_subscriptions
from catalog.trust.store import Pin, put_pin


@dataclass(frozen=True, slots=True)
class ImportedImage:
    """The image of a release that is complete here now; ``reference`` is how the release is reached from this home."""

    catalogue: str
    reference: str
    platform: Platform
    archive: Cid


@dataclass(frozen=True, slots=True)
class Imported:
    """What was imported from a bundle.

    ``unknown`` are catalogues in it that are not followed here, ``strangers`` archives of no known release; nothing of either was
    kept. ``older`` are followed catalogues whose record here is newer than the file's: the images are kept, the index is not.
    """

    updates: tuple[Update, ...]
    images: tuple[ImportedImage, ...]
    blocks: int
    size: int
    unknown: tuple[str, ...]
    strangers: tuple[Cid, ...]
    older: tuple[Update, ...] = ()

    @property
    def first_error(self) -> DcatError | None:
        """The failure that a command ends with; an old file is a failure only where nothing was imported from it."""
        updates = self.updates if self.images or self.updates else self.older
        return next((update.error for update in updates if update.error is not None), None)


def import_bundle(home: Home, bundle: BundleSource, *, progress: Progress = silent) -> Imported:
    """Import what a bundle holds of the own catalogue and of followed ones; every block is verified as it is read.

    Its records are judged like those of any source: an older one changes nothing. Images of known releases are kept and held.
    Raises `UnavailableError` where an image is incomplete although its root is in the file, `CatalogueNotFoundError` where the file
    has nothing of a catalogue that this home knows.
    """
    with home.trust.read() as connection:
        followed = {entry.catalogue: entry for entry in list_subscriptions(connection)}
    own = home.own_catalogue()
    network = with_bundle(NO_NETWORK, bundle)
    updates: list[Update] = []
    older: list[Update] = []
    for catalogue in bundle.records:
        if catalogue in followed:
            check = ask_for_record(home, network, parse_ipns_name(catalogue))
            update = update_one(home, network, check, followed[catalogue].alias, progress=progress)
            (older if _is_older(check) else updates).append(update)
    unknown = tuple(name for name in bundle.records if name not in followed and name != own)
    store = open_store(home, network)
    images: list[ImportedImage] = []
    strangers: list[Cid] = []
    blocks = size = 0
    with home.lease("import"):
        for archive in bundle.manifest.roots:
            known = list(_releases(home, archive))
            if not known:
                strangers.append(archive)
                continue
            brought = _fetch(home, store, bundle, known[0][2], known[0][1][1], known[0][0][1], progress)
            blocks, size = blocks + brought[0], size + brought[1]
            for (catalogue, reference), (release, platform), image in known:
                _hold(home, catalogue, release, platform, image)
                images.append(ImportedImage(catalogue, reference, platform, archive))
    if not (updates or older or images) and (unknown or strangers):
        raise CatalogueNotFoundError(
            f"nothing in {bundle.name} is of a catalogue that is followed here",
            why=f"it holds {', '.join(unknown)}" if unknown else f"its {len(strangers)} images are of no known release",
            hint="subscribe to the catalogue first, with the file as its source" if unknown else "sync its catalogue first",
        )
    return Imported(tuple(updates), tuple(images), blocks, size, unknown, tuple(strangers), tuple(older))


def _is_older(check: RecordCheck) -> bool:
    """Return whether the file's record is older than the one that was accepted here."""
    sequences = [seen.sequence for seen in check.sightings if seen.sequence is not None]
    return check.stored is not None and bool(sequences) and max(sequences) < check.stored.floor.sequence


def _releases(home: Home, archive: Cid) -> Iterator[tuple[tuple[str, str], tuple[Release, Platform], Image]]:
    with home.index.read() as connection:
        found = find_archive(connection, archive)
        rows = {catalogue: get_catalogue(connection, catalogue) for catalogue, _ in found}
    for catalogue, release in found:
        for platform, image in release.images.items():
            if image.archive.digest == archive.digest:
                yield (catalogue, qualify(rows[catalogue], release.reference)), (release, platform), image


def _fetch(
    home: Home,
    store: FetchingBlockstore,
    bundle: BundleSource,
    image: Image,
    platform: Platform,
    reference: str,
    progress: Progress,
) -> tuple[int, int]:
    progress(Step("phase", f"Importing {reference}"))
    try:
        fetched = fetch_image(home, image, platform, store, progress)
    except UnavailableError as error:
        counts_on = ", ".join(str(cid) for cid in bundle.manifest.since)
        raise UnavailableError(
            f"{bundle.name} does not hold all of {reference}",
            why=f"it counts on images being here that are not: {counts_on}" if counts_on else error.why,
            hint="import the bundle before it first" if counts_on else "",
        ) from error
    return fetched.need.missing_blocks, fetched.need.missing


def _hold(home: Home, catalogue: str, release: Release, platform: Platform, image: Image) -> None:
    pin = Pin(str(image.archive), catalogue, release.name, release.version, str(platform), "pulled", home.time)
    with home.trust.write() as connection:
        put_pin(connection, pin)
