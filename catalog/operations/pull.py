"""``dcat pull``: resolve, fetch what is missing, load it into the engine, check, tag; exactly one tag changes.

First a plan, which asks the engine and changes nothing, then its execution. A received tar is never passed on: the engine gets a
canonical archive without tags, rebuilt from verified blocks.
"""

import re
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
    open_archive,
    open_store,
    plan_delta,
)
from catalog.errors import EngineConflictError, EngineLayerMissingError, InvalidReferenceError, UnavailableError
from catalog.home.home import Home
from catalog.image.reader import ArchiveView, tar_size, write_tar
from catalog.index.entry import qualify
from catalog.index.releases import manifests_of
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
from catalog.trust.store import Pin, list_pins, put_note, put_pin

# As Docker's own grammar has them (distribution/reference): a host may have capitals, a name may not.
_HOST = r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*|\[[0-9a-fA-F:]+\])(?::[0-9]+)?"
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_IMAGE_NAME = re.compile(rf"(?:(?=[^/]*[.:]|localhost/){_HOST}/)?{_COMPONENT}(?:/{_COMPONENT})*", re.ASCII)
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", re.ASCII)


@dataclass(frozen=True, slots=True)
class VersionChoice:
    """How to choose a release where the reference is a name alone: the newest, of a minimum age, even if the record expired."""

    latest: bool = False
    min_age: timedelta | None = None
    allow_stale: bool = False


@dataclass(frozen=True, slots=True)
class Pulled:
    """What a pull did, or with ``dry_run`` would do.

    ``tag`` is the engine's tag that points to the image now, None where nothing was loaded; ``image_id`` is what the engine shows
    for it. ``present_layers`` of ``layers`` were in the engine already; ``was_loaded`` is false where it had the image under this
    very tag. In a dry run ``fetched`` is None, and ``planned`` the delta that would be used.
    """

    resolved: Resolved
    platform: Platform
    image: Image
    need: Need
    layers: int
    present_layers: int
    fetched: Delivered | None = None
    tag: str | None = None
    image_id: str | None = None
    was_loaded: bool = False
    dry_run: bool = False
    planned: PlannedDelta | None = None

    @property
    def notices(self) -> tuple[Notice, ...]:
        return self.resolved.notices


@dataclass(frozen=True, slots=True)
class _Target:
    """The image that is pulled, and its place in the engine: ``owner`` is what the tag points to if that is this very image.

    ``force`` says that the tag may be moved from other content.
    """

    reference: str
    resolved: Resolved
    platform: Platform
    image: Image
    name: str
    version: str
    owner: str | None
    force: bool

    @property
    def catalogue(self) -> str:
        return self.resolved.catalogue.catalogue


@dataclass(frozen=True, slots=True)
class _Plan:
    """The archive of a target, and the layers that the engine needs no bytes of (``spare``)."""

    target: _Target
    store: FetchingBlockstore
    view: ArchiveView
    spare: frozenset[DiffID]

    @property
    def layers(self) -> tuple[int, int]:
        """The number of layers, and how many of them the engine has."""
        diff_ids = self.view.image.diff_ids
        return len(diff_ids), sum(diff_id in self.spare for diff_id in diff_ids)


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

    ``tag`` is another tag than ``name:version``; ``force`` moves a tag that has other content. Raise what resolving raises,
    `UnavailableError`, `EngineConflictError` (the tag has other content, or the engine loaded something else).
    """
    target = _choose_target(home, reference, platform, engine, choice, tag, force=force)
    store = open_store(home, network, target.catalogue)
    with home.lease(f"pull {reference}"):
        try:
            plan = _make_plan(home, target, store, engine)
            if dry_run:
                return _preview(home, plan, progress)
            progress(Step("phase", _describe(plan)))
            fetched = bring_archive(home, plan.view, store, plan.spare, progress, catalogue=target.catalogue)
            image_id = _load(home, plan, engine, progress) if engine is not None else None
        except UnavailableError as error:
            raise explain_absence(error, reference, network) from error
        _remember(home, target, engine)
        if fetched.delta is not None:
            add_saving(home, fetched.delta)
    return Pulled(
        target.resolved,
        target.platform,
        target.image,
        fetched.need,
        *plan.layers,
        fetched=fetched,
        tag=f"{target.name}:{target.version}" if engine is not None else None,
        image_id=image_id,
        was_loaded=engine is not None and target.owner is None,
    )


def _choose_target(
    home: Home,
    reference: str,
    platform: Platform,
    engine: Engine | None,
    choice: VersionChoice,
    tag: str | None,
    *,
    force: bool,
) -> _Target:
    parsed = parse_reference(reference)
    wanted = _split_tag(tag) if tag else None
    with open_lookup(home.path) as lookup:
        resolved = lookup.resolve(
            parsed,
            now=home.now,
            platform=platform,
            latest=choice.latest,
            min_age=choice.min_age,
            allow_stale=choice.allow_stale,
        )
    image = resolved.image
    assert image is not None  # a platform was asked for
    # Where a CID or digest alone was typed, the name is one that somebody else chose: it gets the alias of its catalogue in front.
    name, version = wanted or (parsed.name or qualify(resolved.catalogue, resolved.release.name), resolved.release.version)
    owner = _find_owner(engine, name, version, image, force=force) if engine is not None else None
    return _Target(reference, resolved, resolved.platform or platform, image, name, version, owner, force)


def _split_tag(tag: str) -> tuple[str, str]:
    """Split ``NAME:VERSION``, which may begin with a registry's host; raise `InvalidReferenceError` before an engine would."""
    name, colon, version = tag.rpartition(":")
    if not colon or not _IMAGE_NAME.fullmatch(name) or not _TAG.fullmatch(version):
        why = "a tag has the form NAME:VERSION; a name is lower-case letters and digits, joined by single . _ __ or dashes"
        raise InvalidReferenceError(f'"{tag}" is not a valid tag', why=why, hint=_suggest_tag(name, version) if colon else "")
    return name, version


