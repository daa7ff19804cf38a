"""Images from IPFS, without an engine: those of a known release (``publish --copy``), or an export that somebody added to IPFS
(``publish --from ipfs://…``).
"""

import io
from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import islice
from typing import BinaryIO, Final, cast
from urllib.parse import unquote

from catalog.delivery import fetch_archive, open_archive
from catalog.errors import AmbiguousReferenceError, NotFoundError, PlatformNotFoundError
from catalog.home.home import Home
from catalog.image.dag import ChunkSink, StoredArchive, StoredLayer
from catalog.image.layout import OpenMember
from catalog.image.reader import ArchiveView, write_tar
from catalog.image.tar import normalise_name
from catalog.intake.intake import ImageSource, TakenImage, Wanted
from catalog.intake.sources import LayoutSource, StreamSource
from catalog.ipld.cid import Cid
from catalog.model.platform import Platform
from catalog.model.release import Image, Release
from catalog.progress import Progress, Step
from catalog.sources.store import FetchingBlockstore
from catalog.unixfs.directory import find_entry, is_directory, list_directory
from catalog.unixfs.file_reader import read_file, read_file_size

_LISTED: Final = 8  # names of a directory that a message lists
_MAX_WRAPPERS: Final = 4


class ReleaseSource:
    """The images of a release of ``catalogue``, from a store with sources behind it. The archives keep their CIDs.

    An archive is read as a whole before it is taken: its metadata must be canonical, and every layer must match its diffID.
    """

    def __init__(self, home: Home, reference: str, release: Release, store: FetchingBlockstore, catalogue: str) -> None:
        self._home = home
        self._catalogue = catalogue
        self._reference = reference
        self._release = release
        self._store = store

    def take(self, wanted: Wanted, sink: ChunkSink, progress: Progress) -> list[TakenImage]:  # noqa: ARG002
        """Fetch what is missing of each wanted image and check it; its blocks are stored then, and ``sink`` gets none.

        Without a platform in ``wanted`` the host's is taken, or the single one of the release.
        """
        return [self._take(platform, self._release.images[platform], progress) for platform in self._choose(wanted)]

    def _choose(self, wanted: Wanted) -> list[Platform]:
        there = sorted(self._release.images)
        if wanted.all_platforms or (not wanted.platforms and len(there) == 1):
            return there
        chosen = list(wanted.platforms) or [wanted.host]
        for platform in chosen:
            if platform not in self._release.images:
                known = [str(other) for other in there]
                raise PlatformNotFoundError(
                    f"{self._reference} has no image for {platform}", why=f"it has {', '.join(known) or 'none'}", nearest=known
                )
        return chosen

    def _take(self, platform: Platform, image: Image, progress: Progress) -> TakenImage:
        progress(Step("phase", f"Copying {self._reference} ({platform})"))
        view = open_archive(image, platform, self._store)
        fetch_archive(self._home, view, self._store, progress=progress, catalogue=self._catalogue)
        done = 0
        for piece in write_tar(view, self._store):
            done += len(piece)
            progress(Step("total", "checked", done, view.unpacked))
        return TakenImage(_stored(view, self._store), view.image, platform, image.registry)


def added_source(cid: Cid, path: Sequence[str], store: FetchingBlockstore) -> ImageSource:
    """Return the source for an export or an OCI layout that was added to IPFS: what ``path`` leads to from ``cid``.

    Any UnixFS file, however chunked, is read like a file on disk. A directory is an OCI layout, or holds one entry that counts in
    its place (``ipfs add -w``). Raise `NotFoundError` if the path leads nowhere, `AmbiguousReferenceError` for another directory.
    """
    label = "/".join((f"ipfs://{cid}", *path))
    for part in path:
        entry = find_entry(cid, part, store) or find_entry(cid, unquote(part), store)
        if entry is None:
            raise NotFoundError(f"{label} does not exist", why=f'there is no "{part}" in {cid}')
        cid = entry.cid
    for _ in range(_MAX_WRAPPERS):
        if not is_directory(cid, store.get(cid)):
            return _file_source(label, cid, store)
        entries = list(islice(list_directory(cid, store), _LISTED + 1))
        names = [entry.name for entry in entries]
        if {"index.json", "manifest.json"}.intersection(names):
            return LayoutSource(label, _open_in_directory(cid, store))
        if len(entries) != 1:
            shown = ", ".join(name[:100] for name in names[:_LISTED]) or "nothing"
            raise AmbiguousReferenceError(
                f"{label} is a directory and not an OCI layout",
                why=f"it holds {shown}",
                hint="add the name of the export: ipfs://CID/NAME",
            )
        cid = entries[0].cid
    raise AmbiguousReferenceError(f"{label} is a directory in more than {_MAX_WRAPPERS} directories")


def _file_source(label: str, cid: Cid, store: FetchingBlockstore) -> StreamSource:
    return StreamSource(label, lambda: closing(_open_file(cid, store)), read_file_size(cid, store))


def _open_in_directory(root: Cid, store: FetchingBlockstore) -> OpenMember:
    """Return what opens the files of a UnixFS directory."""

    def open_member(name: str) -> tuple[BinaryIO, int] | None:
        cid = root
        for part in normalise_name(name).split("/"):
            if not is_directory(cid, store.get(cid)):
                return None
            entry = find_entry(cid, part, store)
            if entry is None:
                return None
            cid = entry.cid
        return None if is_directory(cid, store.get(cid)) else (_open_file(cid, store), read_file_size(cid, store))

    return open_member


def _open_file(cid: Cid, store: FetchingBlockstore) -> BinaryIO:
    return cast(BinaryIO, io.BufferedReader(_Pieces(read_file(cid, store)), 1 << 20))


class _Pieces(io.RawIOBase):
    """A readable stream over pieces of bytes."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        super().__init__()
        self._pieces = pieces
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        if not self._rest:
            self._rest = next((piece for piece in self._pieces if piece), b"")
        taken = min(len(buffer), len(self._rest))
        buffer[:taken] = self._rest[:taken]
        self._rest = self._rest[taken:]
        return taken


def _stored(view: ArchiveView, store: FetchingBlockstore) -> StoredArchive:
    links = dict(zip((layer.diff_id for layer in view.layers), view.links[1::2], strict=True))
    sizes = {layer.diff_id: layer.size for layer in view.layers}
    layers = tuple(
        StoredLayer(diff_id, sizes[diff_id], links[diff_id].cid, links[diff_id].file_size, links[diff_id].dag_size)
        for diff_id in view.image.diff_ids
    )
    return StoredArchive(
        archive=view.cid,
        config=view.config_digest,
        manifest=view.manifest_digest,
        size=view.size,
        unpacked=view.unpacked,
        dag_size=len(store.get(view.cid)) + sum(link.dag_size for link in view.links),
        layers=layers,
        created=view.image.created,
    )
