"""``dcat import``: read a bundle: records and indexes of followed catalogues, and images of releases. Without any network."""

from collections.abc import Iterator
from dataclasses import dataclass

from catalog.delivery import Delivered, fetch_image, open_store, peek_archive
from catalog.errors import ArchiveError, CatalogueNotFoundError, DcatError, UnavailableError, VerificationError
from catalog.followed.checking import RecordCheck, ask_for_record
from catalog.followed.updating import Update, update_one
from catalog.home.home import Home
from catalog.image.reader import ArchiveView, check_listed_archive
from catalog.index.entry import qualify
from catalog.index.releases import find_archive
from catalog.index.subscriptions import get_catalogue
from catalog.ipld.cid import Cid
from catalog.ipns.name import parse_ipns_name
from catalog.model.platform import Platform
from catalog.model.release import IMAGE_FORMAT, Image, Release
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
    Raise `UnavailableError` where an image is incomplete although its root is in the file, `CatalogueNotFoundError` where the file
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
            brought, described = _import_archive(home, store, bundle, known, progress)
            blocks, size = blocks + brought.need.missing_blocks, size + brought.need.missing
            _hold(home, described[0])
            images += [ImportedImage(entry.catalogue, entry.reference, entry.platform, archive) for entry in described]
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


@dataclass(frozen=True, slots=True)
class _Listed:
    """An image of a release that lists an archive of the bundle, perhaps falsely."""

    catalogue: str
    reference: str
    release: Release
    platform: Platform
    image: Image


def _releases(home: Home, archive: Cid) -> Iterator[_Listed]:
    with home.index.read() as connection:
        found = find_archive(connection, archive)
        rows = {catalogue: get_catalogue(connection, catalogue) for catalogue, _ in found}
    for catalogue, release in found:
        for platform, image in release.images.items():
            if image.archive.digest == archive.digest:
                yield _Listed(catalogue, qualify(rows[catalogue], release.reference), release, platform, image)


def _import_archive(
    home: Home, store: FetchingBlockstore, bundle: BundleSource, known: list[_Listed], progress: Progress
) -> tuple[Delivered, list[_Listed]]:
    """Import an archive; return what was brought, and the releases whose lines describe it.

    One catalogue's false line about an archive must not keep another one's release out: what the lines meet is raised only where
    none describes the archive.
    """
    readable = [entry for entry in known if entry.image.format == IMAGE_FORMAT]
    try:
        view = peek_archive(known[0].image.archive, store) if readable else None
    except (VerificationError, UnavailableError):
        view = None  # the fetch says what is wrong with it
    described = readable if view is None else [entry for entry in readable if _describes(entry, view)]
    others = [entry for entry in known if entry.image.format != IMAGE_FORMAT] if view is None else []
    first = described[0] if described else max(others or readable, key=lambda entry: entry.image.size)
    return _fetch(home, store, bundle, first, progress), described or others


def _describes(listed: _Listed, view: ArchiveView) -> bool:
    try:
        check_listed_archive(view, listed.image, listed.platform)
    except ArchiveError:
        return False
    return True


def _fetch(home: Home, store: FetchingBlockstore, bundle: BundleSource, listed: _Listed, progress: Progress) -> Delivered:
    progress(Step("phase", f"Importing {listed.reference}"))
    try:
        return fetch_image(home, listed.image, listed.platform, store, progress)
    except UnavailableError as error:
        counts_on = ", ".join(str(cid) for cid in bundle.manifest.since)
        raise UnavailableError(
            f"{bundle.name} does not hold all of {listed.reference}",
            why=f"it counts on images being here that are not: {counts_on}" if counts_on else error.why,
            hint="import the bundle before it first" if counts_on else "",
        ) from error


def _hold(home: Home, listed: _Listed) -> None:
    release = listed.release
    archive = str(listed.image.archive)
    pin = Pin(archive, listed.catalogue, release.name, release.version, str(listed.platform), "pulled", home.time)
    with home.trust.write() as connection:
        put_pin(connection, pin)
