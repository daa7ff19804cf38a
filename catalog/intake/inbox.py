"""What clients push into a home, from the first blob until a release takes it.

Layers are stored in the home's blocks as they come; documents and small blobs stay in memory, in bounded space. While something is
being pushed, or was pushed and is not part of a release yet, the home stays open under a lease: no block can be deleted meanwhile.
What nobody touches for `PUSH_IDLE` is forgotten, and its blocks are garbage like those of an interrupted publish.
"""

import hashlib
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from time import monotonic

from catalog.blockstores.embedded import EmbeddedBlockstore
from catalog.blockstores.holding import is_whole
from catalog.blockstores.layers import KnownBlob, find_known, find_layer
from catalog.blockstores.writing import BlockWriter, FrameStore
from catalog.errors import ArchiveError, DcatError
from catalog.home.home import Home
from catalog.image.compression import CompressionError
from catalog.image.dag import StoredLayer
from catalog.image.stream import Budget, Piece
from catalog.intake.blobs import BlobContent, BlobReader
from catalog.intake.session import PushSession, StoredBlob
from catalog.limits import DEFAULT_MAX_IMAGE_SIZE, MAX_HELD_JSON_SIZE, PUSH_IDLE
from catalog.model.digest import Digest

_DIGEST = re.compile(rb'"(sha256:[0-9a-f]{64})"')


@dataclass(slots=True)
class _Entry:
    """A blob or manifest. ``media_type`` is that of a manifest; ``is_taken`` once a release has it.

    ``writer`` is that which stored the layer, None where it was found: what one writer stored is all there, or it has failed.
    """

    content: BlobContent
    size: int | None
    touched: float
    media_type: str = ""
    is_taken: bool = False
    writer: BlockWriter | None = None


@dataclass(frozen=True, slots=True)
class FoundBlob:
    """A blob that need not be sent; its size as it was sent."""

    size: int


@dataclass(frozen=True, slots=True)
class PushedManifest:
    """The exact bytes of a manifest or index, and its media type."""

    data: bytes
    media_type: str

    @property
    def digest(self) -> Digest:
        return Digest(hashlib.sha256(self.data).digest())

    def digests(self) -> list[Digest]:
        """Return every digest that it names, in its order, those of layers and annotations included."""
        return [Digest.parse(text.decode()) for text in dict.fromkeys(_DIGEST.findall(self.data))]


