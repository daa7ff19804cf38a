"""What is stored: what sharing of blocks saved, the largest layers and who shares them, what is kept and why."""

from dataclasses import dataclass
from typing import NamedTuple

from catalog.errors import BlockNotFoundError, LockedError, StorageError, VerificationError
from catalog.image.reader import ArchivedLayer, read_archive
from catalog.index.releases import iterate_releases
from catalog.ipld.cid import Cid, parse_cid
from catalog.limits import MAX_COUNTED_LEAVES
from catalog.lookup.releases import get_release
from catalog.operations.gc import collect_garbage
from catalog.rootfs.leaves import Leaf, list_leaves
from catalog.server.pages.visit import Visit
from catalog.trust.store import list_pins

_LAYERS = 20
_PINS = 50


class _Image(NamedTuple):
    label: str
    size: int
    unpacked: int


class _Layer(NamedTuple):
    layer: ArchivedLayer
    names: list[str]  # of the images that have it


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
    what they take since equal blocks are stored once. ``looked`` is the number of images of ``images`` that were looked at:
    all, unless they have more than 2,000,000 blocks.
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
    layers: dict[Cid, _Layer] = {}
    leaves: set[bytes] = set()
    looked = unpacked = apart = together = 0
    for archive, image in images.items():
        if len(leaves) >= MAX_COUNTED_LEAVES:
            break
        if visit.stopped():
            raise LockedError("stopped before the images were counted")
        looked += 1
        found = _read_layers(visit, archive, layers)
        if found is None:
            continue
        unpacked += image.unpacked
        apart += image.size
        for layer, its_leaves in found:
            if layer.cid not in layers:
                layers[layer.cid] = _Layer(layer, [])
                for leaf in its_leaves:
                    if leaf.cid.digest not in leaves:
                        leaves.add(leaf.cid.digest)
                        together += leaf.stored_size
            layers[layer.cid].names.append(image.label)
    largest = sorted(layers.values(), key=lambda entry: -entry.layer.stored_size)[:_LAYERS]
    kept, free = _find_garbage(visit)
    pins, pinned = _list_pins(visit)
    return StoragePage(
        blocks=store.blocks,
        size=store.bytes,
        file=store.file_size,
        images=len(images),
        looked=looked,
        unpacked=unpacked,
        apart=apart,
        layers_once=sum(entry.layer.stored_size for entry in layers.values()),
        together=together,
        largest=tuple(_describe(entry) for entry in largest),
        kept=kept,
        free=free,
        pins=pins,
        pinned=pinned,
    )


def _read_layers(visit: Visit, archive: Cid, known: dict[Cid, _Layer]) -> list[tuple[ArchivedLayer, list[Leaf]]] | None:
    """Return the layers of an archive, each with its leaves where it is not known yet; None where they are not all here."""
    if not visit.blocks.has(archive):
        return None
    try:
        layers = read_archive(archive, visit.blocks).layers
        return [(layer, [] if layer.cid in known else list_leaves(layer, visit.blocks)) for layer in layers]
    except (BlockNotFoundError, VerificationError):
        return None


def _describe(entry: _Layer) -> StoredLayer:
    layer, names = entry
    shown = tuple(sorted(set(names))[:8])
    return StoredLayer(str(layer.diff_id), str(layer.cid), layer.size, layer.stored_size, len(names), shown)


def _list_images(visit: Visit) -> dict[Cid, _Image]:
    """Return the images of the own catalogue and those that are pinned, by archive, with a reference of each."""
    found: dict[Cid, _Image] = {}
    own = visit.view.own()
    if own is not None:
        with visit.home.index.read() as connection:
            for release in iterate_releases(connection, own.catalogue):
                for image in release.images.values():
                    found.setdefault(image.archive, _Image(f"mine/{release.reference}", image.size, image.unpacked))
    with visit.home.trust.read() as connection:
        pins = list_pins(connection)
    for pin in pins:
        archive = parse_cid(pin.archive)
        row = visit.view.catalogue(pin.catalogue)
        known = get_release(visit.view, pin.catalogue, pin.name, pin.version)
        for image in known.release.images.values() if known is not None else ():
            if image.archive == archive:
                label = f"{row.label if row else pin.catalogue}/{pin.name}@{pin.version}"
                found.setdefault(archive, _Image(label, image.size, image.unpacked))
    return found


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
