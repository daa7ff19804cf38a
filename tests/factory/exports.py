"""Every form in which an image leaves an engine or a tool."""

import gzip
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from io import BytesIO
from pathlib import Path

from catalog.intake.sources import StreamSource
from catalog.model.platform import Platform, parse_platform
from tests.factory.images import APP, BASE, SampleImage, canonical_json, make_image
from tests.factory.platforms import AMD64
from tests.factory.tars import make_layer, make_tar

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
    """Return gzip without a time stamp: equal content makes equal bytes."""
    return gzip.compress(data, level, mtime=0)


def dump(document: object) -> bytes:
    return json.dumps(document).encode()


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
    platform: Platform = AMD64,
) -> dict[str, bytes]:
    """The containerd store: compressed layers, an index in the index, an attestation, and platforms whose blobs are not there."""
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


def index_archive(images: Mapping[Platform, SampleImage], tag: str) -> bytes:
    """Return an archive of one image for several platforms, as an OCI layout with an index inside; ``tag`` is a whole reference."""
    members: dict[str, bytes] = {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}'}
    entries = []
    for platform, image in images.items():
        entries.append({**image.descriptor, "platform": {"os": platform.os, "architecture": platform.architecture}})
        members |= image.blobs()
    index = canonical_json({"manifests": entries, "mediaType": OCI_INDEX, "schemaVersion": 2})
    entry = descriptor(index, OCI_INDEX, annotations={"io.containerd.image.name": tag})
    members[blob(index)] = index
    members["index.json"] = canonical_json({"manifests": [entry], "mediaType": OCI_INDEX, "schemaVersion": 2})
    return make_tar(members)


def write_image(path: Path, version: str = "1", platform: str = "linux/amd64") -> str:
    """Write a ``docker save`` file whose content depends on ``version``; return its path as it is typed."""
    layers = [BASE, make_layer({"app/version": version.encode() * 20_000}), APP]
    return write_save(path, make_image(layers, parse_platform(platform)))


def write_save(path: Path, image: SampleImage) -> str:
    """Write a ``docker save`` file; return its path as it is typed."""
    path.write_bytes(make_tar(docker_25(image)))
    return str(path)


def stream_of(export: bytes) -> StreamSource:
    """Return an export as a source to publish from."""
    return StreamSource("an export", lambda: nullcontext(BytesIO(export)), len(export))


def source_of(image: SampleImage) -> StreamSource:
    """Return an image's ``docker save`` as a source to publish from."""
    return stream_of(make_tar(docker_25(image)))
