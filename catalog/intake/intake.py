"""Which images of an export are taken, and how each is stored as blocks of the canonical archive.

Every source (`catalog.intake.sources`) ends in the same `TakenImage`, so the same image has the same archive CID wherever it
comes from.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Protocol

from catalog.errors import PlatformNotFoundError
from catalog.image.archive import Export, ExportedImage
from catalog.image.config import ImageConfig
from catalog.image.dag import ChunkSink, StoredArchive, build_archive
from catalog.image.provenance import Provenance
from catalog.limits import DEFAULT_MAX_IMAGE_SIZE, MIB
from catalog.model.digest import ConfigDigest
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

    ``registry`` are its references in registries, if an engine knew them. ``notes`` are remarks for people. ``provenance`` is under
    which manifest it was pushed.
    """

    archive: StoredArchive
    image: ImageConfig
    platform: Platform
    registry: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    provenance: Provenance | None = None


class ImageSource(Protocol):
    """A source of images."""

    def take(self, wanted: Wanted, sink: ChunkSink, progress: Progress) -> list[TakenImage]:
        """Read each wanted image once and put its blocks into ``sink``; return at least one, or raise the reason."""
        ...


def take_chosen(export: Export, wanted: Wanted, sink: ChunkSink) -> list[TakenImage]:
    """Store the images of an export that are wanted; raise `PlatformNotFoundError`, `ArchiveError` where one is not in it."""
    notes = list(export.remarks)
    if wanted.platforms:
        chosen = [(export.choose(wanted.reference, platform), platform) for platform in wanted.platforms]
        _check_distinct(chosen)
    elif wanted.all_platforms and (platforms := export.platforms(wanted.reference)):
        chosen = [(export.choose(wanted.reference, platform), platform) for platform in platforms]
        notes += note_platforms("the export", export.absent_platforms(wanted.reference))
    else:
        chosen = [(export.choose(wanted.reference, host=wanted.host), wanted.host)]
    if any(_may_be_rewritten(exported) for exported, _ in chosen):
        notes.append(_REWRITTEN)
    return [store_taken(exported, wanted, platform, sink, notes=tuple(notes)) for exported, platform in chosen]


def _check_distinct(chosen: Sequence[tuple[ExportedImage, Platform]]) -> None:
    """Raise `PlatformNotFoundError` if one image without a platform would be published for several."""
    configs: dict[ConfigDigest, Platform] = {}
    for exported, platform in chosen:
        other = configs.setdefault(exported.config_digest, platform)
        if other != platform:
            raise PlatformNotFoundError(
                f"the export holds one image for both {other} and {platform}", why="its config states no platform"
            )


def note_platforms(holder: str, absent: Sequence[Platform]) -> tuple[str, ...]:
    """Return a remark on platforms that an image names and ``holder`` does not hold; nothing where there are none."""
    if not absent:
        return ()
    names = ", ".join(map(str, sorted(absent)))
    return (f"{holder} names {names} and does not hold {'them' if len(absent) > 1 else 'it'}: left out",)


def store_taken(
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


def pieces_of(stream: BinaryIO) -> Iterator[bytes]:
    """Yield a stream in pieces of at most 1 MiB."""
    while piece := stream.read(MIB):
        yield piece


def report(pieces: Iterator[bytes], size: int | None, progress: Progress) -> Iterator[bytes]:
    """Yield the pieces and report after each how many of ``size`` bytes were read."""
    done = 0
    for piece in pieces:
        yield piece
        done += len(piece)
        progress(Step("total", "read", done, None if size is None or done > size else size))
