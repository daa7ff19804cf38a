"""Outlines: the small blocks of one DAG in one file, and which other files hold its large ones.

An outline is a CARv1 whose one root is its *manifest*, a strict DAG-CBOR block that stands first. The blocks follow::

    {"before": [link, …], "blobs": [[link, sha256, size], …], "format": "dcat-static/1", "packs": [[sha256, size, index size], …],
     "repository": text, "root": link, "size": integer}

docs/formats/static.md says what each means. Nothing in one is trusted: every block is compared with its CID when it is read, and
a file that an outline names is only where a block is looked for.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Final

from catalog.errors import CodecError, InvalidNameError
from catalog.ipld import dag_cbor
from catalog.ipld.block import Block
from catalog.ipld.car import ByteReader, CarReader, encode_car
from catalog.ipld.cid import DAG_CBOR, Cid, cid_of
from catalog.limits import (
    DEFAULT_MAX_IMAGE_SIZE,
    MAX_LAYERS,
    MAX_OUTLINE_MANIFEST_SIZE,
    MAX_OUTLINE_PLACES,
    MAX_SNAPSHOT_SIZE,
)
from catalog.model.reference import check_name
from catalog.static.layout import FORMAT

_KEYS: Final = {"before", "blobs", "format", "packs", "repository", "root", "size"}
_DIGEST_SIZE: Final = 32


@dataclass(frozen=True, slots=True)
class Blob:
    """A file of a layer: the joined frames of the DAG ``link``. Its name is the sha256 of its bytes, ``digest``."""

    link: Cid
    digest: bytes
    size: int


@dataclass(frozen=True, slots=True)
class PackEntry:
    """A pack of blocks, named by the sha256 of its bytes, and the sizes of it and its index."""

    digest: bytes
    size: int
    index_size: int


@dataclass(frozen=True, slots=True)
class Outline:
    """What an outline says of the DAG under ``root``, and the blocks that it holds.

    ``blobs``: of an archive, where its layers are; of a layer, its own file. ``repository`` is the one that holds them. ``size`` is
    that of a delta's file, else 0. ``before`` and ``packs``: of a snapshot, where the blocks are that came with earlier ones.
    """

    root: Cid
    blocks: tuple[Block, ...] = ()
    blobs: tuple[Blob, ...] = ()
    repository: str = ""
    size: int = 0
    before: tuple[Cid, ...] = ()
    packs: tuple[PackEntry, ...] = ()


def encode_outline(outline: Outline) -> bytes:
    """Return the bytes of an outline; raise `CodecError` where its manifest exceeds the limit."""
    manifest = dag_cbor.encode(
        {
            "before": list(outline.before),
            "blobs": [[blob.link, blob.digest, blob.size] for blob in outline.blobs],
            "format": FORMAT,
            "packs": [[pack.digest, pack.size, pack.index_size] for pack in outline.packs],
            "repository": outline.repository,
            "root": outline.root,
            "size": outline.size,
        }
    )
    if len(manifest) > MAX_OUTLINE_MANIFEST_SIZE:
        raise CodecError("an outline is too large", why=f"its manifest would have {len(manifest)} bytes")
    first = Block(cid_of(manifest, DAG_CBOR), manifest)
    return b"".join(encode_car([first.cid], [first, *outline.blocks]))


def decode_outline(root: Cid, data: bytes) -> Outline:
    """Return the outline of ``root`` in a file; raise `CodecError` for anything else, `BlockMismatchError` for a wrong block."""
    return read_outline(root, BytesIO(data))


def read_outline(root: Cid, stream: ByteReader) -> Outline:
    """Return the outline of ``root`` in a stream, as `decode_outline` does."""
    reader = CarReader(stream, max_roots=1)
    blocks = iter(reader)
    manifest = next(blocks, None)
    if manifest is None or reader.roots != (manifest.cid,) or manifest.cid.codec != DAG_CBOR:
        raise CodecError(f"the outline of {root} has no manifest")
    return _decode_manifest(root, manifest.data, blocks)


def _decode_manifest(root: Cid, data: bytes, blocks: Iterator[Block]) -> Outline:
    if len(data) > MAX_OUTLINE_MANIFEST_SIZE:
        raise CodecError(f"the outline of {root} has a manifest of {len(data)} bytes")
    fields = dag_cbor.decode_map(data)
    if fields.get("format") != FORMAT or set(fields) != _KEYS:
        raise CodecError(f"the outline of {root} is not of format {FORMAT}")
    if fields["root"] != root:
        raise CodecError(f"the outline of {root} is that of another DAG")
    size, repository = fields["size"], fields["repository"]
    if not isinstance(repository, str):
        raise CodecError(f"the outline of {root} has a malformed repository")
    try:
        if repository:
            check_name(repository)
    except InvalidNameError as error:
        raise CodecError(f"the outline of {root} names no repository", why=error.message) from error
    return Outline(
        root,
        tuple(blocks),
        tuple(_read_blobs(root, fields["blobs"])),
        repository,
        _size(root, size, MAX_SNAPSHOT_SIZE),
        _read_links(root, fields["before"]),
        tuple(_read_packs(root, fields["packs"])),
    )


def _read_links(root: Cid, entries: object) -> tuple[Cid, ...]:
    links = [entry for entry in _entries(root, entries, MAX_OUTLINE_PLACES) if isinstance(entry, Cid)]
    if not isinstance(entries, list) or len(links) != len(entries):
        raise CodecError(f"the outline of {root} lists something else than links")
    return tuple(links)


def _read_blobs(root: Cid, entries: object) -> Iterator[Blob]:
    for entry in _entries(root, entries, MAX_LAYERS):
        if not isinstance(entry, list) or len(entry) != 3 or not isinstance(entry[0], Cid):
            raise CodecError(f"the outline of {root} lists a malformed blob")
        yield Blob(entry[0], _digest(root, entry[1]), _size(root, entry[2], DEFAULT_MAX_IMAGE_SIZE))


def _read_packs(root: Cid, entries: object) -> Iterator[PackEntry]:
    for entry in _entries(root, entries, MAX_OUTLINE_PLACES):
        if not isinstance(entry, list) or len(entry) != 3:
            raise CodecError(f"the outline of {root} lists a malformed pack")
        limit = 2 * MAX_SNAPSHOT_SIZE  # leaves, and the nodes above them
        yield PackEntry(_digest(root, entry[0]), _size(root, entry[1], limit), _size(root, entry[2], limit))


def _entries(root: Cid, entries: object, limit: int) -> Iterable[object]:
    if not isinstance(entries, list) or len(entries) > limit:
        raise CodecError(f"the outline of {root} lacks a list of at most {limit} entries")
    return entries


def _digest(root: Cid, value: object) -> bytes:
    if not isinstance(value, bytes) or len(value) != _DIGEST_SIZE:
        raise CodecError(f"the outline of {root} names a file by something else than a sha256")
    return value


def _size(root: Cid, value: object, limit: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= limit:
        raise CodecError(f"the outline of {root} has a malformed size")
    return value
