"""``dcat publish``: take an image in and release it under a name and a version in the own catalogue, signed and shared.

The order makes it safe to interrupt anywhere: blocks first and durable, then trust store and index, then the answer, then signing
and sharing, which the next share makes good. Blocks of an interrupted publish are used by the next one, or collected by gc.

What the release needs takes longer to import than many an image takes to read (SQLAlchemy above all), and is imported in functions:
an engine that was asked for its image beforehand sends it meanwhile.
"""

from collections.abc import Callable, Mapping
from contextlib import closing, nullcontext
from dataclasses import dataclass, replace
from functools import partial

from catalog.blockstores.holding import is_whole
from catalog.blockstores.layers import KnownBlob, find_layer, note_layers
from catalog.blockstores.provenance import note_provenance
from catalog.blockstores.writing import BlockCounter, BlockWriter, FrameStore, WriteCount
from catalog.errors import DcatError, ReleaseNotFoundError
from catalog.home.home import Home
from catalog.image.dag import FrameRef
from catalog.image.secrets import find_secrets
from catalog.intake.intake import ImageSource, TakenImage, Wanted
from catalog.intake.sources import EngineSource
from catalog.ipld.block import Block
from catalog.model.digest import Digest
from catalog.model.platform import Platform
from catalog.model.reference import check_publishable
from catalog.model.release import Image, Release
from catalog.own.share import SIGN_ONLY, Shared, Sharing, share_change
from catalog.progress import Progress, Step, silent

_REPORT_EVERY = 1 << 20


@dataclass(frozen=True, slots=True)
class Published:
    """The result of a publish.

    ``changed`` is false where this very content was published already; ``added`` are the platforms that are new in the release.
    ``count`` is what went to the store. ``created`` says that the catalogue, whose IPNS name is ``catalogue``, was made now.
    ``shared`` is the state of the signed catalogue; ``share_error`` says why it could not be signed or shared: the release itself
    is kept, and the next share makes it good. A dry run signs nothing.
    """

    catalogue: str
    created: bool
    release: Release
    added: tuple[Platform, ...]
    changed: bool
    dry_run: bool
    count: WriteCount
    warnings: tuple[str, ...] = ()
    shared: Shared | None = None
    share_error: DcatError | None = None


@dataclass(frozen=True, slots=True)
class _Request:
    """What is to be published, and the store that holds blocks of earlier publishes. ``by`` says on whose behalf."""

    name: str
    version: str
    source: ImageSource
    wanted: Wanted
    annotations: Mapping[str, str]
    by: Mapping[str, str]
    held: FrameStore
    progress: Progress


def publish(
    home: Home,
    name: str,
    version: str,
    source: ImageSource,
    wanted: Wanted,
    *,
    annotations: Mapping[str, str] | None = None,
    dry_run: bool = False,
    sharing: Sharing = SIGN_ONLY,
    shares: bool = True,
    by: Mapping[str, str] | None = None,
    progress: Progress = silent,
) -> Published:
    """Publish the ``wanted`` images of ``source`` as ``name@version``, then sign and share the catalogue.

    Without ``shares`` the caller signs and shares it. ``by`` says in the history on whose behalf it is published.

    The same content again changes nothing but its annotations, where those are given; another platform is added. Blocks that moved
    to the Kubo node of ``sharing`` are not stored again. Raise `ReleaseConflictError` where the version has other content for a
    platform, `AmbiguousReferenceError` where the name is another catalogue's here, and what ``source`` raises; a share that fails
    is in the result.
    """
    with closing(source) if isinstance(source, EngineSource) else nullcontext():  # ends a push that was begun, whatever happens
        check_publishable(name, version)
        if not (isinstance(source, EngineSource) and source.has_begun):
            _check_name(home, name)
        held = _open_held(home, sharing)
        request = _Request(name, version, source, wanted, dict(annotations or {}), by or {}, held, progress)
        published = None if annotations else _find_published(home, request)
        if published is None:
            if dry_run:
                return _preview(home, request)
            published = _store(home, request)
        elif dry_run:
            return replace(published, dry_run=True)
    if not shares:
        return published
    shared, share_error = share_change(home, sharing, held=held, progress=progress)
    return replace(published, shared=shared, share_error=share_error)


def _check_name(home: Home, name: str) -> None:
    """Raise `AmbiguousReferenceError` where the name is another catalogue's here."""
    from catalog.trust.ownership import check_own_name

    with home.trust.read() as connection:
        check_own_name(connection, name)


def _open_held(home: Home, sharing: Sharing) -> FrameStore:
    if sharing.network.kubo is None:  # nothing is held elsewhere that could be reached
        return home.blocks
    from catalog.own.moving import open_held

    return open_held(home, sharing.network)


def _find_published(home: Home, request: _Request) -> Published | None:
    """Return the release without reading any image, where it has what the engine has, and its archives are complete.

    A source that began its export was found to be new before.
    """
    source = request.source
    if not isinstance(source, EngineSource) or source.has_begun:
        return None
    catalogue, existing = _find_existing(home, request)
    if existing is None or existing.removed is not None:
        return None
    for described in source.find(request.wanted):
        image = existing.images.get(described.platform)
        if image is None or described.id not in {str(image.config), str(image.manifest)}:
            return None
        if not is_whole(image.archive, request.held):
            return None
    return Published(catalogue, created=False, release=existing, added=(), changed=False, dry_run=False, count=WriteCount())


