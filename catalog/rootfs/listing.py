"""All entries of one layer, and the form in which a listing is kept beside the blocks.

A kept listing is one zstd frame of JSON: ``{"format", "sizes", "problem", "entries"}``. It belongs to the CID of a layer's
sub-DAG, so it is never out of date, and it can always be made again.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate, count, pairwise
from typing import Final

import zstandard

from catalog.errors import ArchiveError, LockedError, VerificationError
from catalog.image.reader import ArchivedLayer
from catalog.ipld.block import BlockSource
from catalog.limits import KIB, MAX_LISTED_ENTRIES, MAX_LISTED_TEXT, MAX_LISTING_SIZE
from catalog.rootfs.content import Held, LayerBytes, Mark, ReadStart
from catalog.rootfs.entry import Entry
from catalog.rootfs.header import BLOCK, read_header
from catalog.rootfs.leaves import list_leaves

_FORMAT: Final = "dcat-files/1"
_STOP_EVERY: Final = 256
_CHEAP: Final = (8 * KIB, 64 * KIB)  # stored bytes of leaves that are looked at for the end of a file, at the first and second try


@dataclass(frozen=True, slots=True)
class LayerListing:
    """The entries of a layer in their order, and where its leaves begin.

    ``problem`` says why the listing ends before the layer does; ``exact`` is false where leaves that are not here were passed over
    by the rule of the cut: such a listing is not kept.
    """

    entries: tuple[Entry, ...]
    marks: tuple[Mark, ...]
    problem: str = ""
    exact: bool = True


def list_layer(
    layer: ArchivedLayer,
    source: BlockSource,
    held: Held,
    stopped: Callable[[], bool] = lambda: False,
    read_start: ReadStart | None = None,
) -> LayerListing:
    """List a layer; what is not held is fetched from ``source`` where headers are in it.

    With ``read_start``, blocks of which only the size counts are neither read whole nor verified, unless the layer then does not
    end where it must: what is wrong in them can make a listing slow, and no listing wrong.
    Raise `BlockNotFoundError` where such a leaf is absent, `VerificationError` for a damaged one, `LockedError` once ``stopped()``.
    """
    leaves = list_leaves(layer, source)
    small = dict.fromkeys(leaf.cid for leaf in leaves if leaf.stored_size <= _CHEAP[0])
    for _ in source.get_many([cid for cid in small if not held(cid)]):  # by one request: most are headers
        pass
    for cheap in (*_CHEAP, 0):
        data = LayerBytes(leaves, source, held, cheap=cheap, read_start=read_start)
        try:
            listing = _read_entries(layer, data, stopped)
            if (data.exact and data.verified) or (not listing.problem and data.ends_at(layer.size)):
                break  # else what was inferred is wrong
        except VerificationError:
            if data.verified:
                raise
        read_start = None
    return listing


def _read_entries(layer: ArchivedLayer, data: LayerBytes, stopped: Callable[[], bool]) -> LayerListing:
    entries: list[Entry] = []
    problem = ""
    text = 0
    try:
        while (header := read_header(data.read)) is not None:
            if len(entries) >= MAX_LISTED_ENTRIES:
                raise ArchiveError(f"the layer has more than {MAX_LISTED_ENTRIES} entries")
            text += len(header.path) + len(header.target)
            if text > MAX_LISTED_TEXT:
                raise ArchiveError(f"the paths of the layer have more than {MAX_LISTED_TEXT} characters")
            if len(entries) % _STOP_EVERY == 0 and stopped():
                raise LockedError("stopped before the layer was listed")
            offset = data.position
            if offset + header.size > layer.size:
                raise ArchiveError("a file is longer than the layer")
            content = ""
            if header.size:
                content = data.pass_content(header.size)
                data.read(-header.size % BLOCK)
            entries.append(Entry(*header, offset, content))
    except ArchiveError as error:
        problem = error.message
    return LayerListing(tuple(entries), data.marks, problem, data.exact)


def open_layer(layer: ArchivedLayer, listing: LayerListing, source: BlockSource, held: Held) -> LayerBytes:
    """Return a reader of a listed layer's bytes."""
    return LayerBytes(list_leaves(layer, source), source, held, listing.marks)


def encode_listing(listing: LayerListing) -> bytes:
    """Encode an exact listing in the form in which it is kept."""
    document = {
        "format": _FORMAT,
        "sizes": [end - start for start, end in pairwise((0, *(mark.start for mark in listing.marks)))],
        "problem": listing.problem,
        "entries": listing.entries,
    }
    text = json.dumps(document, separators=(",", ":"))
    return zstandard.ZstdCompressor(level=3).compress(text.encode("ascii"))


def decode_listing(data: bytes) -> LayerListing | None:
    """Read a kept listing; None for anything else, which is then made again."""
    try:
        if not 0 <= zstandard.frame_content_size(data) <= MAX_LISTING_SIZE:
            return None
        document = json.loads(zstandard.ZstdDecompressor().decompress(data))
        if document["format"] != _FORMAT:
            return None
        marks = tuple(map(Mark, count(1), accumulate(document["sizes"])))
        return LayerListing(tuple(map(Entry._make, document["entries"])), marks, document["problem"])
    except (zstandard.ZstdError, ValueError, KeyError, TypeError, RecursionError):
        return None
