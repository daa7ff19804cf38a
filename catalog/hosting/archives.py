"""The files of images: layers as they are stored, outlines, deltas, and what a registry shows of a release."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress

from catalog.errors import UnavailableError
from catalog.hosting.folder import Folder, Pointer
from catalog.hosting.outlines import find_outline
from catalog.image.canonical import INDEX_TYPE
from catalog.image.reader import ArchivedLayer, ArchiveView, read_listed_archive
from catalog.image.walk import walk
from catalog.ipld.block import Block, BlockSource
from catalog.ipld.cid import RAW, Cid
from catalog.model.platform import Platform
from catalog.model.release import IMAGE_FORMAT, Image, Release
from catalog.sources.store import FetchingBlockstore
from catalog.static.layout import blob_path, delta_path, index_mark_path, manifest_path, outline_path
from catalog.static.outline import Blob, Outline, encode_outline
from catalog.static.registry import Document, build_index, build_manifest
from catalog.unixfs.file_reader import read_file


class ArchiveWriter:
    """Writes the files of images into a folder. Blocks come from ``store``, which fetches what is missing."""

    def __init__(self, folder: Folder, store: FetchingBlockstore) -> None:
        self._folder = folder
        self._store = store

    def write_release(self, release: Release) -> Iterator[Pointer]:
        """Write all files of a release; yield what leads to it in the registry. Images of unknown formats are left out."""
        manifests: dict[Platform, Document] = {}
        for platform, image in release.images.items():
            if image.format != IMAGE_FORMAT:
                continue
            manifests[platform] = self._write_image(release.name, platform, image)
            for delta in image.deltas.values():
                with suppress(UnavailableError):  # the blocks do as well
                    self._write_delta(delta.cid, delta.size)
        if not manifests:
            return
        for document in manifests.values():
            self._folder.put(manifest_path(release.name, document.digest), document.data)
        shown = next(iter(manifests.values())) if len(manifests) == 1 else build_index(manifests)
        self._folder.put(manifest_path(release.name, shown.digest), shown.data)
        if shown.media_type == INDEX_TYPE:
            self._folder.put(index_mark_path(release.name, shown.digest), shown.data)
            yield Pointer(index_mark_path(release.name, release.version), shown.data)
        yield Pointer(manifest_path(release.name, release.version), shown.data)

    def _write_image(self, name: str, platform: Platform, image: Image) -> Document:
        self._store.expect([image.archive])
        view = read_listed_archive(image, platform, self._store)
        blobs = {layer.diff_id: self._write_layer(name, layer) for layer in view.layers}
        self._folder.put(blob_path(name, view.config_digest.raw), view.config)
        path = outline_path(image.archive)
        if not self._folder.has(path):
            outline = Outline(
                image.archive,
                tuple(self._outer_blocks(view)),
                tuple(blobs[layer.diff_id] for layer in view.layers),
                name,
            )
            self._folder.put(path, encode_outline(outline))
        layers = [blobs[diff_id] for diff_id in view.image.diff_ids]
        return build_manifest(view.config_digest, len(view.config), layers)

    def _outer_blocks(self, view: ArchiveView) -> Iterator[Block]:
        """Yield the blocks of an archive that are in no layer: its root, its metadata, and what stands between the layers."""
        seen: set[Cid] = set()
        for cid in [view.cid, *(block.cid for link in view.links[::2] for block in walk(link.cid, self._store))]:
            if cid not in seen:
                seen.add(cid)
                yield Block(cid, self._store.get(cid))

    def _write_layer(self, name: str, layer: ArchivedLayer) -> Blob:
        known = self._find_layer(layer.cid)
        if known is not None:
            blob, repository = known
            path = blob_path(name, blob.digest)
            if self._folder.has(path):
                return blob
            if self._folder.has(blob_path(repository, blob.digest)):
                self._folder.link(blob_path(repository, blob.digest), path)
                return blob
        self._store.fetch_dag([layer.cid], size=layer.stored_size)
        blob = self._write_blob(name, layer)
        nodes = (block.cid for block in walk(layer.cid, self._store) if block.cid.codec != RAW)
        outline = Outline(layer.cid, tuple(Block(cid, self._store.get(cid)) for cid in nodes), (blob,), name)
        self._folder.replace(outline_path(layer.cid), encode_outline(outline))
        return blob

    def _find_layer(self, layer_cid: Cid) -> tuple[Blob, str] | None:
        """Return the file of a layer that was written before, and the repository that it was written into first."""
        outline = find_outline(self._folder, layer_cid)
        return (outline.blobs[0], outline.repository) if outline is not None and outline.blobs else None

    def _write_blob(self, name: str, layer: ArchivedLayer) -> Blob:
        with self._folder.create() as file:
            digest, size = _write_all(file.stream.write, read_file(layer.cid, self._store.local, max_size=layer.stored_size))
            file.keep(blob_path(name, digest))
        return Blob(layer.cid, digest, size)

    def _write_delta(self, delta_cid: Cid, size: int) -> None:
        path = delta_path(delta_cid)
        if not self._folder.has(path):
            self._store.fetch_dag([delta_cid], size=size)
            with self._folder.create() as file:
                _write_all(file.stream.write, read_file(delta_cid, self._store.local, max_size=size))
                file.keep(path)
        if not self._folder.has(outline_path(delta_cid)):
            self._folder.put(outline_path(delta_cid), encode_outline(self._outline_delta(delta_cid, size)))

    def _outline_delta(self, delta_cid: Cid, size: int) -> Outline:
        nodes = _nodes(delta_cid, self._store)
        return Outline(delta_cid, tuple(nodes), size=size)


def _nodes(cid: Cid, source: BlockSource) -> Iterable[Block]:
    return (Block(block.cid, source.get(block.cid)) for block in walk(cid, source) if block.cid.codec != RAW)


def _write_all(write: Callable[[bytes], object], pieces: Iterable[bytes]) -> tuple[bytes, int]:
    digest = hashlib.sha256()
    size = 0
    for piece in pieces:
        digest.update(piece)
        size += len(piece)
        write(piece)
    return digest.digest(), size
