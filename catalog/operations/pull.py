"""``dcat pull``: resolve, fetch what is missing, load it into the engine, check, tag; exactly one tag changes.

A received tar is never passed on: the engine gets a canonical archive that is rebuilt from verified blocks, without tags.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta

from catalog.clients.docker import Engine
from catalog.delivery import (
    Delivered,
    Need,
    PlannedDelta,
    add_saving,
    bring_archive,
    count_need,
    explain_absence,
    open_store,
    plan_delta,
)
from catalog.errors import EngineConflictError, EngineLayerMissingError, InvalidReferenceError, UnavailableError
from catalog.home.home import Home
from catalog.image.reader import ArchiveView, read_archive, tar_size, write_tar
from catalog.ipld.cid import parse_cid
from catalog.lookup.locate import Notice, Resolved, open_lookup
from catalog.model.digest import DiffID
from catalog.model.platform import Platform
from catalog.model.reference import parse_reference
from catalog.model.release import Image
from catalog.progress import Progress, Step, silent
from catalog.sources.network import NO_NETWORK, Network
from catalog.sources.store import FetchingBlockstore
from catalog.trust.notes import ENGINE_IMAGE_ID


@dataclass(frozen=True, slots=True)
class VersionChoice:
    """Which release a reference means, where a name alone is not enough: the newest, of an age, although the record expired."""

    latest: bool = False
    min_age: timedelta | None = None
    allow_stale: bool = False


@dataclass(frozen=True, slots=True)
class Pulled:
    """What a pull did, or with ``dry_run`` would do.

    ``tag`` is the engine's tag that points to the image now, None where nothing was loaded; ``image_id`` what the engine shows for
    it. ``present_layers`` of ``layers`` were in the engine already. ``was_loaded`` is false where the engine had the image under
    this very tag. ``fetched`` is None, and ``planned`` the delta that would be taken, where nothing was to be done.
    """

    resolved: Resolved
    platform: Platform
    image: Image
    need: Need
    layers: int
    present_layers: int
    fetched: Delivered | None
    tag: str | None
    image_id: str | None
    was_loaded: bool
    dry_run: bool
    planned: PlannedDelta | None = None

    @property
    def notices(self) -> tuple[Notice, ...]:
        return self.resolved.notices


def pull(
    home: Home,
    reference: str,
    *,
    platform: Platform,
    engine: Engine | None,
    network: Network = NO_NETWORK,
    choice: VersionChoice = VersionChoice(),
    tag: str | None = None,
    force: bool = False,
    dry_run: bool = False,
    progress: Progress = silent,
) -> Pulled:
    """Pull the image for ``platform`` of the release that ``reference`` means; without an ``engine``, only into the store.

    ``tag`` is another tag than ``name:version``; ``force`` moves one that has other content. Raises what resolving raises,
    `UnavailableError`, `EngineConflictError` (the tag has other content, or the engine loaded something else).
    """
    resolved = resolve_image(home, reference, platform, choice)
    image = resolved.image
    assert image is not None
    name, version = split_tag(tag) if tag else tag_of(reference, resolved)
    was_there = engine is not None and _check_tag(engine, name, version, image, force=force)
    store = open_store(home, network)
    catalogue = resolved.catalogue.catalogue
    with home.lease(f"pull {reference}"):
        try:
            view = _read(image, store, reference)
            spare = _find_spare(home, engine, view) if engine is not None else frozenset()
            if was_there:
                spare = frozenset(view.image.diff_ids)
            layers = len(view.image.diff_ids), sum(diff_id in spare for diff_id in view.image.diff_ids)
            asked = resolved, resolved.platform or platform, image
            if dry_run:
                need = count_need(view, store, spare)
                planned = plan_delta(home, view, store, need, progress, catalogue)
                return Pulled(*asked, need, *layers, None, None, None, was_loaded=False, dry_run=True, planned=planned)
            progress(Step("phase", _describe(reference, resolved, view, layers[1])))
            fetched = bring_archive(home, view, store, spare, progress, catalogue=catalogue)
            image_id = None
            if engine is not None:
                image_id = engine.tag_owner(name, version) if was_there else _load(home, engine, view, store, spare, progress)
                if not was_there:
                    engine.tag(str(image_id), name, version)
        except UnavailableError as error:
            raise explain_absence(error, reference, network) from error
        _remember(home, resolved, image, platform, engine)
        if fetched.delta is not None:
            add_saving(home, fetched.delta)
    tagged = f"{name}:{version}" if engine is not None else None
    was_loaded = engine is not None and not was_there
    return Pulled(*asked, fetched.need, *layers, fetched, tagged, image_id, was_loaded=was_loaded, dry_run=False)


def resolve_image(home: Home, reference: str, platform: Platform, choice: VersionChoice = VersionChoice()) -> Resolved:
    """Resolve a reference to an image for ``platform``."""
    with open_lookup(home.path) as lookup:
        return lookup.resolve(
            parse_reference(reference),
            now=home.now,
            platform=platform,
            latest=choice.latest,
            min_age=choice.min_age,
            allow_stale=choice.allow_stale,
        )


def tag_of(reference: str, resolved: Resolved) -> tuple[str, str]:
    """Give the engine's tag for a pulled release: its name and version, with the alias in front where the reference had one."""
    typed = parse_reference(reference).name
    return typed or resolved.release.name, resolved.release.version


