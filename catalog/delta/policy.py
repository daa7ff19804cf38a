"""Decide which delta to take: from which held image, and at which price. No I/O.

The base is the newest image that is held. Deltas that its publisher made for a release lead to it from others, perhaps over several
steps (a chain); what a server offers is one step from any image that it holds as well. Source: docs/formats/delta.md, section 6.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import count

from catalog.ipld.cid import Cid
from catalog.limits import MAX_DELTA_CHAIN
from catalog.model.reference import version_key
from catalog.model.release import DeltaLink, Image

CHAIN_SHARE = 0.5  # of the missing blocks: a chain of published deltas has to be smaller
DELTA_SHARE = 0.7  # a larger delta saves too little for the work that it makes


@dataclass(frozen=True, slots=True)
class KnownImage:
    """An image of the name and platform that is wanted, with the version of its release."""

    version: str
    image: Image


@dataclass(frozen=True, slots=True)
class Hop:
    """A published delta: it makes ``target`` out of ``base``."""

    base: KnownImage
    target: KnownImage
    delta: DeltaLink


def order_bases(target: Cid, known: Iterable[KnownImage]) -> list[KnownImage]:
    """Return the images that could be the base of ``target``, the newest version first, each archive once."""
    bases: dict[Cid, KnownImage] = {}
    for entry in sorted(known, key=lambda entry: version_key(entry.version), reverse=True):
        if entry.image.archive != target:
            bases.setdefault(entry.image.archive, entry)
    return list(bases.values())


def find_chain(target: Cid, known: Sequence[KnownImage], is_held: Callable[[Cid], bool]) -> tuple[Hop, ...]:
    """Return the smallest chain of published deltas that leads to ``target`` from an image that is held; empty if none does.

    ``is_held`` is called for images in the order of their cost, and only for those that a chain reaches.
    """
    images: Mapping[Cid, KnownImage] = {entry.image.archive: entry for entry in known}
    if target not in images:
        return ()
    tie = count()
    reached: set[Cid] = set()
    waiting: list[tuple[int, int, Cid, tuple[Hop, ...]]] = [(0, next(tie), target, ())]
    while waiting:
        cost, _, archive_cid, chain = heappop(waiting)
        if archive_cid in reached:
            continue
        reached.add(archive_cid)
        if chain and is_held(archive_cid):
            return chain
        if len(chain) == MAX_DELTA_CHAIN:
            continue
        for base, delta in images[archive_cid].image.deltas.items():
            if base in images and base not in reached:
                hop = Hop(images[base], images[archive_cid], delta)
                heappush(waiting, (cost + delta.size, next(tie), base, (hop, *chain)))
    return ()


def chain_size(chain: Iterable[Hop]) -> int:
    """Return the bytes of a chain's deltas."""
    return sum(hop.delta.size for hop in chain)


def is_chain_worth(size: int, missing: int) -> bool:
    """Return whether published deltas of ``size`` bytes are taken, or made, in place of ``missing`` bytes of blocks."""
    return size < CHAIN_SHARE * missing


def is_delta_worth(size: int, missing: int) -> bool:
    """Return whether a delta of ``size`` bytes that a server made is worth it in place of ``missing`` bytes of blocks."""
    return size <= DELTA_SHARE * missing
