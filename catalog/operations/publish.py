"""``dcat publish``: take an image in and release it under a name and a version in the own catalogue.

The order makes it safe to interrupt anywhere: blocks first and durable, then trust store and index in their own order, then the
answer. What an interrupted publish left is used by the next one, or swept by gc.
"""

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace

from catalog.blockstores.holding import is_whole
from catalog.blockstores.writing import BlockCounter, BlockWriter, WriteCount
from catalog.clients.kubo import KuboClient
from catalog.errors import InvalidInputError, ReleaseConflictError, ReleaseNotFoundError
from catalog.home.home import Home
from catalog.image.dag import FrameRef
from catalog.image.secrets import find_secrets
from catalog.index.history import Change, ChangeKind
from catalog.index.releases import get_release
from catalog.intake.intake import EngineSource, ImageSource, TakenImage, Wanted
from catalog.ipld.block import Block, Blockstore
from catalog.limits import MAX_PLATFORMS
from catalog.model.platform import Platform
from catalog.model.reference import check_publishable
from catalog.model.release import Image, Release
from catalog.own.moving import open_held
from catalog.progress import Progress, Step, silent
from catalog.snapshot.line import encode_line
from catalog.trust.ownership import check_own_name


@dataclass(frozen=True, slots=True)
class Published:
    """What a publish did.

    ``changed`` is false where this very content was published already; ``added`` are the platforms that came new. ``count`` is what
    went to the store. ``created`` says that the catalogue, whose IPNS name is ``catalogue``, was made now.
    """

    catalogue: str
    created: bool
    release: Release
    added: tuple[Platform, ...]
    changed: bool
    dry_run: bool
    count: WriteCount
    warnings: tuple[str, ...] = ()


def publish(
    home: Home,
    name: str,
    version: str,
    source: ImageSource,
    wanted: Wanted,
    *,
    annotations: Mapping[str, str] | None = None,
    dry_run: bool = False,
    kubo: KuboClient | None = None,
    progress: Progress = silent,
) -> Published:
    """Publish the ``wanted`` images of ``source`` as ``name@version``.

    Where archives moved to the node ``kubo``, what it holds is not stored here once more.

    The same content again changes nothing but its annotations, where those are given; another platform is added. Raises
    `ReleaseConflictError` where the version has other content for a platform, `AmbiguousReferenceError` where the name is another
    catalogue's here, and what ``source`` raises.
    """
    check_publishable(name, version)
    given = dict(annotations or {})
    check_name_is_free(home, name)
    existing = _find_existing(home, name, version)
    held = open_held(home, kubo)
    if existing is not None and isinstance(source, EngineSource) and not given and _is_published(held, existing, source, wanted):
        return Published(_own(home), created=False, release=existing, added=(), changed=False, dry_run=dry_run, count=WriteCount())
    with nullcontext() if dry_run else home.lease(f"publish {name}@{version}"):
        if dry_run:
            counter = BlockCounter(held)
            taken = source.take(wanted, counter, progress)
            count = counter.count
        else:
            home.index, home.trust  # noqa: B018  # making the files takes a while, in which the engine stages the image
            with BlockWriter(held) as writer:
                taken = source.take(wanted, _Counted(writer, progress), progress)
            count = writer.count
        images = {entry.archive.platform: make_image(entry) for entry in taken}
        warnings = _warn(taken)
        if dry_run:
            release, added = merge_images(existing, name, version, images, given, home.time)
            return Published(_own(home), False, release, added, release != existing, True, count, warnings)
        catalogue, created = home.create_own_catalogue()
        with home.lock("own"):
            existing = _find_existing(home, name, version)  # another process may have published meanwhile
            release, added = merge_images(existing, name, version, images, given, home.time)
            changed = release != existing
            if changed:
                home.put_own([release], _changes(catalogue, existing, release, added, home.time))
    return Published(catalogue, created, release, added, changed, False, count, warnings)


def check_name_is_free(home: Home, name: str) -> None:
    """Raise `AmbiguousReferenceError` where publishing ``name`` would change what a reference means here."""
    with home.trust.read() as connection:
        check_own_name(connection, name)


def make_image(taken: TakenImage) -> Image:
    """Write what was taken in as an image of a release."""
    archive = taken.archive
    return Image(
        archive=archive.archive,
        config=archive.config,
        manifest=archive.manifest,
        layers=len(archive.layers),
        size=archive.size,
        unpacked=archive.unpacked,
        created=archive.created,
        registry=tuple(sorted(set(taken.registry))),
    )