def _suggest_tag(name: str, version: str) -> str:
    lower = name.lower()
    return f"--tag {lower}:{version}" if _IMAGE_NAME.fullmatch(lower) and _TAG.fullmatch(version) else ""


def _find_owner(engine: Engine, name: str, version: str, image: Image, *, force: bool) -> str | None:
    """Return the engine's image ID that the tag points to, if its content is that of ``image``; None where it may be set.

    Raise `EngineConflictError` where the tag has other content and may not be moved.
    """
    owner = engine.tag_owner(name, version)
    if owner is None or owner in {str(image.config), str(image.manifest)}:
        return owner
    # A containerd store names an image by its manifest, and one from a registry has that registry's: the config decides.
    if engine.config_digest(engine.find(owner)) == image.config:
        return owner
    if not force:
        raise EngineConflictError(
            f'the engine has a tag "{name}:{version}" with other content',
            why=f"it points to {owner}, not to {image.config}",
            hint="take another tag, or move this one by force",
        )
    return None


def _make_plan(home: Home, target: _Target, store: FetchingBlockstore, engine: Engine | None) -> _Plan:
    view = open_archive(target.image, target.platform, store)
    if engine is None:
        return _Plan(target, store, view, frozenset())
    spare = _find_spare(home, engine, view) if target.owner is None else frozenset(view.image.diff_ids)
    return _Plan(target, store, view, spare)


def _preview(home: Home, plan: _Plan, progress: Progress) -> Pulled:
    target = plan.target
    need = count_need(plan.view, plan.store, plan.spare)
    planned = plan_delta(home, plan.view, plan.store, need, progress, target.catalogue)
    return Pulled(target.resolved, target.platform, target.image, need, *plan.layers, dry_run=True, planned=planned)


def _load(home: Home, plan: _Plan, engine: Engine, progress: Progress) -> str:
    """Load the image into the engine, check what it loaded, and tag it; return its image ID."""
    target, view, store = plan.target, plan.view, plan.store
    if target.owner is not None:
        if engine.tag_owner(target.name, target.version) != target.owner:
            raise EngineConflictError(
                f'the tag "{target.name}:{target.version}" was changed in the engine while the image was fetched',
                why=f"it pointed to {target.owner}",
                hint="run the command again",
            )
        return target.owner
    try:
        loaded = engine.load(write_tar(view, store, plan.spare), tar_size(view, plan.spare), progress)
    except EngineLayerMissingError:
        # A layer that the engine had a moment ago is gone: it gets all of them.
        bring_archive(home, view, store, progress=progress, catalogue=target.catalogue)
        loaded = engine.load(write_tar(view, store), tar_size(view), progress)
    image_id = str(engine.check_loaded(loaded, view.config_digest, view.manifest_digest, view.image.diff_ids).id)
    if not target.force:  # the tag was free, and somebody may have set it since: fetching takes minutes
        _find_owner(engine, target.name, target.version, target.image, force=False)
    engine.tag(image_id, target.name, target.version)
    return image_id


def _find_spare(home: Home, engine: Engine, view: ArchiveView) -> frozenset[DiffID]:
    """Return the layers that the engine has.

    An engine with the containerd store has the uncompressed layers of an image that was pulled here as long as it has the canonical
    manifest of that image.
    """
    if engine.info().store != "containerd":
        return engine.spare_layers(view.image.diff_ids)
    with home.trust.read() as connection:
        archives = [parse_cid(pin.archive) for pin in list_pins(connection)]
    with home.index.read() as connection:
        manifests = manifests_of(connection, archives)
    return engine.spare_layers(view.image.diff_ids, manifests)


def _remember(home: Home, target: _Target, engine: Engine | None) -> None:
    """Hold the archive, and remember which digest the engine shows as image ID."""
    release = target.resolved.release
    pin = Pin(str(target.image.archive), target.catalogue, release.name, release.version, str(target.platform), "pulled", home.time)
    with home.trust.write() as connection:
        put_pin(connection, pin)
        if engine is not None:
            put_note(connection, ENGINE_IMAGE_ID, "manifest" if engine.info().store == "containerd" else "config")


def _describe(plan: _Plan) -> str:
    total, present = plan.layers
    layers = f"{total} layer{'' if total == 1 else 's'}"
    if present:
        layers += f", {present} of them in the engine"
    return f"Getting {plan.target.reference} ({plan.target.platform}, {layers})"
