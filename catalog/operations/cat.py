"""Write one file of an image without loading it, fetching only the blocks that hold it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from catalog.delivery.archive import explain_absence
from catalog.delivery.contents import fetch_image_files
from catalog.errors import InvalidReferenceError, UnavailableError
from catalog.home.home import Home
from catalog.index.entry import IndexedRelease
from catalog.lookup.locate import open_lookup
from catalog.model.platform import Platform
from catalog.progress import Progress, silent
from catalog.sources.network import Network

_SCHEME = "ipfs://"


@dataclass(frozen=True, slots=True)
class OpenedFile:
    """A file of an image; ``pieces`` are its verified bytes, to be read while the context lasts."""

    entry: IndexedRelease
    platform: Platform
    path: str
    size: int
    pieces: Iterator[bytes]


def split_place(text: str) -> tuple[str, str]:
    """Split ``REF:/path``; raise `InvalidReferenceError` for a text without a path."""
    begin = len(_SCHEME) if text.startswith(_SCHEME) else 0
    at = text.find(":/", begin)
    if at <= begin:
        raise InvalidReferenceError(
            f'"{text[:200]}" names no file', why="a file of an image reads REF:/path", hint="web@1.0:/etc/os-release"
        )
    return text[:at], text[at + 1 :]


@contextmanager
def open_file(home: Home, place: str, *, platform: Platform, network: Network, progress: Progress = silent) -> Iterator[OpenedFile]:
    """Open the file that ``REF:/path`` names, links followed.

    Raise `PathNotFoundError` where there is none or it has no content, and what resolving and fetching raise.
    """
    reference, path = split_place(place)
    with open_lookup(home.path) as lookup:
        resolved = lookup.resolve(reference, now=home.now, platform=platform)
    image = resolved.image
    assert image is not None
    with home.reading(f"cat {reference}"):
        try:
            files = fetch_image_files(home, image, network, progress=progress, catalogue=resolved.catalogue.catalogue)
            node = files.find(path)
            entry = IndexedRelease(resolved.catalogue, resolved.release)
            yield OpenedFile(entry, resolved.platform or platform, node.path, files.size(node), files.read(node))
        except UnavailableError as error:
            raise explain_absence(error, reference, network) from error
