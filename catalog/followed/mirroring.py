"""Mirroring a followed catalogue: every image of it is kept here and offered on."""

from dataclasses import dataclass

from catalog.delivery import fetch_image, open_store
from catalog.errors import CatalogueNotFoundError, DcatError
from catalog.followed.directories import fetch_directories
from catalog.home.home import Home
from catalog.index.releases import list_names, list_releases
from catalog.index.subscriptions import get_catalogue
from catalog.ipld.cid import parse_cid
from catalog.model.platform import Platform
from catalog.model.release import Image, Release
from catalog.progress import Progress, Step
from catalog.snapshot.reader import open_snapshot
from catalog.sources.network import Network
from catalog.sources.store import FetchingBlockstore
from catalog.trust.store import Pin, put_pin

_PAGE = 200


@dataclass(frozen=True, slots=True)
class Mirrored:
    """The result of a mirror: archives, bytes fetched, and the releases that could not be fetched, with the reason."""

    alias: str
    archives: int
    fetched: int
    failures: tuple[tuple[str, DcatError], ...]


def mirror_catalogue(home: Home, network: Network, catalogue: str, alias: str, *, progress: Progress) -> Mirrored:
    """Fetch and pin all archives of a followed catalogue; one that cannot be fetched does not stop the others."""
    store = open_store(home, network, catalogue)
    archives = fetched = 0
    failures: list[tuple[str, DcatError]] = []
    with home.lease(f"mirror {alias}"):
        for release in _releases(home, catalogue):
            for platform, image in release.images.items():
                archives += 1
                try:
                    fetched += _hold(home, store, catalogue, release, platform, image, progress)
                except DcatError as error:
                    failures.append((f"{alias}/{release.reference}", error))
        try:
            fetched += _hold_directories(home, store, catalogue)
        except DcatError as error:
            failures.append((f"the directory of images of {alias}", error))
    return Mirrored(alias, archives, fetched, tuple(failures))


def _releases(home: Home, catalogue: str) -> list[Release]:
    """Return all releases with images, the oldest of each name first: deltas lead from older to newer ones."""
    found: list[Release] = []
    after = ("", "")
    with home.index.read() as connection:
        while page := list_names(connection, catalogue=catalogue, after=after, limit=_PAGE):
            for entry in page:
                before: str | None = None
                versions: list[Release] = []
                while some := list_releases(connection, catalogue, entry.name, before=before, limit=_PAGE):
                    versions += [release for release in some if release.images]
                    before = some[-1].version
                found += reversed(versions)
            after = (page[-1].name, page[-1].catalogue)
    return found


def _hold(
    home: Home,
    store: FetchingBlockstore,
    catalogue: str,
    release: Release,
    platform: Platform,
    image: Image,
    progress: Progress,
) -> int:
    progress(Step("phase", f"Mirroring {release.reference} ({platform})"))
    fetched = fetch_image(home, image, platform, store, progress, catalogue=catalogue)
    pin = Pin(str(image.archive), catalogue, release.name, release.version, str(platform), "mirrored", home.time)
    with home.trust.write() as connection:
        put_pin(connection, pin)
    return fetched.size


def _hold_directories(home: Home, store: FetchingBlockstore, catalogue: str) -> int:
    """Fetch the directory nodes of ``images/``, so that this home serves the archives by their paths."""
    with home.index.read() as connection:
        root = get_catalogue(connection, catalogue).root
    if root is None:
        raise CatalogueNotFoundError(f"{catalogue} was never synced")
    store.expect([parse_cid(root)])
    images = open_snapshot(parse_cid(root), store).images
    return fetch_directories(home, store, catalogue, images.cid)
