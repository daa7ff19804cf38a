"""Compare two images: layers, configuration, and the blocks that a holder of one needs to get the other."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from catalog.image.document import decode_object, get_field, get_object, get_text_map, get_texts
from catalog.image.reader import ArchivedLayer, ArchiveView
from catalog.ipld.block import BlockSource
from catalog.ipld.cid import DAG_PB, Cid
from catalog.model.digest import DiffID
from catalog.unixfs.file import decode_file_node

_WHAT = "the image config"
_SPLIT = {"Env", "Labels"}


@dataclass(frozen=True, slots=True)
class LayerChange:
    """A layer of either image, in the order of the second; removed layers come before the next common one."""

    kind: Literal["same", "added", "removed"]
    layer: ArchivedLayer


@dataclass(frozen=True, slots=True)
class ConfigChange:
    """A setting that differs; None if one side does not have it. Environment and labels are compared entry by entry."""

    key: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class BlockChange:
    """The leaves that both archives have, and those that only the second one has, in blocks and stored bytes."""

    common_blocks: int
    common_size: int
    new_blocks: int
    new_size: int


def compare_layers(before: ArchiveView, after: ArchiveView) -> tuple[LayerChange, ...]:
    """Compare the distinct layers of two images by diffID."""
    kept = {layer.diff_id for layer in after.layers}
    known = {layer.diff_id for layer in before.layers}
    changes: list[LayerChange] = []
    old = list(before.layers)
    for layer in after.layers:
        if any(layer.diff_id == left.diff_id for left in old):
            changes += _take_removed(old, kept, layer.diff_id)
        changes.append(LayerChange("same" if layer.diff_id in known else "added", layer))
    changes += [LayerChange("removed", layer) for layer in old if layer.diff_id not in kept]
    return tuple(changes)


def compare_configs(before: bytes, after: bytes) -> tuple[ConfigChange, ...]:
    """Compare the settings, times and platforms of two configs; raise `ArchiveError` if one is not a config."""
    old, new = _settings(before), _settings(after)
    return tuple(
        ConfigChange(key, old.get(key), new.get(key)) for key in sorted(old.keys() | new.keys()) if old.get(key) != new.get(key)
    )


def compare_blocks(before: Cid, after: Cid, source: BlockSource) -> BlockChange:
    """Compare the leaves of two archives; only inner nodes are read. Raise `BlockNotFoundError` if one is absent."""
    old, new = _leaves(before, source), _leaves(after, source)
    common = old.keys() & new.keys()
    fresh = new.keys() - common
    return BlockChange(len(common), sum(new[cid] for cid in common), len(fresh), sum(new[cid] for cid in fresh))


def _take_removed(old: list[ArchivedLayer], kept: set[DiffID], until: DiffID) -> list[LayerChange]:
    """Remove layers from the front of ``old`` up to ``until``; return those that the new image lacks."""
    removed = []
    while old:
        layer = old.pop(0)
        if layer.diff_id == until:
            break
        if layer.diff_id not in kept:
            removed.append(LayerChange("removed", layer))
    return removed


def _settings(config: bytes) -> Mapping[str, str]:
    document = decode_object(config, _WHAT)
    runtime = get_object(document, "config", _WHAT)
    found = {key: _text(value) for key, value in runtime.items() if key not in _SPLIT and value not in (None, "", [], {}, False)}
    for entry in get_texts(runtime, "Env", _WHAT):
        name, _, value = entry.partition("=")
        found[f"Env {name}"] = value
    found |= {f"Labels {key}": label for key, label in get_text_map(runtime, "Labels", _WHAT).items()}
    for key in ("os", "architecture", "variant", "created", "author"):
        field = get_field(document, key, _WHAT)
        if field is not None:
            found[key] = _text(field)
    return found


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)


def _leaves(archive_cid: Cid, source: BlockSource) -> dict[Cid, int]:
    leaves: dict[Cid, int] = {}
    seen = {archive_cid}
    if archive_cid.codec != DAG_PB:
        return {archive_cid: len(source.get(archive_cid))}
    waiting = [archive_cid]
    while waiting:
        cid = waiting.pop()
        for link in decode_file_node(cid, source.get(cid)).links:
            if link.cid.codec != DAG_PB:
                leaves[link.cid] = link.file_size
            elif link.cid not in seen:
                seen.add(link.cid)
                waiting.append(link.cid)
    return leaves