class Inbox:
    """What was pushed into one home. Thread-safe.

    ``open_session`` opens the home and the blocks that it holds, those that moved to a Kubo node included; leaving it closes both.
    ``blocks`` are the home's own, open as long as the server runs, for those who only ask.
    ``max_size`` bounds each layer, and all layers of what a manifest names; ``idle`` is the time after which what nobody touched is
    forgotten.
    """

    def __init__(
        self,
        open_session: Callable[[], AbstractContextManager[tuple[Home, FrameStore]]],
        blocks: EmbeddedBlockstore,
        *,
        max_size: int = DEFAULT_MAX_IMAGE_SIZE,
        idle: float = PUSH_IDLE,
    ) -> None:
        self._open_session = open_session
        self._blocks = blocks
        self.max_size = max_size
        self.idle = idle
        self._lock = threading.RLock()
        self._session: PushSession | None = None
        self._users = 0
        self._entries: OrderedDict[Digest, _Entry] = OrderedDict()  # the longest untouched first
        self._held = 0  # bytes in memory

    def begin(self) -> None:
        """Keep the home open until `end`."""
        with self._lock:
            if self._session is None:
                stack = ExitStack()
                try:
                    home, held = stack.enter_context(self._open_session())
                    stack.enter_context(home.lease("serve --push"))
                except BaseException:
                    stack.close()
                    raise
                self._session = PushSession(stack, home, held)
            self._users += 1

    def end(self) -> None:
        """Take back one `begin`; the home is closed where nothing waits for a release."""
        with self._lock:
            self._users -= 1
            self.tidy()

    def tidy(self) -> None:
        """Forget what nobody touched for long, and close the home where nothing is left that waits for a release."""
        with self._lock:
            limit = monotonic() - self.idle
            for digest in [digest for digest, entry in self._entries.items() if entry.touched < limit]:
                self._forget(digest)
            if self._users == 0 and all(entry.is_taken for entry in self._entries.values()):
                self._close()

    def close(self) -> None:
        """Forget everything, and close the home."""
        with self._lock:
            self._close()

    @property
    def is_open(self) -> bool:
        """Whether the home is held open for something that was pushed; false only once it is closed whole, its lease given back."""
        with self._lock:
            return self._session is not None

    def read_blob(self, label: str, size: int | None, pieces: Iterable[Piece]) -> StoredBlob:
        """Read a blob and store what is a layer; `keep` it once its digest is known to be right."""
        with self._using() as session:
            try:
                sink = session.sink()
                read = BlobReader(sink, Budget(self.max_size)).read(label, size, pieces)
                return StoredBlob(read.digest, read.size, read.content, sink.writer)
            except DcatError as error:
                if not isinstance(error, ArchiveError):
                    session.give_up_writer()
                raise

    def keep(self, blob: StoredBlob) -> None:
        """Keep a blob for the manifest that names it."""
        self._put(blob.digest, _Entry(blob.content, blob.size, monotonic(), writer=blob.writer))

    def keep_manifest(self, manifest: PushedManifest, *, is_taken: bool) -> None:
        """Keep a manifest for the index that names it, or for clients that look whether it arrived."""
        self._put(manifest.digest, _Entry(manifest.data, len(manifest.data), monotonic(), manifest.media_type, is_taken))

    def find_blob(self, digest: Digest) -> FoundBlob | None:
        """Return a blob that was pushed, or whose layer is held since an earlier push; of a push under way it is part from now on.

        Before anything is pushed no lease is taken: readers ask too, and would keep the garbage from being collected.
        """
        with self._lock:
            entry = self._touch(digest)
            if entry is not None and entry.size is not None and not isinstance(entry.content, CompressionError):
                entry.is_taken = False
                return FoundBlob(entry.size)
        known = find_known(self._blocks, digest)
        if known is None or known.size is None:
            return None  # clients that are told no size refuse the answer
        if not self.is_open and is_whole(known.layer.cid, self._blocks):
            return FoundBlob(known.size)
        with self._using() as session:
            if not is_whole(known.layer.cid, session.held):
                return None
            self._put(digest, _Entry(known.layer, known.size, monotonic()))
        return FoundBlob(known.size)

    def find_manifest(self, digest: Digest) -> PushedManifest | None:
        """Return a manifest that was pushed."""
        with self._lock:
            entry = self._touch(digest)
            if entry is None or not entry.media_type or not isinstance(entry.content, bytes):
                return None
            return PushedManifest(entry.content, entry.media_type)

    def _put(self, digest: Digest, entry: _Entry) -> None:
        with self._lock:
            self._forget(digest)
            self._entries[digest] = entry
            self._held += len(entry.content) if isinstance(entry.content, bytes) else 0
            while self._held > MAX_HELD_JSON_SIZE and len(self._entries) > 1:
                self._forget(next(iter(self._entries)))

    def _forget(self, digest: Digest) -> None:
        entry = self._entries.pop(digest, None)
        if entry is not None and isinstance(entry.content, bytes):
            self._held -= len(entry.content)

    def _touch(self, digest: Digest) -> _Entry | None:
        entry = self._entries.get(digest)
        if entry is not None:
            entry.touched = monotonic()
            self._entries.move_to_end(digest)
        return entry

    def content_of(self, digest: Digest) -> BlobContent | None:
        """Return what was pushed under a digest."""
        with self._lock:
            entry = self._touch(digest)
            return None if entry is None else entry.content

    def size_of(self, digest: Digest) -> int | None:
        """Return the size of a blob as it was sent, None where that is not known."""
        entry = self._entries.get(digest)
        return None if entry is None else entry.size

    def find_stored(self, digest: Digest) -> KnownBlob | None:
        """Return a layer that an earlier push verified, if all of it is held."""
        with self._using() as session:
            return find_layer(session.home.blocks, session.held, digest)

    def is_held(self, digest: Digest, layer: StoredLayer) -> bool:
        """Return whether every block of a layer is held; what came under this lease is not looked up again."""
        with self._using() as session:
            entry = self._entries.get(digest)
            if session.is_leased and entry is not None and entry.writer is session.writer and entry.content == layer:
                return True
            return is_whole(layer.cid, session.held)

    def flush(self) -> None:
        """Make every stored layer durable."""
        with self._using() as session:
            session.flush()

    def mark_taken(self, manifests: Iterable[PushedManifest]) -> None:
        """Note that a release has what these manifests name: nothing need be kept for it any more."""
        with self._lock:
            for manifest in manifests:
                for digest in (manifest.digest, *manifest.digests()):
                    entry = self._entries.get(digest)
                    if entry is not None:
                        entry.is_taken = True

    def _close(self) -> None:
        session, self._session = self._session, None
        self._entries.clear()
        self._held = 0
        if session is not None:
            session.close()

    @contextmanager
    def _using(self) -> Iterator[PushSession]:
        self.begin()
        try:
            assert self._session is not None
            yield self._session
        finally:
            with self._lock:
                self._users -= 1
