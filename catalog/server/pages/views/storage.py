"""What is stored: what sharing of blocks saved, the largest layers and who shares them, what is kept and why."""

from dataclasses import dataclass

from catalog.errors import BlockNotFoundError, LockedError, StorageError, VerificationError
from catalog.image.reader import read_archive
from catalog.index.releases import iterate_releases
from catalog.ipld.cid import Cid, parse_cid
from catalog.model.release import Image
from catalog.operations.gc import collect_garbage
from catalog.rootfs.leaves import list_leaves
from catalog.server.pages.visit import Visit
from catalog.trust.store import list_pins

_MOST_IMAGES = 500  # that are looked at
_LAYERS = 20
_PINS = 50


@dataclass(frozen=True, slots=True)
class StoredLayer:
    """A layer and the images that have it."""

    diff_id: str
    cid: str
    size: int
    stored: int
    images: int
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class KeptReason:
    """What one reason keeps that no reason before it keeps already."""

    reason: str
    roots: int
    blocks: int
    size: int


@dataclass(frozen=True, slots=True)
class PinRow:
    """An archive that is held, and why."""

    label: str
    reference: str
    platform: str
    reason: str
    since: str


@dataclass(frozen=True, slots=True)
class StoragePage:
    """What is stored here.

    ``unpacked`` is the size of all images that are here as tars, ``apart`` their archives each stored by itself, ``together``
    what they take since equal blocks are stored once. ``looked`` is the number of images of ``images`` that were looked at.
    ``kept`` and ``free`` are null while another command is running that may rely on a block.
    """

    blocks: int
    size: int
    file: int
    images: int
    looked: int
    unpacked: int
    apart: int
    layers_once: int
    together: int
    largest: tuple[StoredLayer, ...]
    kept: tuple[KeptReason, ...] | None
    free: int | None
    pins: tuple[PinRow, ...]
    pinned: int


def storage(visit: Visit) -> StoragePage:
    """Make the page; what is expensive to count is counted once for each state of the home."""
    return visit.remember("storage", lambda: _count(visit))


def _count(visit: Visit) -> StoragePage:
    store = visit.home.blocks.size()
    images = _list_images(visit)
    begun = [(label, image) for label, image in images[:_MOST_IMAGES] if visit.blocks.has(image.archive)]
    layers: dict[Cid, tuple[str, int, int, list[str]]] = {}
    blocks: dict[Cid, int] = {}
    unpacked = apart = 0
    for label, image in begun:
        try:
            view = read_archive(image.archive, visit.blocks)
            leaves = [leaf for layer in view.layers for leaf in list_leaves(layer, visit.blocks)]
        except (BlockNotFoundError, VerificationError):
            continue
        unpacked += image.unpacked
        apart += image.size
        blocks |= {leaf.cid: leaf.stored_size for leaf in leaves}
        for layer in view.layers:
            layers.setdefault(layer.cid, (str(layer.diff_id), layer.size, layer.stored_size, []))[3].append(label)
    largest = sorted(layers.items(), key=lambda entry: -entry[1][2])[:_LAYERS]
    kept, free = _find_garbage(visit)
    pins, pinned = _list_pins(visit)
    return StoragePage(
        blocks=store.blocks,
        size=store.bytes,
        file=store.file_size,
        images=len(images),
        looked=min(len(images), _MOST_IMAGES),
        unpacked=unpacked,
        apart=apart,
        layers_once=sum(entry[2] for entry in layers.values()),
        together=sum(blocks.values()),
        largest=tuple(
            StoredLayer(diff_id, str(cid), size, stored, len(names), tuple(sorted(set(names))[:8]))
            for cid, (diff_id, size, stored, names) in largest
        ),
        kept=kept,
        free=free,
        pins=pins,
        pinned=pinned,
    )


def _list_images(visit: Visit) -> list[tuple[str, Image]]:
    """Return the images of the own catalogue and those that are pinned, each archive once, with a reference."""
    found: dict[Cid, tuple[str, Image]] = {}
    own = visit.view.own()
    if own is not None:
        with visit.home.index.read() as connection:
            for release in iterate_releases(connection, own.catalogue):
                for image in release.images.values():
                    found.setdefault(image.archive, (f"mine/{release.reference}", image))
    with visit.home.trust.read() as connection:
        pins = list_pins(connection)
    for pin in pins:
        archive = parse_cid(pin.archive)
        row = visit.view.catalogue(pin.catalogue)
        known = visit.view.release(pin.catalogue, pin.name, pin.version)
        for image in known.release.images.values() if known is not None else ():
            if image.archive == archive:
                found.setdefault(archive, (f"{row.label if row else pin.catalogue}/{pin.name}@{pin.version}", image))
    return list(found.values())


def _find_garbage(visit: Visit) -> tuple[tuple[KeptReason, ...] | None, int | None]:
    if visit.home.read_only:
        return None, None
    try:
        found = collect_garbage(visit.home, delete=False)
    except (LockedError, StorageError):
        return None, None
    return tuple(KeptReason(kept.reason, kept.roots, kept.blocks, kept.bytes) for kept in found.kept), found.bytes + found.cached


def _list_pins(visit: Visit) -> tuple[tuple[PinRow, ...], int]:
    with visit.home.trust.read() as connection:
        pins = list_pins(connection)
    rows = []
    for pin in sorted(pins, key=lambda pin: pin.since, reverse=True)[:_PINS]:
        row = visit.view.catalogue(pin.catalogue)
        rows.append(PinRow(row.label if row else pin.catalogue, f"{pin.name}@{pin.version}", pin.platform, pin.reason, pin.since))
    return tuple(rows), len(pins)