def _preview(home: Home, request: _Request) -> Published:
    """Read the images and count what a publish would store; nothing is written."""
    counter = BlockCounter(request.held)
    _offer(home, request, partial(_check_name, home, request.name))
    taken = request.source.take(request.wanted, counter, request.progress)
    catalogue, existing = _find_existing(home, request)
    release, added = _add(existing, request, taken, home)
    changed = release != existing
    return Published(catalogue, False, release, added, changed, dry_run=True, count=counter.count, warnings=_warn(taken))


def _store(home: Home, request: _Request) -> Published:
    """Store the images, and put the release into the own catalogue, which is made where there is none."""
    source, held = request.source, request.held
    with home.lease(f"publish {request.name}@{request.version}"):
        _offer(home, request, partial(_prepare, home, request.name))
        with BlockWriter(held) as writer:
            taken = source.take(request.wanted, _ReportingSink(writer, request.progress), request.progress)
        from catalog.intake.release import ReleaseSource
        from catalog.own.release import list_additions

        if not isinstance(source, ReleaseSource):  # which reads no layers
            note_layers(home.blocks, _list_blobs(source, taken))
        provenances = {entry.archive.archive: entry.provenance for entry in taken if entry.provenance is not None}
        note_provenance(home.blocks, provenances)
        catalogue, created = home.create_own_catalogue()
        with home.lock("own"):
            _, existing = _find_existing(home, request)
            release, added = _add(existing, request, taken, home)
            changed = release != existing
            if changed:
                home.put_own([release], list_additions(catalogue, existing, release, added, home.time, request.by))
    return Published(catalogue, created, release, added, changed, dry_run=False, count=writer.count, warnings=_warn(taken))


def _prepare(home: Home, name: str) -> None:
    """Do what a release needs and its image does not: making the files of a home and importing take a while."""
    from catalog.own import release, signing, state  # noqa: F401  # needed as soon as the image is read

    _check_name(home, name)
    home.index  # noqa: B018  # makes the file


def _offer(home: Home, request: _Request, prepare: Callable[[], None]) -> None:
    """Let an engine that pushes leave out the layers that are held; prepare, while one sends that was asked beforehand."""
    source = request.source
    if isinstance(source, EngineSource):
        source.known = lambda blob: find_layer(home.blocks, request.held, blob)
        if source.has_begun:
            source.meanwhile = prepare
            return
    prepare()


def _list_blobs(source: ImageSource, taken: list[TakenImage]) -> list[KnownBlob]:
    """Return the blobs of registries that the layers of images are: uncompressed, and as they were pushed."""
    from catalog.intake.received import PushedSource

    layers = {layer.diff_id: layer for entry in taken for layer in entry.archive.layers}
    plain = [KnownBlob(Digest(layer.diff_id.raw), layer, layer.size) for layer in layers.values()]
    return plain + (list(source.verified.values()) if isinstance(source, EngineSource | PushedSource) else [])


def _add(existing: Release | None, request: _Request, taken: list[TakenImage], home: Home) -> tuple[Release, tuple[Platform, ...]]:
    """Return the release with the images that were taken, and the platforms that are new in it."""
    from catalog.own.release import add_images

    return add_images(existing, request.name, request.version, _make_images(taken), request.annotations, home.time)


def _make_images(taken: list[TakenImage]) -> dict[Platform, Image]:
    return {
        entry.platform: Image(
            archive=entry.archive.archive,
            config=entry.archive.config,
            manifest=entry.archive.manifest,
            layers=len(entry.archive.layers),
            size=entry.archive.size,
            unpacked=entry.archive.unpacked,
            created=entry.archive.created,
            registry=tuple(sorted(set(entry.registry))),
        )
        for entry in taken
    }


class _ReportingSink:
    """A block writer that reports what it stored while an image is read."""

    def __init__(self, writer: BlockWriter, progress: Progress) -> None:
        self._writer = writer
        self._progress = progress
        self._reported = 0

    def find_frame(self, content_digest: bytes) -> FrameRef | None:
        return self._writer.find_frame(content_digest)

    def put_frame(self, content_digest: bytes, block: Block) -> None:
        self._writer.put_frame(content_digest, block)
        self._report()

    def put_node(self, block: Block) -> None:
        self._writer.put_node(block)

    def _report(self) -> None:
        count = self._writer.count
        if count.bytes - self._reported >= _REPORT_EVERY:
            self._reported = count.bytes
            figures = (("stored", count.new_bytes), ("present", max(0, count.present_bytes)))
            self._progress(Step("part", "stored", count.bytes, None, figures))


def _find_existing(home: Home, request: _Request) -> tuple[str, Release | None]:
    """Return the name of the own catalogue, empty where there is none, and its release."""
    from catalog.index.releases import get_release

    catalogue = home.own_catalogue()
    if catalogue is None:
        return "", None
    try:
        with home.index.read() as connection:
            return catalogue, get_release(connection, catalogue, request.name, request.version)
    except ReleaseNotFoundError:
        return catalogue, None


def _warn(taken: list[TakenImage]) -> tuple[str, ...]:
    warnings = [note for entry in taken for note in entry.notes]
    for entry in taken:
        if names := find_secrets(entry.image.env, entry.image.labels):
            warnings.append(
                f"the configuration of {entry.platform} has what looks like secrets: {', '.join(names[:8])}; "
                "whoever gets the image can read them, and publishing cannot be undone"
            )
    return tuple(dict.fromkeys(warnings))
