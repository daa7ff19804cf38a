"""The archive's frame, byte for byte, and as other readers of tar see it."""

import hashlib
import io
import json
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.errors import ArchiveError
from catalog.image.canonical import build_header, build_manifest, lay_out_archive
from catalog.limits import GIB
from catalog.model.digest import ConfigDigest, DiffID

NAME = "blobs/sha256/" + "ab" * 32


def test_header_of_eight_gib_is_the_golden_one() -> None:
    header = build_header(NAME, 8 * GIB)
    assert len(header) == 1536
    assert hashlib.sha256(header).hexdigest() == "fcc0fa27c62fb78f9e499e2e78650eaf99992716a271cea7e9315b210360f19c"
    assert len(build_header(NAME, 8 * GIB - 1)) == 512


@given(st.integers(0, 1 << 60))
def test_headers_are_read_by_others(size: int) -> None:
    with tarfile.open(fileobj=io.BytesIO(build_header(NAME, size) + bytes(1024)), errorlevel=2) as tar:
        member = tar.next()
    assert member is not None
    assert (member.name, member.size, member.mode, member.mtime, member.uid, member.gid) == (NAME, size, 0o644, 0, 0, 0)
    assert (member.uname, member.gname, member.type) == ("", "", b"0")


def test_manifest_of_the_fact_sheet() -> None:
    config = ConfigDigest.parse("sha256:" + "e9" * 32)
    base, twin = (DiffID.of(text) for text in (b"base", b"twin"))
    manifest = build_manifest(config, 2534, [base, twin, twin], {base: 3051520, twin: 2560})
    layer = '{{"digest":"{}","mediaType":"application/vnd.oci.image.layer.v1.tar","size":{}}}'
    layers = ",".join([layer.format(base, 3051520), layer.format(twin, 2560), layer.format(twin, 2560)])
    assert manifest.decode() == (
        f'{{"config":{{"digest":"{config}","mediaType":"application/vnd.oci.image.config.v1+json","size":2534}},'
        f'"layers":[{layers}],"mediaType":"application/vnd.oci.image.manifest.v1+json","schemaVersion":2}}'
    )


def test_size_is_known_before_any_layer_is_read() -> None:
    layers = [DiffID.of(b"%d" % number) for number in range(3)]
    sizes = dict(zip(layers, (0, 511, 9 * GIB), strict=True))
    frame = lay_out_archive(b"{}", [*layers, layers[1]], sizes)
    whole = len(frame.head) + sum(sizes.values()) + sum(len(frame.gap(position)) for position in range(3))
    assert frame.size == whole
    assert frame.size_without([layers[2]]) == whole - 9 * GIB - 1536
    assert json.loads(frame.manifest)["layers"][3]["digest"] == str(layers[1])


def test_a_manifest_that_no_reader_would_take_is_not_made() -> None:
    layer = DiffID.of(b"")
    with pytest.raises(ArchiveError, match="too many layers"):
        lay_out_archive(b"{}", [layer] * 40_000, {layer: 0})