def merge_images(
    existing: Release | None, name: str, version: str, images: Mapping[Platform, Image], annotations: Mapping[str, str], at: str
) -> tuple[Release, tuple[Platform, ...]]:
    """Give the release with ``images`` and ``annotations`` put in, and the platforms that are new in it.

    Raises `ReleaseConflictError` where a platform has other content already. Content is the config digest: another archive of it
    (of another format) takes the place of the one before.
    """
    base = existing or Release(name, version, at)
    merged = dict(base.images)
    for platform, image in images.items():
        before = merged.get(platform)
        if before is not None and before.config != image.config:
            raise ReleaseConflictError(
                f"{name}@{version} is published with other content",
                why=f"for {platform} it is {before.config} since {base.published}, not {image.config}; a version never changes",
                hint="publish it as another version",
            )
        if before is None:
            merged[platform] = image
        else:
            registry = tuple(sorted({*before.registry, *image.registry}))
            merged[platform] = replace(before if before.archive == image.archive else image, registry=registry)
    if len(merged) > MAX_PLATFORMS:
        raise InvalidInputError(
            f"{name}@{version} would have {len(merged)} platforms", why=f"a release has at most {MAX_PLATFORMS}"
        )
    added = tuple(sorted(platform for platform in merged if platform not in base.images))
    published = at if base.removed is not None else base.published
    release = replace(
        base,
        images=dict(sorted(merged.items())),
        annotations={**base.annotations, **annotations},
        removed=None,
        published=published,
    )
    encode_line(release)  # what no snapshot could hold is refused before it is promised
    return release, added


class _Counted:
    """The writer, telling what it stored as the totals go on."""

    def __init__(self, writer: BlockWriter, progress: Progress) -> None:
        self._writer = writer
        self._progress = progress
        self._told = 0

    def find_frame(self, content_digest: bytes) -> FrameRef | None:
        return self._writer.find_frame(content_digest)

    def put_frame(self, content_digest: bytes, block: Block) -> None:
        self._writer.put_frame(content_digest, block)
        self._tell()

    def put_node(self, block: Block) -> None:
        self._writer.put_node(block)

    def _tell(self) -> None:
        count = self._writer.count
        if count.bytes - self._told >= 1 << 20:
            self._told = count.bytes
            figures = (("stored", count.new_bytes), ("present", max(0, count.present_bytes)))
            self._progress(Step("part", "stored", count.bytes, None, figures))


def _is_published(held: Blockstore, existing: Release, source: EngineSource, wanted: Wanted) -> bool:
    """Tell, without reading the images, whether the release holds what the engine has, and all of it is held."""
    for described in source.find(wanted):
        image = existing.images.get(described.platform)
        if image is None or described.id not in {str(image.config), str(image.manifest)} or not is_whole(image.archive, held):
            return False
    return existing.removed is None


def _find_existing(home: Home, name: str, version: str) -> Release | None:
    catalogue = home.own_catalogue()
    if catalogue is None:
        return None
    try:
        with home.index.read() as connection:
            return get_release(connection, catalogue, name, version)
    except ReleaseNotFoundError:
        return None


def _own(home: Home) -> str:
    return home.own_catalogue() or ""


def _changes(catalogue: str, before: Release | None, release: Release, added: tuple[Platform, ...], at: str) -> list[Change]:
    if before is None or before.removed is not None:
        kinds: list[tuple[ChangeKind, str]] = [("published", ",".join(map(str, added)))]
    elif added:
        kinds = [("platform", str(platform)) for platform in added]
    else:
        kinds = [("annotated", "")]
    return [Change(catalogue, at, kind, release.name, release.version, platform) for kind, platform in kinds]


def _warn(taken: list[TakenImage]) -> tuple[str, ...]:
    warnings = [entry.note for entry in taken if entry.note]
    for entry in taken:
        if names := find_secrets(entry.image.env, entry.image.labels):
            warnings.append(
                f"the configuration of {entry.archive.platform} has what looks like secrets: {', '.join(names[:8])}; "
                "whoever gets the image can read them, and publishing cannot be undone"
            )
    return tuple(dict.fromkeys(warnings))
