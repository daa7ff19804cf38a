"""All entries of one layer, and the form in which a listing is kept beside the blocks.

A kept listing is one zstd frame of JSON: ``{"format", "sizes", "problem", "entries"}``. It belongs to the CID of a layer's
sub-DAG, so it is never out of date, and it can always be made again.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import zstandard

from catalog.errors import ArchiveError, LockedError
from catalog.image.reader import ArchivedLayer
from catalog.ipld.block import BlockSource
from catalog.limits import MAX_LISTED_ENTRIES, MAX_LISTED_TEXT, MAX_LISTING_SIZE
from catalog.rootfs.entry import Entry
from catalog.rootfs.header import BLOCK, read_header
from catalog.rootfs.leaves import Held, LayerBytes, list_leaves

_FORMAT: Final = "dcat-files/1"
_STOP_EVERY: Final = 256


@dataclass(frozen=True, slots=True)
class LayerListing:
    """The entries of a layer in their order, and the content sizes of its leaves.

    ``problem`` says why the listing ends before the layer does; ``exact`` is false where sizes of absent leaves were inferred
    from the rule of the cut: such a listing is not kept.
    """

    entries: tuple[Entry, ...]
    sizes: tuple[int, ...]
    problem: str = ""
    exact: bool = True


def list_layer(layer: ArchivedLayer, source: BlockSource, held: Held, stopped: Callable[[], bool] = lambda: False) -> LayerListing:
    """List a layer; what is not held is fetched from ``source`` where headers are in it.

    Raise `BlockNotFoundError` where such a leaf is absent, `VerificationError` for a damaged one, `LockedError` once ``stopped()``.
    """
    data = LayerBytes(list_leaves(layer, source), source, held)
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
            content = data.pass_content(header.size) if header.size else ""
            data.read(-header.size % BLOCK)
            entries.append(
                Entry(
                    header.path,
                    header.kind,
                    header.mode,
                    header.uid,
                    header.gid,
                    header.size,
                    header.mtime,
                    header.target,
                    offset,
                    content,
                )
            )
    except ArchiveError as error:
        problem = error.message
    return LayerListing(tuple(entries), tuple(data.sizes), problem, data.exact)


def open_layer(layer: ArchivedLayer, listing: LayerListing, source: BlockSource, held: Held) -> LayerBytes:
    """Return a reader of a listed layer's bytes."""
    return LayerBytes(list_leaves(layer, source), source, held, listing.sizes)


def encode_listing(listing: LayerListing) -> bytes:
    """Encode a listing in the form in which it is kept."""
    document = {
        "format": _FORMAT,
        "sizes": listing.sizes,
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
        return LayerListing(tuple(map(Entry._make, document["entries"])), tuple(document["sizes"]), document["problem"])
    except (zstandard.ZstdError, ValueError, KeyError, TypeError, RecursionError):
        return None
