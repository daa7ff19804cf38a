"""Each parser of exports raises only its own error, whatever the bytes (safety.md, rows C4, C8 and F3)."""

import hashlib

import pytest

from catalog.errors import ArchiveError, BlockNotFoundError, DcatError, InvalidDigestError
from catalog.image.archive import read_export
from catalog.image.config import parse_config
from catalog.image.dag import LayerWriter, StoredLayer
from catalog.image.encoder import inflate_frame
from catalog.image.foreign import HEAD_SIZE, refuse_foreign
from catalog.image.oci import parse_docker_manifest, parse_index, parse_manifest
from catalog.image.reader import read_archive, write_tar
from catalog.ipld.cid import DAG_PB, cid_of
from catalog.model.digest import DiffID, Digest
from tests.factory import field
from tests.factory.archives import MemoryBlocks, store_image
from tests.factory.exports import (
    OCI_CONFIG,
    OCI_MANIFEST,
    containerd,
    descriptor,
    docker_legacy,
    dump,
    gzipped,
    index_of,
    oci_archive,
    oci_blobs,
    podman,
)
from tests.factory.images import EMPTY, SampleImage, make_image
from tests.factory.tars import make_tar
from tests.property.mutate import JSON_TOKENS, PROTOBUF_TOKENS, TAR_TOKENS, Target, check_memory, check_target

TINY = make_image([EMPTY, b"no tar", EMPTY])
_, MANIFEST = oci_blobs(TINY)
INDEX = index_of(descriptor(MANIFEST, "application/vnd.oci.image.manifest.v1+json", platform={"os": "linux"}))
EXPORTS = [make_tar(docker_legacy(TINY)), make_tar(podman(TINY)), make_tar(oci_archive(TINY)), make_tar(containerd(TINY))]
# Forms that only some tools write: members twice, names with a slash, descriptors and platforms of their own kinds.
BARE = SampleImage(dump({"rootfs": {"diff_ids": [str(diff_id) for diff_id in TINY.diff_ids]}}), TINY.layers)
OTHER_DIGEST = {"mediaType": OCI_MANIFEST, "digest": "sha512:" + "0" * 128, "size": 1}
ABSENT = {
    "mediaType": OCI_MANIFEST,
    "digest": "sha256:" + "0" * 64,
    "size": 1,
    "platform": {"os": "linux", "architecture": "arm64"},
}
ODD_LAYOUT = field.Layout()
ODD_LAYOUT.top = [
    ODD_LAYOUT.add_index(
        ODD_LAYOUT.add_image(BARE, artifactType=OCI_CONFIG, platform={"os": "linux", "architecture": "x86_64"}),
        OTHER_DIGEST,
        ABSENT,
    )
]
ODD_EXPORTS = [
    field.docker_archive(TINY, layer_name="/sha256:{}.tar", extra=[(f"{TINY.config_hex}.json", TINY.config)]),
    ODD_LAYOUT.tar(),
]
ARCHIVE = MemoryBlocks()
ARCHIVE_CID = store_image(TINY, ARCHIVE).archive


def trim(tar: bytes) -> bytes:
    """End a tar right after its two zero blocks, so that few mutations hit nothing."""
    return tar.rstrip(b"\0") + bytes(-len(tar.rstrip(b"\0")) % 512 + 1024)


class HashingWriter(LayerWriter):
    """A layer that is hashed and not stored: here it is the reader that is under test."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()

    def feed(self, data: bytes | memoryview) -> None:
        self._hash.update(data)

    def finish(self) -> StoredLayer:
        return StoredLayer(DiffID(self._hash.digest()), 0, ARCHIVE_CID, 0, 0)


def read_tar(data: bytes) -> None:
    try:
        read_export((data,), HashingWriter, max_size=1 << 20).choose()
    except ArchiveError:
        raise
    except DcatError as error:  # what `choose` says of an export that is well formed and holds something else
        raise ArchiveError(error.message) from error


def read_mended_tar(data: bytes) -> None:
    """Give every header its right checksum first, so that mutations reach what lies behind that check."""
    mended = bytearray(data)
    for start in range(0, len(mended) - 511, 512):
        if mended[start + 257 : start + 262] == b"ustar":
            mended[start + 148 : start + 156] = b" " * 8
            mended[start + 148 : start + 156] = b"%06o\0 " % sum(mended[start : start + 512])
    read_tar(bytes(mended))


def read_root(data: bytes) -> None:
    blocks = MemoryBlocks()
    blocks.blocks = ARCHIVE.blocks | {cid_of(data, DAG_PB): data}
    try:
        for _ in write_tar(read_archive(cid_of(data, DAG_PB), blocks), blocks):
            pass
    except BlockNotFoundError as error:
        raise ArchiveError(error.message) from error


def read_head(data: bytes) -> None:
    refuse_foreign(data[:HEAD_SIZE])


FRAMES = [data for cid, data in ARCHIVE.blocks.items() if cid.codec != DAG_PB]
ODD_ENDS = [trim(data)[:-1024] for data in ODD_EXPORTS]
TARS = [*map(trim, [*EXPORTS, *ODD_EXPORTS]), *ODD_ENDS, gzipped(EXPORTS[0]), field.zstd_chunked(trim(EXPORTS[0]))]
MENDED = [*map(trim, [*EXPORTS, *ODD_EXPORTS]), *ODD_ENDS]
HEAD_TOKENS = (*(b"{", b"[", b'{"errors":[{"message":"x"}]}', b"<!doctype html><title>x", b"\xff\xfe", b"PK\x03\x04"), *JSON_TOKENS)
TARGETS = [
    Target(
        "config",
        parse_config,
        ArchiveError,
        seeds=[TINY.config, BARE.config, dump({"os": "a", "architecture": "b"})],
        tokens=JSON_TOKENS,
    ),
    Target("manifest", parse_manifest, ArchiveError, seeds=[MANIFEST], tokens=JSON_TOKENS),
    Target("index", parse_index, ArchiveError, seeds=[INDEX, index_of(OTHER_DIGEST, ABSENT)], tokens=JSON_TOKENS),
    Target("head of an input", read_head, ArchiveError, seeds=[EXPORTS[0][:600], b"x" * 20 + bytes(20)], tokens=HEAD_TOKENS),
    Target("manifest.json", parse_docker_manifest, ArchiveError, seeds=[dump([{"Config": "a"}])], tokens=JSON_TOKENS),
    Target("tar", read_tar, ArchiveError, seeds=TARS, tokens=TAR_TOKENS),
    Target("mended tar", read_mended_tar, ArchiveError, seeds=MENDED, tokens=TAR_TOKENS),
    Target("frame", inflate_frame, DcatError, seeds=FRAMES),
    Target("archive root", read_root, DcatError, seeds=[ARCHIVE.blocks[ARCHIVE_CID]], tokens=PROTOBUF_TOKENS),
]


@pytest.mark.parametrize("target", TARGETS, ids=str)
def test_damage_is_refused_by_its_own_error(target: Target) -> None:
    outcome = check_target(target, 25_000)
    assert outcome.refused


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("target", TARGETS, ids=str)
def test_a_million_times(target: Target) -> None:
    check_memory(__name__, target.name, 1_000_000)


def test_digests_are_one_form_or_none() -> None:
    def parse(data: bytes) -> Digest:
        return Digest.parse(data.decode("latin-1"))

    target = Target(
        "digest", parse, InvalidDigestError, [b"sha256:" + b"0a" * 32], [b"..", b"/", b"\n"], again=lambda d: str(d).encode()
    )
    assert check_target(target, 100_000).accepted
