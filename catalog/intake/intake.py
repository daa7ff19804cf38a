"""Take images from an engine, a file or stream, or an OCI layout folder, as blocks of the canonical archive.

Every source ends in the same `TakenImage`, so the same image has the same archive CID wherever it comes from.
"""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from catalog.clients.docker import Engine, EngineImage, require_complete
from catalog.errors import PlatformNotFoundError
from catalog.image.archive import Export, ExportedImage, read_export, read_layout
from catalog.image.config import ImageConfig
from catalog.image.dag import ChunkSink, LayerWriter, StoredArchive, StoredLayer, build_archive
from catalog.image.encoder import check_encoder
from catalog.image.layout import OpenMember, open_in_folder
from catalog.intake.push import Push, PushRefusedError, start_push
from catalog.intake.pushed import KnownLayers
from catalog.limits import DEFAULT_MAX_IMAGE_SIZE, MIB
from catalog.model.digest import ConfigDigest, Digest
from catalog.model.platform import Platform
from catalog.progress import Progress, Step

_REWRITTEN = (
    "the export was written by skopeo or podman, which rewrite the config of a Docker image in this format: the image ID may be "
    "another one than in Docker"
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """The images to take: those of ``platforms``, or of all platforms; with neither, the host's.

    ``reference`` selects among several images of a file. A file's only image is taken whatever its platform.
    """

    host: Platform
    platforms: tuple[Platform, ...] = ()
    all_platforms: bool = False
    reference: str | None = None
    max_size: int = DEFAULT_MAX_IMAGE_SIZE


@dataclass(frozen=True, slots=True)
class TakenImage:
    """An image whose blocks are in the sink, and the platform that it is published for.

    ``registry`` are its references in registries, if an engine knew them. ``notes`` are remarks for people.
    """

    archive: StoredArchive
    image: ImageConfig
    platform: Platform
    registry: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class ImageSource(Protocol):
    """A source of images."""

    def take(self, wanted: Wanted, sink: ChunkSink, progress: Progress) -> list[TakenImage]:
        """Read each wanted image once and put its blocks into ``sink``; return at least one, or raise the reason."""
        ...


class EngineSource:
    """An image that an engine holds, by reference or ID.

    ``known`` finds layers that an engine which pushes need not send; ``verified`` are the layers of the images that were pushed, by
    their blobs, to be found so the next time.
    """

    def __init__(self, engine: Engine, reference: str) -> None:
        self.engine = engine
        self.reference = reference
        self.known: KnownLayers | None = None
        self.verified: Mapping[Digest, StoredLayer] = {}
        self._ahead: tuple[list[EngineImage], Push | AbstractContextManager[BinaryIO]] | None = None

    def begin(self, wanted: Wanted) -> None:
        """Start the engine's push or export while the caller prepares; a call of `take` must follow.

        A classic engine stages a whole image for seconds before the first byte. Raises what `take` does for an image that is not
        there whole.
        """
        images = self._find_complete(wanted)
        self._ahead = images, start_push(self.engine, images) or _open_ahead(self.engine, images[0])

    @property
    def has_begun(self) -> bool:
        """Whether the engine was asked for its export already."""
        return self._ahead is not None

    def close(self) -> None:
        """Give up a push that was begun and not taken, so that the engine keeps nothing of it."""
        ahead, self._ahead = self._ahead, None
        if ahead is not None and isinstance(ahead[1], Push):
            ahead[1].close()

    def find(self, wanted: Wanted) -> list[EngineImage]:
        """Return the wanted images as the engine describes them, without reading them."""
        if wanted.platforms:
            return [self.engine.find(self.reference, platform) for platform in wanted.platforms]
        first = self.engine.find(self.reference)
        if not wanted.all_platforms:
            return [first]
        complete = sorted(platform for platform, whole in first.platforms.items() if whole) or [first.platform]
        return [self.engine.find(self.reference, platform) for platform in complete]

    def take(self, wanted: Wanted, sink: ChunkSink, progress: Progress) -> list[TakenImage]:
        """Let the engine push the images, or export each by its ID without a tag, and store them as they come."""
        check_encoder()
        images, ahead = self._ahead or (self._find_complete(wanted), None)
        self._ahead = None
        notes = self._note_absent(wanted)
        push = ahead if isinstance(ahead, Push) else start_push(self.engine, images) if ahead is None else None
        pushed = None
        if push is not None:
            with push, suppress(PushRefusedError):
                self._announce(images[0], progress)
                pushed = push.take(sink, wanted.max_size, progress, self.known)
        first = None if isinstance(ahead, Push) else ahead
        taken = []
        for image in images:
            if pushed is None:
                self._announce(image, progress)
                export = self._read_export(first or self.engine.save(image), image, wanted, sink, progress)
                first = None
            else:
                export = pushed.export()
            exported = export.choose() if _is_unknown(image.platform) else export.choose(platform=image.platform)
            assumed = wanted.host if _is_unknown(image.platform) else image.platform
            taken.append(_store(exported, wanted, assumed, sink, notes=notes, registry=image.registry))
        self.verified = pushed.verified if pushed is not None else {}
        return taken

    def _announce(self, image: EngineImage, progress: Progress) -> None:
        product = "podman" if self.engine.info().store == "podman" else "Docker"
        layers = f"{len(image.diff_ids)} layer{'' if len(image.diff_ids) == 1 else 's'}"
        progress(Step("phase", f"Reading {self.reference} from {product} ({image.platform}, {layers})"))

    def _read_export(
        self,
        opening: AbstractContextManager[BinaryIO],
        image: EngineImage,
        wanted: Wanted,
        sink: ChunkSink,
        progress: Progress,
    ) -> Export:
        with opening as stream:
            pieces = _report(_pieces_of(stream), image.size, progress)
            return read_export(pieces, lambda: LayerWriter(sink), max_size=wanted.max_size, progress=progress)

    def _note_absent(self, wanted: Wanted) -> tuple[str, ...]:
        """Return a remark on platforms of the image that the engine names and does not hold, if all are wanted."""
        if not wanted.all_platforms:
            return ()
        return _note_platforms(
            "the engine", [entry for entry, whole in self.engine.find(self.reference).platforms.items() if not whole]
        )

    def _find_complete(self, wanted: Wanted) -> list[EngineImage]:
        return [require_complete(image, self.reference) for image in self.find(wanted)]


@dataclass(frozen=True, slots=True)
class StreamSource:
    """An export that is read once from its first byte to its last: a file, standard input, or a file from IPFS.

    ``open_stream`` opens it; ``size`` is its length if known, for progress.
    """

    label: str
    open_stream: Callable[[], AbstractContextManager[BinaryIO]]
    size: int | None = None

    def take(self, wanted: Wanted, sink: ChunkSink, progress: Progress) -> list[TakenImage]:
        """Read the export; all its images pass through the sink, the wanted ones are returned."""
        check_encoder()
        progress(Step("phase", f"Reading {self.label}"))
        with self.open_stream() as stream:
            pieces = _report(_pieces_of(stream), self.size, progress)
            export = read_export(pieces, lambda: LayerWriter(sink), max_size=wanted.max_size, progress=progress)
        return _take_chosen(export, wanted, sink)


@dataclass(frozen=True, slots=True)
class LayoutSource:
    """An OCI layout, wherever `open_member` finds its files."""

    label: str
    open_member: OpenMember

    def take(self, wanted: Wanted, sink: ChunkSink, progress: Progress) -> list[TakenImage]:
        """Read the parts of the layout that the wanted images need."""
        check_encoder()
        progress(Step("phase", f"Reading {self.label}"))
        export = read_layout(self.open_member, lambda: LayerWriter(sink), max_size=wanted.max_size, progress=progress)
        return _take_chosen(export, wanted, sink)


@dataclass(frozen=True, slots=True)
class FolderSource:
    """An OCI layout folder on disk."""

    folder: Path

    def take(self, wanted: Wanted, sink: ChunkSink, progress: Progress) -> list[TakenImage]:
        """Read the parts of the folder that the wanted images need."""
        return LayoutSource(str(self.folder), open_in_folder(self.folder)).take(wanted, sink, progress)


def _take_chosen(export: Export, wanted: Wanted, sink: ChunkSink) -> list[TakenImage]:
    notes = list(export.remarks)
    if wanted.platforms:
        chosen = [(export.choose(wanted.reference, platform), platform) for platform in wanted.platforms]
        _check_distinct(chosen)
    elif wanted.all_platforms and (platforms := export.platforms(wanted.reference)):
        chosen = [(export.choose(wanted.reference, platform), platform) for platform in platforms]
        notes += _note_platforms("the export", export.absent_platforms(wanted.reference))
    else:
        chosen = [(export.choose(wanted.reference, host=wanted.host), wanted.host)]
    if any(_may_be_rewritten(exported) for exported, _ in chosen):
        notes.append(_REWRITTEN)
    return [_store(exported, wanted, platform, sink, notes=tuple(notes)) for exported, platform in chosen]


def _check_distinct(chosen: Sequence[tuple[ExportedImage, Platform]]) -> None:
    """Raise `PlatformNotFoundError` if one image without a platform would be published for several."""
    configs: dict[ConfigDigest, Platform] = {}
    for exported, platform in chosen:
        other = configs.setdefault(exported.config_digest, platform)
        if other != platform:
            raise PlatformNotFoundError(
                f"the export holds one image for both {other} and {platform}", why="its config states no platform"
            )


def _note_platforms(holder: str, absent: Sequence[Platform]) -> tuple[str, ...]:
    if not absent:
        return ()
    names = ", ".join(map(str, sorted(absent)))
    return (f"{holder} names {names} and does not hold {'them' if len(absent) > 1 else 'it'}: left out",)


def _is_unknown(platform: Platform) -> bool:
    """Return whether an engine could not say for which platform an image is."""
    return platform.architecture == "unknown"


def _store(
    exported: ExportedImage,
    wanted: Wanted,
    assumed: Platform,
    sink: ChunkSink,
    *,
    notes: tuple[str, ...],
    registry: tuple[str, ...] = (),
) -> TakenImage:
    """Store the layout of an image. One whose platform nothing states is published for ``assumed``, with a remark."""
    platform = exported.platform
    if platform is None:
        platform = exported.image.complete_platform(assumed)
        if platform not in wanted.platforms:
            notes = (*notes, f"the image states no platform: {platform} was assumed")
    archive = build_archive(exported.config, list(exported.layers), sink)
    return TakenImage(archive, exported.image, platform, registry, notes)


def _may_be_rewritten(exported: ExportedImage) -> bool:
    """Return whether the config reads as skopeo and podman write one: they convert a Docker image for an export without
    ``manifest.json``, and the keys are then in the order of the OCI specification, which starts with ``created``.

    Other tools that make such exports (crane, ko, kaniko, BuildKit) keep the config, or order its keys by name.
    """
    return exported.may_be_converted and exported.config.lstrip().startswith(b'{"created":')


def _open_ahead(engine: Engine, image: EngineImage) -> AbstractContextManager[BinaryIO]:
    """Request an export in a thread, which an abandoned export need not wait for."""
    opened: Future[tuple[ExitStack, BinaryIO]] = Future()

    def ask() -> None:
        stack = ExitStack()
        try:
            opened.set_result((stack, stack.enter_context(engine.save(image))))
        except BaseException as error:  # raised when the export is read
            opened.set_exception(error)

    threading.Thread(target=ask, name="engine-save", daemon=True).start()

    @contextmanager
    def wait() -> Iterator[BinaryIO]:
        stack, stream = opened.result()
        with stack:
            yield stream

    return wait()


def _pieces_of(stream: BinaryIO) -> Iterator[bytes]:
    while piece := stream.read(MIB):
        yield piece


def _report(pieces: Iterator[bytes], size: int | None, progress: Progress) -> Iterator[bytes]:
    done = 0
    for piece in pieces:
        yield piece
        done += len(piece)
        progress(Step("total", "read", done, None if size is None or done > size else size))