def split_tag(tag: str) -> tuple[str, str]:
    """Take ``NAME:VERSION`` apart; the engine judges the rest."""
    name, colon, version = tag.rpartition(":")
    if not colon or not name or "/" in version or not version:
        raise InvalidReferenceError(f'"{tag}" is no tag', why="a tag reads NAME:VERSION")
    return name, version


def _check_tag(engine: Engine, name: str, version: str, image: Image, *, force: bool) -> bool:
    """Tell whether the tag has this very content already; raise `EngineConflictError` where it has other and may not be moved."""
    owner = engine.tag_owner(name, version)
    if owner is None:
        return False
    if owner in {str(image.config), str(image.manifest)}:
        return True
    # A containerd store names an image by its manifest, and one from a registry has that registry's: the config tells.
    if engine.config_digest(engine.find(f"{name}:{version}")) == image.config:
        return True
    if not force:
        raise EngineConflictError(
            f'the engine has a tag "{name}:{version}" with other content',
            why=f"it points to {owner}, not to {image.config}",
            hint="take another tag, or move this one by force",
        )
    return False


def _read(image: Image, store: FetchingBlockstore, reference: str) -> ArchiveView:
    view = read_archive(image.archive, store)
    if view.config_digest != image.config:
        raise EngineConflictError(
            f'the archive of "{reference}" holds another image than its catalogue says',
            why=f"its config is {view.config_digest}, not {image.config}",
        )
    return view


def _load(
    home: Home, engine: Engine, view: ArchiveView, store: FetchingBlockstore, spare: Collection[DiffID], progress: Progress
) -> str:
    try:
        loaded = engine.load(write_tar(view, store, spare), tar_size(view, spare), progress)
    except EngineLayerMissingError:
        # A layer that the engine had a moment ago is gone: it gets all of them.
        bring_archive(home, view, store, progress=progress)
        loaded = engine.load(write_tar(view, store), tar_size(view), progress)
    return engine.check_loaded(loaded, view.config_digest, view.manifest_digest, view.image.diff_ids).id


def _find_spare(home: Home, engine: Engine, view: ArchiveView) -> frozenset[DiffID]:
    """Tell which layers the engine does not need. One with the containerd store holds the layers of what was pulled here
    uncompressed, as long as it holds the canonical manifest.
    """
    if engine.info().store != "containerd":
        return engine.spare_layers(view.image.diff_ids)
    from catalog.index.releases import manifests_of
    from catalog.trust.store import list_pins

    with home.trust.read() as connection:
        archives = [parse_cid(pin.archive) for pin in list_pins(connection)]
    with home.index.read() as connection:
        manifests = manifests_of(connection, archives)
    return engine.spare_layers(view.image.diff_ids, manifests)


def _remember(home: Home, resolved: Resolved, image: Image, platform: Platform, engine: Engine | None) -> None:
    from catalog.trust.store import Pin, put_note, put_pin

    release = resolved.release
    with home.trust.write() as connection:
        put_pin(
            connection,
            Pin(
                archive=str(image.archive),
                catalogue=resolved.catalogue.catalogue,
                name=release.name,
                version=release.version,
                platform=str(resolved.platform or platform),
                reason="pulled",
                since=home.time,
            ),
        )
        if engine is not None:
            put_note(connection, ENGINE_IMAGE_ID, "manifest" if engine.info().store == "containerd" else "config")


def _describe(reference: str, resolved: Resolved, view: ArchiveView, present: int) -> str:
    total = len(view.image.diff_ids)
    layers = f"{total} layer{'' if total == 1 else 's'}"
    if present:
        layers += f", {present} of them in the engine"
    return f"Getting {reference} ({resolved.platform}, {layers})"
