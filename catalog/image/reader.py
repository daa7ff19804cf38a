"""Read an archive from its blocks: check that it is canonical, then yield its bytes.

An archive may come from a stranger: all claims of its root are checked against the canonical metadata, rebuilt from the config and
the sizes of the layers. `read_archive` needs the root and its first link only, so that a pull knows which layers it needs before
it fetches them; the layers are checked against their diffIDs and the leaves between them against the canonical ones while they
are read. How a layer was cut, and by which encoder its frames were made, is not checked: a reader accepts any file of zstd frames.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Final

from catalog.errors import ArchiveError, VerificationError
from catalog.image.canonical import END, CanonicalArchive, lay_out_archive, padding
from catalog.image.config import ImageConfig, parse_config
from catalog.image.encoder import inflate_frame
from catalog.image.hashing import LayerDigest
from catalog.image.inflating import Batch, Inflater
from catalog.image.oci import parse_manifest
from catalog.ipld.block import BlockSource
from catalog.ipld.cid import Cid
from catalog.limits import DEFAULT_MAX_IMAGE_SIZE, MAX_FANOUT, MAX_METADATA_SIZE
from catalog.model.digest import ConfigDigest, DiffID, ManifestDigest
from catalog.model.platform import Platform
from catalog.model.release import Image
from catalog.unixfs.file import FileLink, decode_file_node
from catalog.unixfs.file_reader import read_file

_BLOCK: Final = 512
_MEMBERS: Final = 5  # of the metadata


@dataclass(frozen=True, slots=True)
class ArchivedLayer:
    """A distinct layer of an archive: ``size`` uncompressed, ``stored_size`` of its frames, ``cid`` of its sub-DAG."""

    diff_id: DiffID
    size: int
    cid: Cid
    stored_size: int


@dataclass(frozen=True, slots=True)
class ArchiveView:
    """An archive whose metadata was read and found canonical; its layers are not read yet.

    ``layers`` are the distinct ones in order of their first position, ``image.diff_ids`` all of them; ``size`` is the ``tar.zst``,
    ``unpacked`` the tar; ``frame`` is all of the tar but the layers, ``links`` are the root's.
    """

    cid: Cid
    config: bytes
    config_digest: ConfigDigest
    manifest: bytes
    manifest_digest: ManifestDigest
    image: ImageConfig
    layers: tuple[ArchivedLayer, ...]
    size: int
    unpacked: int
    frame: CanonicalArchive
    links: tuple[FileLink, ...]


def read_archive(cid: Cid, source: BlockSource) -> ArchiveView:
    """Read root and metadata of an archive; raise `ArchiveError` unless canonical, `BlockNotFoundError` if absent."""
    root = decode_file_node(cid, source.get(cid))
    if root.file_size > DEFAULT_MAX_IMAGE_SIZE:
        raise ArchiveError(f"{cid} has {root.file_size} bytes", why=f"at most {DEFAULT_MAX_IMAGE_SIZE} are read")
    links = root.links
    found = _read_metadata(links[0], source) if links else None
    if found is None:  # an image without layers: metadata and end are the whole archive
        links = (FileLink(cid, root.file_size, 0),)
        found = _read_metadata(links[0], source)
    if found is None:
        raise ArchiveError(f"{cid} is not an image archive", why="it does not begin with an archive's metadata")
    data, manifest, config = found
    image = parse_config(config)
    listed = parse_manifest(manifest)
    sizes = {DiffID(layer.digest.raw): layer.size for layer in listed.layers}
    if tuple(DiffID(layer.digest.raw) for layer in listed.layers) != image.diff_ids:
        raise ArchiveError(f"archive {cid} is not canonical", why="manifest and config name different layers")
    frame = lay_out_archive(config, image.diff_ids, sizes)
    if data != frame.head:
        raise ArchiveError(f"archive {cid} is not canonical", why="its metadata does not follow from its config")
    if len(links) != 2 * len(frame.diff_ids) + 1:
        raise ArchiveError(f"archive {cid} is not canonical", why=f"{len(frame.diff_ids)} layers and {len(links)} links")
    layers = zip(frame.diff_ids, frame.sizes, links[1::2], strict=True)
    return ArchiveView(
        cid=cid,
        config=config,
        config_digest=image.digest,
        manifest=frame.manifest,
        manifest_digest=frame.manifest_digest,
        image=image,
        layers=tuple(ArchivedLayer(diff_id, size, link.cid, link.file_size) for diff_id, size, link in layers),
        size=root.file_size,
        unpacked=frame.size,
        frame=frame,
        links=links,
    )


def read_listed_archive(image: Image, platform: Platform, source: BlockSource) -> ArchiveView:
    """Read root and metadata of the archive that a release lists; raise `ArchiveError` unless it is what the release says.

    A publisher can write any line: its config, manifest and platform must be those of the archive.
    """
    view = read_archive(image.archive, source)
    check_listed_archive(view, image, platform)
    return view


def check_listed_archive(view: ArchiveView, image: Image, platform: Platform) -> None:
    """Raise `ArchiveError` unless config, manifest and platform of an archive are those that a release lists.

    A config that states no platform is published under the one that was given or assumed then.
    """
    for what, found, listed, is_same in (
        ("config", view.config_digest, image.config, view.config_digest == image.config),
        ("manifest", view.manifest_digest, image.manifest, view.manifest_digest == image.manifest),
        ("platform", view.image.platform, platform, view.image.fits(platform)),
    ):
        if not is_same:
            raise ArchiveError(
                f"the archive {view.cid} is not the image that its catalogue lists",
                why=f"its {what} is {found}, not {listed}",
                hint="ask the owner of the catalogue",
            )


def write_tar(view: ArchiveView, source: BlockSource, without: Collection[DiffID] = ()) -> Iterator[bytes]:
    """Yield the canonical uncompressed tar in pieces, without the layers in ``without`` (an engine that has them needs no more).

    Every layer's diffID is verified at its end, before the archive can complete: `VerificationError`. An absent block is a
    `BlockNotFoundError`.
    """
    yield view.frame.metadata
    with Inflater() as inflater:
        for layer, header, link in zip(view.layers, view.frame.headers, view.links[1::2], strict=True):
            if layer.diff_id in without:
                continue
            yield header
            for batch in _read_layer(layer, link, source, inflater):
                yield batch.content
            yield padding(layer.size)
    yield END


def tar_size(view: ArchiveView, without: Collection[DiffID] = ()) -> int:
    """Return the number of bytes that `write_tar` yields."""
    return view.frame.size_without(frozenset(without))


def iter_stored(view: ArchiveView, source: BlockSource) -> Iterator[bytes]:
    """Yield the archive as it is stored, ``view.size`` bytes of ``tar.zst``; contents are verified as in `write_tar`."""
    yield from _read_glue(view, view.links[0], view.frame.head, source)
    with Inflater() as inflater:
        for position, layer in enumerate(view.layers):
            for batch in _read_layer(layer, view.links[2 * position + 1], source, inflater):
                yield b"".join(batch.frames)
            yield from _read_glue(view, view.links[2 * position + 2], view.frame.gap(position), source)


def _read_metadata(link: FileLink, source: BlockSource) -> tuple[bytes, bytes, bytes] | None:
    """Read the file that should be the metadata; return it, the manifest and the config in it; None if it is something else."""
    if link.file_size > MAX_METADATA_SIZE:
        return None
    content = bytearray()
    for number, frame in enumerate(read_file(link.cid, source, max_size=link.file_size)):
        content += inflate_frame(frame)
        if len(content) > MAX_METADATA_SIZE or number == MAX_FANOUT:
            raise ArchiveError("an archive's metadata is too large", why=f"{MAX_METADATA_SIZE} bytes are the most")
    bodies: list[bytes] = []
    offset = 0
    for _ in range(_MEMBERS):
        digits = bytes(content[offset + 124 : offset + 135])
        if not digits.isdigit() or b"8" in digits or b"9" in digits:
            return None
        start = offset + _BLOCK
        end = start + int(digits, 8)
        if end > len(content):
            return None
        bodies.append(bytes(content[start:end]))
        offset = end + -end % _BLOCK
    return bytes(content), bodies[3], bodies[4]


def _read_layer(layer: ArchivedLayer, link: FileLink, source: BlockSource, inflater: Inflater) -> Iterator[Batch]:
    """Yield a layer's frames and contents, the last batch only after the whole layer was verified."""
    digest = LayerDigest()
    size = stored_size = 0
    last: Batch | None = None
    for batch in inflater.inflate(read_file(link.cid, source, max_size=link.file_size)):
        if batch.has_empty and layer.size:
            raise VerificationError(f"layer {layer.diff_id} has a frame without content")
        size += len(batch.content)
        if size > layer.size:
            raise VerificationError(f"layer {layer.diff_id} inflates to more than the {layer.size} bytes it should have")
        digest.update(batch.content)
        stored_size += sum(map(len, batch.frames))
        if last:
            yield last
        last = batch
    if stored_size != link.file_size:
        raise VerificationError(f"layer {layer.diff_id} is stored in {stored_size} bytes; its archive says {link.file_size}")
    found = digest.finish()
    if size != layer.size or found != layer.diff_id.raw:
        raise VerificationError(
            f"layer {layer.diff_id} does not match its diffID", why=f"its blocks give {size} bytes, sha256:{found.hex()}"
        )
    if last:
        yield last


def _read_glue(view: ArchiveView, link: FileLink, expected: bytes, source: BlockSource) -> Iterator[bytes]:
    """Yield the frames of metadata or of a leaf between layers, which hold ``expected`` and nothing else."""
    offset = stored_size = 0
    for frame in read_file(link.cid, source, max_size=link.file_size):
        content = inflate_frame(frame)
        stored_size += len(frame)
        if not content or expected[offset : offset + len(content)] != content:
            raise VerificationError(f"archive {view.cid} is not canonical", why="the bytes between its layers differ")
        offset += len(content)
        yield frame
    if offset != len(expected) or stored_size != link.file_size:
        raise VerificationError(f"archive {view.cid} is not canonical", why="the bytes between its layers are too few")
