"""Small images, and every form in which they leave an engine or a tool (facts: docker.md, table A)."""

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import zstandard

from catalog.image.archive import read_export
from catalog.image.dag import LayerWriter, StoredArchive, build_archive
from catalog.image.export import Export
from catalog.model.platform import Platform
from tests.image.memory import MemoryBlocks
from tests.needs import GOLDEN

IMAGES = GOLDEN / "dcat-image"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def gzipped(data: bytes, level: int = 9) -> bytes:
    """gzip that gives the same bytes in the next second too."""
    return gzip.compress(data, level, mtime=0)


def dump(document: object) -> bytes:
    return json.dumps(document).encode()


def make_layer(files: Mapping[str, bytes]) -> bytes:
    """A layer tar."""
    return make_tar(files, mtime=1_700_000_000)


def make_tar(
    files: Mapping[str, bytes | tuple[str, str]] | Mapping[str, bytes],
    *,
    mtime: int = 0,
    form: int = tarfile.PAX_FORMAT,
    folders: Sequence[str] = (),
) -> bytes:
    """A tar of files (bytes) and links (kind, target)."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as tar:
        for folder in folders:
            info = tarfile.TarInfo(folder)
            info.type = tarfile.DIRTYPE
            tar.addfile(info)
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.mtime = mtime
            if isinstance(content, bytes):
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
            else:
                info.type = tarfile.SYMTYPE if content[0] == "symlink" else tarfile.LNKTYPE
                info.linkname = content[1]
                tar.addfile(info)
    return out.getvalue()


@dataclass(frozen=True)
class SampleImage:
    """A config's exact bytes and uncompressed layers, base first."""

    config: bytes
    layers: tuple[bytes, ...]

    @property
    def config_hex(self) -> str:
        return digest(self.config)


def make_image(
    layers: Sequence[bytes], platform: Platform | None = None, *, labels: Mapping[str, str] | None = None, **extra: object
) -> SampleImage:
    """An image with a config of docker's habits: odd spacing, extra fields, text in other scripts."""
    platform = platform or Platform("linux", "amd64")
    document: dict[str, object] = {
        "architecture": platform.architecture,
        "os": platform.os,
        "created": "2026-11-24T06:33:30.123456789Z",
        "config": {"Env": ["PATH=/usr/bin"], "Labels": labels if labels is not None else {"title": "größe ✓", "n": "\u00e9"}},
        "container_config": {"Hostname": "x"},
        "docker_version": "20.10.24",
        "history": [{"created_by": "COPY", "empty_layer": True}],
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest(layer)}" for layer in layers]},
        **extra,
    }
    if platform.variant:
        document["variant"] = platform.variant
    return SampleImage(json.dumps(document, ensure_ascii=False, separators=(", ", ":")).encode(), tuple(layers))


BASE = make_layer({"etc/os-release": b"ID=sample\n", "usr/lib/big.so": bytes(range(256)) * 300, "usr/lib/odd": b"x" * 40_001})
PACKAGES = make_layer({f"usr/lib/python3/{n}.py": (b"import this  # %d\n" % n) * 400 for n in range(40)})
APP = make_layer({"app/main.py": b"print('hello')\n"})
EMPTY = bytes(1024)
SAMPLE = make_image([BASE, PACKAGES, APP, EMPTY, APP])


def legacy_id(position: int) -> str:
    """A v1 ID: not the diffID, and such that the first of two equal layers comes later in a sorted tar."""
    return f"{0xFFFF - position:04x}{digest(b'%d' % position)[4:]}"


def docker_legacy(image: SampleImage, tags: Sequence[str] | None = ("sample:1",)) -> dict[str, bytes | tuple[str, str]]:
    """docker before 25: a folder for each layer; an equal layer is a symlink, sorted before or behind what it leads to."""
    members: dict[str, bytes | tuple[str, str]] = {}
    first: dict[str, str] = {}
    paths = []
    for position, layer in enumerate(image.layers):
        identity = legacy_id(position)
        paths.append(f"{identity}/layer.tar")
        members[f"{identity}/VERSION"] = b"1.0"
        members[f"{identity}/json"] = dump({"id": identity, "created": "1970-01-01T00:00:00Z"})
        known = first.setdefault(digest(layer), identity)
        members[f"{identity}/layer.tar"] = layer if known == identity else ("symlink", f"../{known}/layer.tar")
    members[f"{image.config_hex}.json"] = image.config
    members["manifest.json"] = dump([{"Config": f"{image.config_hex}.json", "RepoTags": tags and list(tags), "Layers": paths}])
    if tags:
        members["repositories"] = dump({tag.split(":")[0]: {tag.split(":")[1]: legacy_id(0)} for tag in tags})
    return dict(sorted(members.items()))


