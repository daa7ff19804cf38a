"""Blobs: configs, and layers in the encoding and the range that were asked for.

Ranges need care: clients count decoded bytes, so an encoded answer to a range breaks containerd and BuildKit. A range that begins
behind the first byte is 206 and never encoded; ``bytes=0-`` of a client that takes zstd is answered by the whole layer in zstd,
200, so that containerd's parallel mode falls back to one stream. A layer's content is compared with its diffID before its last
bytes leave, whatever its archive claims.
"""

from bisect import bisect_right
from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock

from catalog.errors import VerificationError
from catalog.image.encoder import frame_content_size, inflate_frame
from catalog.image.reader import ArchivedLayer, ArchiveView
from catalog.ipld.block import BlockSource
from catalog.ipld.cid import Cid
from catalog.limits import KIB
from catalog.model.digest import Digest
from catalog.model.platform import Platform
from catalog.model.release import Image
from catalog.server.registry.checking import LayerCheck
from catalog.server.registry.images import Images
from catalog.server.registry.names import HomeReleases, NamedRelease
from catalog.unixfs.file_reader import FileNodes, read_file_batches, split_batches

_MAX_KNOWN = 8192
_MAX_INDEXED = 256
_READ_AHEAD = 128 * KIB  # of a stream
_READ_AHEAD_IN_CROWD = 32 * KIB  # of each further stream once there are `_FEW_STREAMS`
_FEW_STREAMS = 16
_NODES_KEPT = 12  # decoding one takes as long as sending 4 MB
_STRIDE = 16  # frames between two entries of a layer's index


@dataclass(frozen=True, slots=True)
class Blob:
    """A config's bytes (``data``), or a layer of ``archive``."""

    digest: str
    size: int
    archive: Cid
    data: bytes | None = None
    layer: ArchivedLayer | None = None


class Blobs:
    """The blobs of a site. Thread-safe."""

    def __init__(self, releases: HomeReleases, images: Images, blocks: BlockSource) -> None:
        self._releases = releases
        self._images = images
        self._blocks = blocks
        self._lock = Lock()
        self._known: OrderedDict[tuple[str, str], Blob] = OrderedDict()
        self._indexes: OrderedDict[Cid, _LayerIndex] = OrderedDict()
        self._checks: OrderedDict[ArchivedLayer, LayerCheck] = OrderedDict()
        self._nodes = FileNodes(_NODES_KEPT)
        self._places = deque([None] * _FEW_STREAMS)  # free ones; unlike a lock, a generator can return its own when it is collected

    def note(self, name: str, view: ArchiveView) -> None:
        """Remember the blobs of an archive whose manifest was served under ``name``: they are asked for next."""
        blobs = [Blob(str(view.config_digest), len(view.config), view.cid, data=view.config)]
        blobs += [Blob(str(layer.diff_id), layer.size, view.cid, layer=layer) for layer in view.layers]
        with self._lock:
            for blob in blobs:
                self._known[name, blob.digest] = blob
                self._known.move_to_end((name, blob.digest))
            while len(self._known) > _MAX_KNOWN:
                self._known.popitem(last=False)

    def find(self, name: str, digest: Digest) -> Blob | None:
        """Return a blob of an image under ``name``; None where there is none that is held."""
        with self._lock:
            known = self._known.get((name, str(digest)))
        if known is not None:
            return known
        found = self._releases.find_image(name, digest)
        candidates = iter([found]) if found is not None else self._images_of(name)
        for _, platform, image in candidates:
            if not self._images.may_have(image, platform, digest.raw):
                continue
            view = self._images.find_held(image, platform)
            if view is not None:
                self.note(name, view)
                with self._lock:
                    return self._known.get((name, str(digest)))
        return None

    def read(self, blob: Blob) -> Iterator[Iterable[bytes]]:
        """Yield the content of a layer; its last piece only once all of it matched the diffID.

        Before it may come no pieces, so that the comparison can be left.
        """
        return self._read(blob, is_inflated=True)

    def read_stored(self, blob: Blob) -> Iterator[Iterable[bytes]]:
        """Yield the zstd frames of a layer, ``stored_size`` bytes, as `read` does its content."""
        return self._read(blob, is_inflated=False)

    def _read(self, blob: Blob, *, is_inflated: bool) -> Iterator[Iterable[bytes]]:
        layer, source = layer_of(blob), self._images.source(blob.archive)
        check = self._check_of(layer)
        reading = _Reading(check, layer.stored_size, is_inflated=is_inflated)
        with self._allowance() as size:
            frames = read_file_batches(layer.cid, source, max_size=layer.stored_size, read_ahead=size, nodes=self._nodes)
            try:
                yield from map(reading.take, frames)  # unlike a loop, it keeps nothing while a client is slow
                for _ in check.complete(source, read_ahead=size):
                    yield ()
            except VerificationError:
                if not check.passed:
                    self._images.let_go(blob.archive)
                raise
            yield reading.take_last()

    @contextmanager
    def _allowance(self) -> Iterator[int]:
        """Return how many bytes a stream may read ahead until it ends: fewer where there are many."""
        try:
            self._places.pop()
        except IndexError:
            yield _READ_AHEAD_IN_CROWD
            return
        try:
            yield _READ_AHEAD
        finally:
            self._places.append(None)

    def _check_of(self, layer: ArchivedLayer) -> LayerCheck:
        """Return the comparison of a layer: of all that its archive states, since another may state a false diffID of it."""
        with self._lock:
            check = self._checks.get(layer)
            if check is None:
                check = self._checks[layer] = LayerCheck(layer)
                if len(self._checks) > _MAX_KNOWN:
                    self._checks.popitem(last=False)
            return check

    def read_range(self, blob: Blob, start: int, stop: int) -> Iterator[bytes]:
        """Yield the bytes ``start`` to ``stop`` (exclusive) of a layer's content; frames before them are read but not inflated."""
        layer, source = layer_of(blob), self._images.source(blob.archive)
        with self._lock:
            index = self._indexes.setdefault(layer.cid, _LayerIndex())
            self._indexes.move_to_end(layer.cid)
            if len(self._indexes) > _MAX_INDEXED:
                self._indexes.popitem(last=False)
        offset, stored = index.find(start)
        batches = read_file_batches(
            layer.cid, source, start=stored, max_size=layer.stored_size, read_ahead=_READ_AHEAD, nodes=self._nodes
        )
        for number, frame in enumerate(split_batches(batches)):
            size = frame_content_size(frame)
            if number % _STRIDE == 0:
                index.add(offset, stored)
            if offset + size <= start:
                yield b""  # nothing yet: the client may have left
            else:
                yield inflate_frame(frame)[max(start - offset, 0) : stop - offset]
            offset += size
            stored += len(frame)
            if offset >= stop:
                return
        raise EOFError(f"layer {layer.diff_id} ends after {offset} bytes, before {stop}")

    def _images_of(self, name: str) -> Iterator[tuple[NamedRelease, Platform, Image]]:
        for release in self._releases.iterate(name):
            for platform, image in release.images.items():
                yield release, platform, image


