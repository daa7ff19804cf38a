"""Where images are taken from: an engine, a file or stream, an OCI layout folder."""

import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from catalog.blockstores.layers import KnownBlob
from catalog.clients.docker import Engine, EngineImage, require_complete
from catalog.errors import EngineConflictError
from catalog.image.archive import Export, ExportedImage, read_export, read_layout
from catalog.image.dag import ChunkSink, LayerWriter
from catalog.image.encoder import check_encoder
from catalog.image.layout import OpenMember, open_in_folder
from catalog.intake.intake import TakenImage, Wanted, note_platforms, pieces_of, report, store_taken, take_chosen
from catalog.intake.push import Push, PushRefusedError, start_push
from catalog.intake.pushed import KnownLayers, PushedImages
from catalog.model.digest import Digest
from catalog.model.platform import Platform
from catalog.progress import Progress, Step


class EngineSource:
    """An image that an engine holds, by reference or ID.

    ``known`` finds layers that an engine which pushes need not send; ``verified`` are the layers of the images that were pushed, by
    their blobs, to be found so the next time. ``meanwhile`` is called once by `take`, while the engine sends or prepares to.
    """

    def __init__(self, engine: Engine, reference: str) -> None:
        self.engine = engine
        self.reference = reference
        self.known: KnownLayers | None = None
        self.verified: Mapping[Digest, KnownBlob] = {}
        self.meanwhile: Callable[[], None] = _do_nothing
        self._why = ""  # the engine exports its images
        self._ahead: tuple[list[EngineImage], Push | AbstractContextManager[BinaryIO]] | None = None

    def begin(self, wanted: Wanted) -> None:
        """Start the engine's push or export while the caller prepares; a call of `take` must follow.

        A classic engine stages a whole image for seconds before the first byte. Raise what `take` does for an image that is not
        there whole.
        """
        images, push = self._start(wanted)
        self._ahead = images, push or _open_ahead(self.engine, images[0])

    @property
    def has_begun(self) -> bool:
        """Whether the engine was asked for its export already."""
        return self._ahead is not None

    def close(self) -> None:
        """Give up a push that was begun and not taken, so that the engine keeps nothing of it."""
        ahead, self._ahead = self._ahead, None
        self.meanwhile = _do_nothing
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
        images, ahead = self._ahead or self._start(wanted)
        self._ahead = None
        meanwhile, self.meanwhile = self.meanwhile, _do_nothing
        notes = self._note_absent(wanted)
        push = ahead if isinstance(ahead, Push) else None
        pushed = None
        if push is None:
            progress(Step("detail", f"The engine exports the image: {self._why}"))
            meanwhile()
        else:
            pushed = self._take_push(push, images[0], wanted, sink, progress, meanwhile)
        first = None if isinstance(ahead, Push) else ahead
        taken = []
        for image in images:
            if pushed is None:
                self._announce(image, progress)
                require_complete(image, self.reference)
                export = self._read_export(first or self.engine.save(image), image, wanted, sink, progress)
                first = None
            else:
                export = pushed.export()
            exported = export.choose() if _is_unknown(image.platform) else export.choose(platform=image.platform)
            self._check_described(image, exported)
            assumed = wanted.host if _is_unknown(image.platform) else image.platform
            entry = store_taken(exported, wanted, assumed, sink, notes=notes, registry=image.registry)
            provenance = None if pushed is None else pushed.trace(exported.config_digest)
            taken.append(replace(entry, provenance=provenance))
        self.verified = pushed.verified if pushed is not None else {}
        return taken

    def _check_described(self, image: EngineImage, exported: ExportedImage) -> None:
        """Raise `EngineConflictError` if the engine sent another image than the one that it was asked for.

        podman may write the config anew, and the containerd store shows no config: there the layers decide, and the manifest.
        """
        config = str(exported.config_digest)
        is_other = image.diff_ids != exported.image.diff_ids if image.diff_ids else False
        if self.engine.info().store == "classic":
            is_other = is_other or image.id != config
        elif image.manifest and exported.manifest is not None:
            is_other = is_other or image.manifest != str(exported.manifest)
        if is_other:
            raise EngineConflictError(
                f"the engine sent another image than {self.reference}",
                why=f"it shows {image.manifest or image.id} with {len(image.diff_ids)} layers, and sent the config {config} "
                f"with {len(exported.image.diff_ids)}",
                hint="run the command again; if it stays so, remove the image from the engine and get it anew",
            )

    def _take_push(
        self,
        push: Push,
        first: EngineImage,
        wanted: Wanted,
        sink: ChunkSink,
        progress: Progress,
        meanwhile: Callable[[], None],
    ) -> PushedImages | None:
        """Return what the engine pushes, None where it does not and has to export the image."""
        progress(Step("detail", f"The engine pushes the image to {push.repository}: it has the containerd store, and runs here"))
        with push:
            try:
                self._announce(first, progress)
                return push.take(sink, wanted.max_size, progress, self.known, meanwhile)
            except PushRefusedError as error:
                progress(Step("detail", f"The engine exports the image after all: {error.message}"))
                return None

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
            pieces = report(pieces_of(stream), image.size, progress)
            return read_export(pieces, lambda: LayerWriter(sink), max_size=wanted.max_size, progress=progress)

    def _note_absent(self, wanted: Wanted) -> tuple[str, ...]:
        """Return a remark on platforms of the image that the engine names and does not hold, if all are wanted."""
        if not wanted.all_platforms:
            return ()
        return note_platforms(
            "the engine", [entry for entry, whole in self.engine.find(self.reference).platforms.items() if not whole]
        )

    def _start(self, wanted: Wanted) -> tuple[list[EngineImage], Push | None]:
        """Find the images and have the engine push them, None where it cannot; then all of them have to be there whole."""
        images = self.find(wanted)
        push, self._why = start_push(self.engine, images)
        if push is None:
            for image in images:
                require_complete(image, self.reference)
        return images, push


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
            pieces = report(pieces_of(stream), self.size, progress)
            export = read_export(pieces, lambda: LayerWriter(sink), max_size=wanted.max_size, progress=progress)
        return take_chosen(export, wanted, sink)


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
        return take_chosen(export, wanted, sink)


@dataclass(frozen=True, slots=True)
class FolderSource:
    """An OCI layout folder on disk."""

    folder: Path

    def take(self, wanted: Wanted, sink: ChunkSink, progress: Progress) -> list[TakenImage]:
        """Read the parts of the folder that the wanted images need."""
        return LayoutSource(str(self.folder), open_in_folder(self.folder)).take(wanted, sink, progress)


def _do_nothing() -> None:
    pass


def _is_unknown(platform: Platform) -> bool:
    """Return whether an engine could not say for which platform an image is."""
    return platform.architecture == "unknown"


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