def descriptor(data: bytes, media_type: str, **extra: object) -> dict[str, object]:
    return {"mediaType": media_type, "digest": f"sha256:{digest(data)}", "size": len(data), **extra}


def blob(data: bytes) -> str:
    return f"blobs/sha256/{digest(data)}"


def oci_blobs(
    image: SampleImage,
    compress: Callable[[bytes], bytes] = bytes,
    *,
    layer_type: str = OCI_LAYER,
    config_type: str = OCI_CONFIG,
    urls: Sequence[str] = (),
    **manifest_fields: object,
) -> tuple[dict[str, bytes], bytes]:
    """The blobs of one image, and its manifest (one of them)."""
    layers = [compress(layer) for layer in image.layers]
    manifest = dump(
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": descriptor(image.config, config_type),
            "layers": [descriptor(layer, layer_type, **({"urls": list(urls)} if urls else {})) for layer in layers],
            **manifest_fields,
        }
    )
    return {blob(data): data for data in (*layers, image.config, manifest)}, manifest


def index_of(*descriptors: Mapping[str, object]) -> bytes:
    return dump({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": list(descriptors)})


def docker_manifest(image: SampleImage, layers: Iterable[str], tags: Sequence[str] | None) -> bytes:
    return dump([{"Config": blob(image.config), "RepoTags": tags and list(tags), "Layers": list(layers)}])


def docker_25(image: SampleImage, tags: Sequence[str] | None = ("sample:1",)) -> dict[str, bytes]:
    """docker 25 and newer, classic store: both forms, and a v1 config for each layer that nothing refers to."""
    blobs, manifest = oci_blobs(image)
    names = {"io.containerd.image.name": "docker.io/library/sample:1", "org.opencontainers.image.ref.name": "1"}
    return {
        **blobs,
        **{blob(v1): v1 for v1 in (dump({"id": legacy_id(n), "os": "linux"}) for n in range(len(image.layers)))},
        "index.json": index_of(descriptor(manifest, OCI_MANIFEST, annotations=names if tags else {})),
        "manifest.json": docker_manifest(image, (blob(layer) for layer in image.layers), tags),
        "oci-layout": b'{"imageLayoutVersion": "1.0.0"}',
        **({"repositories": b"{}"} if tags else {}),
    }


def attestation(subject: bytes) -> tuple[dict[str, bytes], dict[str, object]]:
    """What BuildKit puts beside an image."""
    statement = dump({"_type": "https://in-toto.io/Statement/v0.1", "subject": digest(subject)})
    config = dump({"architecture": "unknown", "os": "unknown", "rootfs": {"type": "layers", "diff_ids": [digest(statement)]}})
    manifest = dump(
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": descriptor(config, OCI_CONFIG),
            "layers": [descriptor(statement, "application/vnd.in-toto+json")],
        }
    )
    annotations = {
        "vnd.docker.reference.type": "attestation-manifest",
        "vnd.docker.reference.digest": f"sha256:{digest(subject)}",
    }
    platform = {"architecture": "unknown", "os": "unknown"}
    entry = descriptor(manifest, OCI_MANIFEST, annotations=annotations, platform=platform)
    return {blob(data): data for data in (statement, config, manifest)}, entry


def containerd(
    image: SampleImage,
    compress: Callable[[bytes], bytes] = gzipped,
    *,
    others: Sequence[SampleImage] = (),
    platform: Platform | None = None,
) -> dict[str, bytes]:
    """The containerd store: compressed layers, an index in the index, an attestation, and platforms whose blobs are not there."""
    platform = platform or Platform("linux", "amd64")
    blobs, manifest = oci_blobs(image, compress, layer_type=DOCKER_LAYER, config_type=DOCKER_CONFIG, mediaType=DOCKER_MANIFEST)
    entries = [descriptor(manifest, DOCKER_MANIFEST, platform={"os": platform.os, "architecture": platform.architecture})]
    for other, architecture in zip(others, ("arm64", "s390x", "riscv64"), strict=False):
        other_blobs, other_manifest = oci_blobs(other)
        if architecture == "arm64":  # of this one, the manifest itself is there
            blobs[blob(other_manifest)] = other_blobs[blob(other_manifest)]
        entries.append(descriptor(other_manifest, OCI_MANIFEST, platform={"os": "linux", "architecture": architecture}))
    attested, entry = attestation(manifest)
    blobs |= attested
    index = index_of(*entries, entry)
    names = {"io.containerd.image.name": "docker.io/library/sample:1", "containerd.io/distribution.source.example": "x"}
    return {
        **blobs,
        blob(index): index,
        "index.json": index_of(descriptor(index, OCI_INDEX, annotations=names)),
        "manifest.json": docker_manifest(image, (blob(compress(layer)) for layer in image.layers), ["sample:1"]),
        "oci-layout": b'{"imageLayoutVersion":"1.0.0"}',
    }


def podman(image: SampleImage, tags: Sequence[str] = ("docker.io/library/sample:1",)) -> dict[str, bytes | tuple[str, str]]:
    """podman save and skopeo docker-archive: layers at the root, links behind them, metadata last."""
    members: dict[str, bytes | tuple[str, str]] = {f"{digest(layer)}.tar": layer for layer in image.layers}
    for position, layer in enumerate(image.layers):
        identity = legacy_id(position)
        members[f"{identity}/layer.tar"] = ("symlink", f"../{digest(layer)}.tar")
        members[f"{identity}/VERSION"] = b"1.0"
        members[f"{identity}/json"] = dump({"id": identity})
    members[f"{image.config_hex}.json"] = image.config
    layers = [f"{digest(layer)}.tar" for layer in image.layers]
    members["manifest.json"] = dump([{"Config": f"{image.config_hex}.json", "RepoTags": list(tags), "Layers": layers}])
    members["repositories"] = b"{}"
    return members


def oci_archive(image: SampleImage, compress: Callable[[bytes], bytes] = gzipped) -> dict[str, bytes]:
    """podman save --format oci-archive, skopeo oci-archive: no manifest.json, no media type in the index."""
    blobs, manifest = oci_blobs(image, compress, layer_type=f"{OCI_LAYER}+gzip")
    names = {"org.opencontainers.image.ref.name": "docker.io/library/sample:1"}
    index = dump({"schemaVersion": 2, "manifests": [descriptor(manifest, OCI_MANIFEST, annotations=names)]})
    return {"oci-layout": b'{"imageLayoutVersion": "1.0.0"}', **blobs, "index.json": index}


def write_folder(members: Mapping[str, bytes], folder: Path) -> None:
    for name, data in members.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def pieces(data: bytes, size: int = 64 * 1024) -> Iterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


def read(data: bytes, blocks: MemoryBlocks, *, size: int = 64 * 1024, max_size: int = 1 << 30) -> Export:
    return read_export(pieces(data, size), lambda: LayerWriter(blocks), max_size=max_size)


def publish(data: bytes, blocks: MemoryBlocks, *, size: int = 64 * 1024) -> StoredArchive:
    """Take the one image of an export in."""
    image = read(data, blocks, size=size).choose()
    return build_archive(image.config, list(image.layers), blocks)


def store(image: SampleImage, blocks: MemoryBlocks) -> StoredArchive:
    """Take an image in without an export around it."""
    layers = []
    for layer in image.layers:
        writer = LayerWriter(blocks)
        for piece in pieces(layer):
            writer.feed(piece)
        layers.append(writer.finish())
    return build_archive(image.config, layers, blocks)


def golden_export(name: str) -> bytes:
    data = (IMAGES / name).read_bytes()
    return zstandard.ZstdDecompressor().stream_reader(data).read() if name.endswith(".zst") else data