def layer_of(blob: Blob) -> ArchivedLayer:
    """Return the layer of a blob that is one."""
    if blob.layer is None:
        raise ValueError(f"{blob.digest} is not a layer")
    return blob.layer


class _Reading:
    """The frames of a layer as one client reads them, offered to the comparison of the layer; the last one is held back for it."""

    def __init__(self, check: LayerCheck, stored_size: int, *, is_inflated: bool) -> None:
        self._check = check
        self._stored_size = stored_size
        self._is_inflated = is_inflated
        self._position = 0
        self._last: tuple[bytes, ...] = ()

    def take(self, frames: Iterable[bytes]) -> Iterable[bytes]:
        """Return what is to be sent of the next frames."""
        if self._check.passed:
            return self._form(frames)
        pieces: list[bytes] = []
        for frame in frames:
            start = self._position
            self._position += len(frame)
            if self._position >= self._stored_size:
                self._last = (frame,)
                break
            content = self._check.offer(start, frame)
            pieces += self._form((frame,)) if content is None or not self._is_inflated else (content,)
        return pieces

    def take_last(self) -> Iterable[bytes]:
        """Return what was held back."""
        return self._form(self._last)

    def _form(self, frames: Iterable[bytes]) -> Iterable[bytes]:
        return map(inflate_frame, frames) if self._is_inflated else frames


class _LayerIndex:
    """Where frames of a layer begin: offsets in its content and in its stored bytes, for seeking."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._offsets = [0]
        self._stored = [0]

    def find(self, offset: int) -> tuple[int, int]:
        """Return the last known frame that begins at or before ``offset``."""
        with self._lock:
            place = bisect_right(self._offsets, offset) - 1
            return self._offsets[place], self._stored[place]

    def add(self, offset: int, stored: int) -> None:
        with self._lock:
            place = bisect_right(self._offsets, offset)
            if self._offsets[place - 1] != offset:
                self._offsets.insert(place, offset)
                self._stored.insert(place, stored)
