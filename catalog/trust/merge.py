"""Merging a catalogue that two homes changed: one key on two machines, or a home restored from an old backup (docs/safety.md, A10
and A11).

Releases are append-only, so a three-way merge of each `name@version` is nearly always unambiguous: what only one side changed is
taken from that side. Both may add platforms, yank and annotate. Only one platform with two contents cannot be merged: the side that
was shared first (``theirs``) wins, since others hold it, and the other is reported.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from catalog.limits import MAX_DELTAS
from catalog.model.digest import ConfigDigest
from catalog.model.platform import Platform
from catalog.model.release import Image, Release, fit_registry

_K = TypeVar("_K")
_V = TypeVar("_V")


@dataclass(frozen=True, slots=True)
class Merged:
    """The merged release, and the own contents that it leaves out, by platform."""

    release: Release
    lost: Mapping[Platform, ConfigDigest]


def merge_release(base: Release | None, mine: Release | None, theirs: Release | None) -> Merged:
    """Merge one `name@version`; ``base`` is what both sides started from, None where it did not exist or is unknown.

    At least one of ``mine`` and ``theirs`` is not None. A side that lacks a line never saw it: lines are never deleted.
    """
    if mine is None or theirs is None:
        release = mine or theirs
        if release is None:
            raise ValueError("neither side has the release")
        return Merged(release, {})
    if mine == theirs:
        return Merged(theirs, {})
    removed = _merge_removal(base, mine, theirs)
    images: dict[Platform, Image] = {}
    lost: dict[Platform, ConfigDigest] = {}
    if removed is None:
        for platform in sorted(mine.images.keys() | theirs.images.keys()):
            own, other = mine.images.get(platform), theirs.images.get(platform)
            if own is not None and other is not None and own.config == other.config:
                images[platform] = _merge_image(base.images.get(platform) if base else None, own, other)
                continue
            images[platform] = other or mine.images[platform]
            if own is not None and other is not None:
                lost[platform] = own.config
    release = replace(
        theirs,
        published=min(mine.published, theirs.published),
        images=fit_registry(images),
        annotations=_merge_maps(base.annotations if base else {}, mine.annotations, theirs.annotations),
        removed=removed,
        yanked=mine.yanked if theirs.yanked == (base.yanked if base else None) else theirs.yanked,
        extra=_merge_maps(base.extra if base else {}, mine.extra, theirs.extra),
    )
    return Merged(release, lost)


def _merge_removal(base: Release | None, mine: Release, theirs: Release) -> str | None:
    """Return what one side alone changed; else a removal by either, the earlier of two."""
    before = base.removed if base else None
    if theirs.removed == before:
        return mine.removed
    if mine.removed == before:
        return theirs.removed
    return min(filter(None, (mine.removed, theirs.removed)), default=None)


def _merge_image(base: Image | None, mine: Image, theirs: Image) -> Image:
    if mine.archive != theirs.archive:
        return mine if theirs == base else theirs
    deltas = dict(sorted({**mine.deltas, **theirs.deltas}.items())[:MAX_DELTAS])
    return replace(theirs, registry=tuple(sorted({*mine.registry, *theirs.registry})), deltas=deltas)


def _merge_maps(base: Mapping[_K, _V], mine: Mapping[_K, _V], theirs: Mapping[_K, _V]) -> dict[_K, _V]:
    """Merge key by key; where both changed one key, ``theirs`` wins."""
    merged = dict(theirs)
    for key in mine.keys() | base.keys():
        if key in mine and mine[key] != base.get(key) and theirs.get(key) == base.get(key):
            merged[key] = mine[key]
        elif key not in mine and key in base and theirs.get(key) == base[key]:
            merged.pop(key, None)
    return merged
