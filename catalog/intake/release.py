"""Images from IPFS, without an engine: those of a known release (``publish --copy``), or an export that somebody added to IPFS
(``publish --from ipfs://…``).
"""

import io
from collections.abc import Iterator
from contextlib import closing
from typing import BinaryIO, cast

from catalog.delivery import fetch_archive, open_archive
from catalog.errors import PlatformNotFoundError
from catalog.home.home import Home
from catalog.image.dag import ChunkSink, StoredArchive, StoredLayer
from catalog.image.reader import ArchiveView, write_tar
from catalog.intake.intake import StreamSource, TakenImage, Wanted
from catalog.ipld.cid import Cid
from catalog.model.platform import Platform
from catalog.model.release import Image, Release
from catalog.progress import Progress, Step
from catalog.sources.store import FetchingBlockstore
from catalog.unixfs.file import read_file, read_file_size


class ReleaseSource:
    """The images of a release, from a store with sources behind it. The archives keep their CIDs.

    An archive is read as a whole before it is taken: its metadata must be canonical, and every layer must match its diffID.
    """

    def __init__(self, home: Home, reference: str, release: Release, store: FetchingBlockstore) -> None:
        self._home = home
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
        fetch_archive(self._home, view, self._store, progress=progress)
        done = 0
        for piece in write_tar(view, self._store):
            done += len(piece)
            progress(Step("total", "checked", done, view.unpacked))
        return TakenImage(_stored(view, self._store), view.image, image.registry)


def added_source(archive_cid: Cid, store: FetchingBlockstore) -> StreamSource:
    """Return the source for an export that was added to IPFS: any UnixFS file, however chunked, is read like a file on disk."""

    def open_stream() -> closing[BinaryIO]:
        reader = io.BufferedReader(_Pieces(read_file(archive_cid, store)), 1 << 20)
        return closing(cast(BinaryIO, reader))

    return StreamSource(f"ipfs://{archive_cid}", open_stream, read_file_size(archive_cid, store))


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
        platform=view.image.platform,
    )
