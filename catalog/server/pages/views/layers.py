"""The layers of an image: which step made each, and what other images share with it."""

from dataclasses import dataclass

from catalog.documents.encoding import extend
from catalog.documents.releases import Layer, describe_layer
from catalog.errors import BlockNotFoundError, VerificationError
from catalog.image.document import decode_object
from catalog.image.reader import ArchivedLayer, ArchiveView, read_archive
from catalog.index.releases import newest_names
from catalog.ipld.cid import Cid
from catalog.lookup.releases import get_release
from catalog.model.release import Image
from catalog.rootfs.leaves import list_leaves
from catalog.server.pages.visit import Visit

_OTHER_NAMES = 48  # whose layers are looked at for shared ones
_LEAF_SIZE = 512  # bytes that a leaf takes in memory, about


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerRow(Layer):
    """A layer, the base first. ``made_by`` is the step of the history that made it.

    Of its ``stored`` bytes, ``shared`` are also in the version before; ``names`` are other names whose newest release has the
    layer.
    """

    number: int
    made_by: str
    shared: int
    names: tuple[str, ...]


def list_layers(visit: Visit, view: ArchiveView, old: Image | None, own: str) -> tuple[LayerRow, ...]:
    """Return the layers of an image, compared with its image of the version before (``old``) and with other names than ``own``."""
    before = leaves_of(visit, old.archive) if old is not None else frozenset()
    elsewhere = visit.remember("layers of names", lambda: _layers_of_names(visit))
    steps = _steps(view)
    rows = []
    for number, layer in enumerate(view.layers, 1):
        names = tuple(sorted(set(elsewhere.get(layer.cid, ())) - {own}))
        shared = sum(size for cid, size in leaves(visit, layer) if cid in before)
        step = steps[number - 1] if number <= len(steps) else ""
        rows.append(extend(LayerRow, describe_layer(layer), number=number, made_by=step, shared=shared, names=names))
    return tuple(rows)


def leaves(visit: Visit, layer: ArchivedLayer) -> tuple[tuple[Cid, int], ...]:
    """Return the distinct leaves of a layer with their stored sizes; none where they cannot be listed."""

    def look() -> tuple[tuple[Cid, int], ...]:
        try:
            return tuple(dict(list_leaves(layer, visit.blocks)).items())
        except (BlockNotFoundError, VerificationError):
            return ()

    return visit.remember(("leaves", layer.cid), look, lambda made: _LEAF_SIZE * (1 + len(made)))


def leaves_of(visit: Visit, archive: Cid) -> frozenset[Cid]:
    """Return the leaves of all layers of an archive; none where they cannot be listed."""

    def look() -> frozenset[Cid]:
        try:
            layers = read_archive(archive, visit.blocks).layers
        except (BlockNotFoundError, VerificationError):
            return frozenset()
        return frozenset(cid for layer in layers for cid, _ in leaves(visit, layer))

    return visit.remember(("archive's leaves", archive), look, lambda made: _LEAF_SIZE * (1 + len(made)))


def new_bytes(visit: Visit, old: Cid, new: Cid) -> int | None:
    """Return how many bytes of leaves of archive ``new`` are not in ``old``; None where they cannot be listed."""

    def look() -> int | None:
        before = leaves_of(visit, old)
        try:
            layers = read_archive(new, visit.blocks).layers if before else ()
        except (BlockNotFoundError, VerificationError):
            layers = ()
        after = {leaf for layer in layers for leaf in leaves(visit, layer)}
        return sum(size for cid, size in after if cid not in before) if after else None

    return visit.remember(("new bytes", old, new), look)


def _layers_of_names(visit: Visit) -> dict[Cid, list[str]]:
    """Return which names' newest releases have a layer, of those that were published last."""
    with visit.home.index.read() as connection:
        entries = newest_names(connection, limit=_OTHER_NAMES)
    found: dict[Cid, list[str]] = {}
    for entry in entries:
        row = visit.view.catalogue(entry.catalogue)
        released = get_release(visit.view, entry.catalogue, entry.name, entry.newest)
        for image in released.release.images.values() if released is not None and row is not None else ():
            try:
                layers = read_archive(image.archive, visit.blocks).layers if visit.blocks.has(image.archive) else ()
            except (BlockNotFoundError, VerificationError):
                continue
            for layer in layers:
                found.setdefault(layer.cid, []).append(f"{row.label if row else ''}/{entry.name}")
    return found


def _steps(view: ArchiveView) -> list[str]:
    """Return the history's step of each distinct layer; none where the history does not fit the layers."""
    document = decode_object(view.config, "the image config")
    history = document.get("history")
    made = [
        str(entry.get("created_by") or entry.get("comment") or "")
        for entry in (history if isinstance(history, list) else ())
        if isinstance(entry, dict) and not entry.get("empty_layer")
    ]
    if len(made) != len(view.image.diff_ids):
        return []
    first: dict[object, str] = {}
    for diff_id, step in zip(view.image.diff_ids, made, strict=True):
        first.setdefault(diff_id, step)
    return [first[layer.diff_id] for layer in view.layers]
