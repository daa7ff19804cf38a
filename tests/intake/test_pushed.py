"""Blobs that are pushed become the same archive as an export of the image, whatever their order, compression and threads."""

import gzip
import hashlib
import json
import random
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

import pytest
import zstandard

from catalog.errors import ArchiveError, ImageIncompleteError, InvalidDigestError
from catalog.image.archive import read_export
from catalog.image.dag import LayerWriter, StoredArchive, build_archive
from catalog.intake import pushed as pushed_module
from catalog.intake.pushed import PushedImages
from catalog.model.digest import Digest
from catalog.progress import silent
from tests.factory.archives import MemoryBlocks
from tests.factory.exports import docker_25
from tests.factory.images import SAMPLE, SampleImage, make_image
from tests.factory.tars import make_layer, make_tar

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
LARGE = make_image([make_layer({f"data/{number}": hashlib.sha256(b"%d" % number).digest() * 4000 for number in range(20)})])
PACKED: dict[str, Callable[[bytes], bytes]] = {"plain": bytes, "gzip": gzip.compress, "zstd": zstandard.ZstdCompressor().compress}


def digest_of(data: bytes) -> Digest:
    return Digest(hashlib.sha256(data).digest())


def pieces(data: bytes, size: int = 70_001) -> Iterable[bytes]:
    return (data[start : start + size] for start in range(0, len(data), size))


def manifest_of(config: bytes, blobs: list[bytes]) -> bytes:
    descriptors = [{"mediaType": LAYER, "digest": str(digest_of(blob)), "size": len(blob)} for blob in blobs]
    document = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {"mediaType": CONFIG, "digest": str(digest_of(config)), "size": len(config)},
        "layers": descriptors,
    }
    return json.dumps(document).encode()


def by_push(image: SampleImage, pack: str, sink: MemoryBlocks) -> StoredArchive:
    blobs = [PACKED[pack](layer) for layer in image.layers]
    pushed = PushedImages(sink, max_size=1 << 30, progress=silent)
    with ThreadPoolExecutor(4) as pool:
        for future in [
            pool.submit(pushed.add_blob, digest_of(blob), len(blob), pieces(blob)) for blob in [*dict.fromkeys(blobs), image.config]
        ]:
            future.result()
    pushed.add_manifest(manifest_of(image.config, blobs), MANIFEST, tagged=True)
    exported = pushed.export().choose()
    return build_archive(exported.config, list(exported.layers), sink)


def by_save(image: SampleImage) -> StoredArchive:
    sink = MemoryBlocks()
    exported = read_export([make_tar(docker_25(image))], lambda: LayerWriter(sink)).choose()
    return build_archive(exported.config, list(exported.layers), sink)


@pytest.mark.parametrize("pack", PACKED)
@pytest.mark.parametrize("image", [SAMPLE, LARGE], ids=["small", "large"])
def test_a_push_gives_the_archive_of_a_save(image: SampleImage, pack: str) -> None:
    assert by_push(image, pack, MemoryBlocks()) == by_save(image)


def test_bytes_that_do_not_match_their_digest_are_refused() -> None:
    pushed = PushedImages(MemoryBlocks(), max_size=1 << 30, progress=silent)
    for data in (b"small", LARGE.layers[0]):
        with pytest.raises(InvalidDigestError):
            pushed.add_blob(digest_of(data), len(data) - 1, pieces(data[:-1]))
        with pytest.raises(InvalidDigestError):
            pushed.add_blob(digest_of(data + b"x"), len(data), pieces(data))
        assert not pushed.has_blob(digest_of(data))
    pushed.add_blob(digest_of(b"small"), 5, [b"small"])
    assert pushed.has_blob(digest_of(b"small"))


def test_a_layer_that_does_not_match_the_config_is_refused() -> None:
    pushed = PushedImages(MemoryBlocks(), max_size=1 << 30, progress=silent)
    other = make_layer({"other": b"content" * 20_000})
    for blob in (other, LARGE.config):
        pushed.add_blob(digest_of(blob), len(blob), pieces(blob))
    pushed.add_manifest(manifest_of(LARGE.config, [other]), MANIFEST, tagged=True)
    with pytest.raises(ArchiveError):
        pushed.export().choose()


def test_an_image_whose_layers_never_came_is_incomplete() -> None:
    pushed = PushedImages(MemoryBlocks(), max_size=1 << 30, progress=silent)
    pushed.add_blob(digest_of(LARGE.config), len(LARGE.config), [LARGE.config])
    pushed.add_manifest(manifest_of(LARGE.config, [LARGE.layers[0]]), MANIFEST, tagged=True)
    with pytest.raises(ImageIncompleteError):
        pushed.export().choose()


def test_all_layers_share_one_limit() -> None:
    """A bomb is one whether it comes in one layer or in many."""
    pushed = PushedImages(MemoryBlocks(), max_size=30_000_000, progress=silent)

    def send(seed: int) -> None:
        bomb = gzip.compress(random.Random(seed).randbytes(70_000) + bytes(8_000_000))
        pushed.add_blob(digest_of(bomb), len(bomb), pieces(bomb))

    for seed in range(3):
        send(seed)
    with pytest.raises(ArchiveError, match="more than 30000000"):
        send(3)


def test_documents_and_members_of_a_push_have_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine that pushes without end fills neither memory nor the lists."""

    def add_manifests(data: bytes, *, tagged: bool) -> None:
        sent = PushedImages(MemoryBlocks(), max_size=1 << 40, progress=silent)
        for number in range(100):
            sent.add_manifest(data % number, MANIFEST, tagged=tagged)

    def add_blobs() -> None:
        sent = PushedImages(MemoryBlocks(), max_size=1 << 40, progress=silent)
        for number in range(100):
            data = b"%d" % number
            sent.add_blob(digest_of(data), len(data), [data])

    with pytest.raises(ArchiveError, match="too many documents"):
        add_manifests(b"{" + b" " * ((4 << 20) - 10) + b"%04d}", tagged=False)
    monkeypatch.setattr(pushed_module, "MAX_EXPORT_MEMBERS", 50)
    monkeypatch.setattr(pushed_module, "MAX_INDEX_ENTRIES", 5)
    with pytest.raises(ArchiveError, match="too many images"):
        add_manifests(b"%d", tagged=True)
    with pytest.raises(ArchiveError, match="too much is pushed"):
        add_manifests(b"%d", tagged=False)
    with pytest.raises(ArchiveError, match="too much is pushed"):
        add_blobs()
    with pytest.raises(ArchiveError, match="more than 100 bytes"):
        PushedImages(MemoryBlocks(), max_size=100, progress=silent).add_manifest(b" " * 101, MANIFEST, tagged=False)


def test_damaged_compression_is_an_error_of_the_layer() -> None:
    layer = make_layer({"data": hashlib.sha256(b"").digest() * 10_000})
    blob = gzip.compress(layer, 0)[:-9]
    image = make_image([layer])
    pushed = PushedImages(MemoryBlocks(), max_size=1 << 30, progress=silent)
    for data in (blob, image.config):
        pushed.add_blob(digest_of(data), len(data), pieces(data))
    pushed.add_manifest(manifest_of(image.config, [blob]), MANIFEST, tagged=True)
    with pytest.raises(ArchiveError, match="cannot be read"):
        pushed.export().choose()
