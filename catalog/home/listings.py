"""A cache of the listings of layers; the least recently used are deleted to keep its size bounded.

    <home>/files/<layer CID>.files

A file appears whole or not at all, also after a crash. All of them can be made again, and none is made in a home that is read-only.
"""

import os
from contextlib import suppress
from pathlib import Path

from catalog.home.home import Home
from catalog.ipld.cid import Cid, convert_to_v1
from catalog.limits import MAX_LISTING_CACHE, MAX_LISTING_SIZE
from catalog.rootfs.listing import LayerListing, decode_listing, encode_listing
from catalog.storage.files import make_directory, replace_file

LISTINGS_DIRECTORY = "files"
_SUFFIX = ".files"


class ListingCache:
    """The listings in one directory. Several threads and processes may use it at the same time."""

    def __init__(self, directory: Path, *, read_only: bool = False, max_size: int = MAX_LISTING_CACHE) -> None:
        self._directory = directory
        self._read_only = read_only
        self._max_size = max_size

    def find(self, layer_cid: Cid) -> LayerListing | None:
        """Return the listing of a layer and mark it as used now; None if there is none that can be read."""
        path = self._path(layer_cid)
        try:
            with path.open("rb") as file:
                data = file.read(MAX_LISTING_SIZE + 1)
            with suppress(OSError):
                os.utime(path)
        except OSError:
            return None
        return decode_listing(data)

    def keep(self, layer_cid: Cid, listing: LayerListing) -> None:
        """Keep a listing; one that is not exact, and one for which there is no room, is not kept."""
        if self._read_only or not listing.exact:
            return
        data = encode_listing(listing)
        if len(data) > self._max_size // 4:
            return
        with suppress(OSError):  # a cache: without it the layer is listed again
            make_directory(self._directory)
            self._make_room(len(data))
            with replace_file(self._path(layer_cid), mode=0o600, label="listing") as file:
                file.write(data)

    def size(self) -> int:
        """Return the total size of all listings, in bytes."""
        return sum(size for _, size, _ in self._list())

    def _make_room(self, size: int) -> None:
        kept = sorted(self._list())
        total = size + sum(one for _, one, _ in kept)
        for _, one, path in kept:
            if total <= self._max_size:
                break
            path.unlink(missing_ok=True)
            total -= one

    def _list(self) -> list[tuple[float, int, Path]]:
        found = []
        for path in self._directory.glob(f"*{_SUFFIX}"):
            with suppress(FileNotFoundError):
                status = path.stat()
                found.append((status.st_mtime, status.st_size, path))
        return found

    def _path(self, layer_cid: Cid) -> Path:
        return self._directory / f"{convert_to_v1(layer_cid)}{_SUFFIX}"


def open_listing_cache(home: Home) -> ListingCache:
    """Return the home's cache; its directory is created with the first listing."""
    return ListingCache(home.path / LISTINGS_DIRECTORY, read_only=home.read_only)
