"""The canonical archive of an image, byte for byte: a function of the config's bytes and the layers.

Members, no directory entries, in this order: ``oci-layout``, ``index.json``, ``manifest.json``, the manifest, the config, then each
distinct layer at its first position; two zero blocks, nothing after. Considered: the archive of one engine (each version writes
another, with times in it), OCI layout alone (docker before 25 cannot load it), ``manifest.json`` alone (no stable image ID on a
containerd store). Chosen: both, without tags, because every engine loads it and nothing in it depends on who wrote it.
Source: docs/formats/image.md, section 2.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from catalog.errors import ArchiveError
from catalog.limits import GIB, MAX_JSON_SIZE, MAX_LAYERS
from catalog.model.digest import ConfigDigest, DiffID, ManifestDigest

CONFIG_TYPE: Final = "application/vnd.oci.image.config.v1+json"
INDEX_TYPE: Final = "application/vnd.oci.image.index.v1+json"
LAYER_TYPE: Final = "application/vnd.oci.image.layer.v1.tar"
MANIFEST_TYPE: Final = "application/vnd.oci.image.manifest.v1+json"
LAYOUT_BODY: Final = b'{"imageLayoutVersion":"1.0.0"}'
END: Final = bytes(1024)
_BLOCK = 512
_PAX_FROM = 8 * GIB  # does not fit in eleven octal digits


@dataclass(frozen=True, slots=True)
class CanonicalArchive:
    """An archive without the bytes of its layers.

    ``metadata`` is everything before the first layer's header; ``diff_ids``, ``sizes`` and ``headers`` are those of the
    distinct layers in order.
    """

    manifest: bytes
    metadata: bytes
    diff_ids: tuple[DiffID, ...]
    sizes: tuple[int, ...]
    headers: tuple[bytes, ...]

    @property
    def manifest_digest(self) -> ManifestDigest:
        return ManifestDigest.of(self.manifest)

    @property
    def head(self) -> bytes:
        """The bytes before the first layer's content; without layers, the whole archive."""
        return self.metadata + (self.headers[0] if self.headers else END)

    def gap(self, position: int) -> bytes:
        """Return the bytes after the layer at ``position``: its padding, then the next layer's header or the end."""
        following = self.headers[position + 1] if position + 1 < len(self.headers) else END
        return padding(self.sizes[position]) + following

    @property
    def size(self) -> int:
        """The uncompressed archive's size."""
        return self.size_without(())

    def size_without(self, left_out: Sequence[DiffID] | frozenset[DiffID]) -> int:
        """Return the size of the archive without some of its layers."""
        total = len(self.metadata) + len(END)
        for diff_id, size, header in zip(self.diff_ids, self.sizes, self.headers, strict=True):
            if diff_id not in left_out:
                total += len(header) + size + len(padding(size))
        return total


def lay_out_archive(config: bytes, diff_ids: Sequence[DiffID], sizes: Mapping[DiffID, int]) -> CanonicalArchive:
    """Build the archive's frame around layers of the given sizes; ``diff_ids`` are the config's, repetitions included.

    Raise `ArchiveError` above 511 distinct layers, and if the manifest would have more than 4 MiB.
    """
    distinct = tuple(dict.fromkeys(diff_ids))
    if len(distinct) > MAX_LAYERS:
        raise ArchiveError(f"the image has {len(distinct)} distinct layers", why=f"{MAX_LAYERS} are the most")
    config_digest = ConfigDigest.of(config)
    manifest = build_manifest(config_digest, len(config), diff_ids, sizes)
    if len(manifest) > MAX_JSON_SIZE:
        raise ArchiveError("the image has too many layers", why=f"its manifest would have {len(manifest)} bytes")
    manifest_digest = ManifestDigest.of(manifest)
    members = (
        ("oci-layout", LAYOUT_BODY),
        ("index.json", build_index(manifest_digest, len(manifest))),
        ("manifest.json", build_docker_manifest(config_digest, diff_ids)),
        (blob_name(manifest_digest), manifest),
        (blob_name(config_digest), config),
    )
    return CanonicalArchive(
        manifest=manifest,
        metadata=b"".join(build_header(name, len(body)) + body + padding(len(body)) for name, body in members),
        diff_ids=distinct,
        sizes=tuple(sizes[diff_id] for diff_id in distinct),
        headers=tuple(build_header(blob_name(diff_id), sizes[diff_id]) for diff_id in distinct),
    )


def build_manifest(config: ConfigDigest, config_size: int, diff_ids: Sequence[DiffID], sizes: Mapping[DiffID, int]) -> bytes:
    """Return the OCI manifest; equal layers are listed each time they occur."""
    layers = [_describe(diff_id, LAYER_TYPE, sizes[diff_id]) for diff_id in diff_ids]
    return _encode(
        {"config": _describe(config, CONFIG_TYPE, config_size), "layers": layers, "mediaType": MANIFEST_TYPE, "schemaVersion": 2}
    )


def build_index(manifest: ManifestDigest, manifest_size: int) -> bytes:
    """Return ``index.json``: one descriptor, no annotations, so that no engine takes a name from it."""
    return _encode({"manifests": [_describe(manifest, MANIFEST_TYPE, manifest_size)], "mediaType": INDEX_TYPE, "schemaVersion": 2})


def build_docker_manifest(config: ConfigDigest, diff_ids: Sequence[DiffID]) -> bytes:
    """Return ``manifest.json``, docker's own list, without tags."""
    return _encode([{"Config": blob_name(config), "Layers": [blob_name(diff_id) for diff_id in diff_ids], "RepoTags": None}])


def blob_name(digest: ConfigDigest | ManifestDigest | DiffID) -> str:
    """Return the member name of a blob."""
    return f"blobs/sha256/{digest.hex}"


def build_header(name: str, size: int) -> bytes:
    """Return the header of a member; a member of 8 GiB or more has its size in a PAX header before it, and 0 in its own."""
    if size < _PAX_FROM:
        return _build_block(name, size, b"0")
    record = _build_pax_record(size)
    return _build_block("pax", len(record), b"x") + record + padding(len(record)) + _build_block(name, 0, b"0")


def padding(size: int) -> bytes:
    """Return the zero bytes that fill a member of ``size`` bytes up to the next block."""
    return bytes(-size % _BLOCK)


def _build_block(name: str, size: int, kind: bytes) -> bytes:
    block = bytearray(_BLOCK)
    block[0 : len(name)] = name.encode("ascii")
    block[100:108] = b"0000644\0"
    block[108:116] = block[116:124] = b"0000000\0"
    block[124:136] = b"%011o\0" % size
    block[136:148] = b"00000000000\0"
    block[148:156] = b" " * 8
    block[156:157] = kind
    block[257:265] = b"ustar\x0000"
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def _build_pax_record(size: int) -> bytes:
    body = b" size=%d\n" % size
    length = len(body) + len(str(len(body)))
    if len(str(length)) + len(body) != length:
        length += 1
    return b"%d" % length + body


def _describe(digest: ConfigDigest | ManifestDigest | DiffID, media_type: str, size: int) -> dict[str, object]:
    return {"digest": str(digest), "mediaType": media_type, "size": size}


def _encode(document: object) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode("utf-8")
