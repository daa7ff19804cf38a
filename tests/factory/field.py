"""Inputs as the tools of the field write them, reconstructed from public reports: what people hand to ``dcat publish --from``.

Each function returns the bytes of one input; its docstring names the tool and the report. `tests/intake/test_intake.py` says what
is right for each.
"""

import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import zstandard

from tests.factory.exports import (
    DOCKER_CONFIG,
    DOCKER_LAYER,
    DOCKER_MANIFEST,
    OCI_CONFIG,
    OCI_INDEX,
    OCI_LAYER,
    OCI_MANIFEST,
    blob,
    descriptor,
    digest,
    dump,
    gzipped,
    index_of,
)
from tests.factory.images import SampleImage, make_image
from tests.factory.platforms import AMD64, ARM64
from tests.factory.tars import make_layer, make_tar


def layer_of(text: str) -> bytes:
    return make_layer({"etc/case": text.encode()})


def strange_platform(**fields: str | None) -> SampleImage:
    """Return an image whose config has other platform fields; None removes one."""
    image = make_image([layer_of("platform")])
    document = json.loads(image.config)
    for key, value in fields.items():
        document.pop(key, None)
        if value is not None:
            document[key] = value
    return SampleImage(dump(document), image.layers)


def tar_of_members(members: Iterable[tuple[str, bytes]]) -> bytes:
    """Return a tar in which a name may come twice."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def docker_archive(image: SampleImage, *, layer_name: str = "{}.tar", extra: Sequence[tuple[str, bytes]] = ()) -> bytes:
    """Return Docker's form with an own name for layers, and ``extra`` members before ``manifest.json``."""
    names = [layer_name.format(digest(layer)) for layer in image.layers]
    config = f"{image.config_hex}.json"
    manifest = [{"Config": config, "RepoTags": ["case:1"], "Layers": names}]
    members = [*zip(names, image.layers, strict=True), (config, image.config), *extra, ("manifest.json", dump(manifest))]
    return tar_of_members(members)


class Layout:
    """An OCI layout that grows; ``top`` are the entries of ``index.json``."""

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}
        self.top: list[Mapping[str, object]] = []

    def add(self, data: bytes, media_type: str, **fields: object) -> dict[str, object]:
        self.blobs[blob(data)] = data
        return descriptor(data, media_type, **fields)

    def add_image(
        self,
        image: SampleImage,
        *,
        compress: Callable[[bytes], bytes] = bytes,
        manifest_type: str = OCI_MANIFEST,
        config_type: str = OCI_CONFIG,
        layer_type: str = OCI_LAYER,
        **fields: object,
    ) -> dict[str, object]:
        """Add an image and return the descriptor of its manifest; ``fields`` are further ones of the descriptor."""
        manifest = {
            "schemaVersion": 2,
            "mediaType": manifest_type,
            "config": self.add(image.config, config_type),
            "layers": [self.add(compress(layer), layer_type) for layer in image.layers],
        }
        return self.add(dump(manifest), manifest_type, **fields)

    def add_index(self, *entries: Mapping[str, object]) -> dict[str, object]:
        return self.add(index_of(*entries), OCI_INDEX)

    def members(self) -> dict[str, bytes]:
        return {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}', "index.json": index_of(*self.top), **self.blobs}

    def tar(self) -> bytes:
        return make_tar(self.members())


def image_of(architecture: str) -> SampleImage:
    return make_image([layer_of(architecture)], {"amd64": AMD64, "arm64": ARM64}[architecture])


def _docker_typed(layout: Layout, architecture: str, **fields: object) -> dict[str, object]:
    return layout.add_image(
        image_of(architecture),
        compress=gzipped,
        manifest_type=DOCKER_MANIFEST,
        config_type=DOCKER_CONFIG,
        layer_type=DOCKER_LAYER,
        artifactType=DOCKER_CONFIG,
        **fields,
    )


def artifact_type_one() -> bytes:
    """crane, ko: a descriptor's artifactType is the config's media type (go-containerregistry#1541)."""
    layout = Layout()
    layout.top = [_docker_typed(layout, "amd64")]
    return layout.tar()


def artifact_type_two() -> bytes:
    """The same for two platforms, in an index."""
    layout = Layout()
    entries = [_docker_typed(layout, name, platform={"os": "linux", "architecture": name}) for name in ("amd64", "arm64")]
    layout.top = [layout.add_index(*entries)]
    return layout.tar()


def platform_in_index(**fields: Any) -> bytes:
    """kaniko, pack: the index names the platform that the config lacks (kaniko#997, pack#770)."""
    layout = Layout()
    image = strange_platform(os=None, architecture=None)
    layout.top = [layout.add_image(image, platform={"os": "linux", "architecture": "amd64", **fields})]
    return layout.tar()


def member_twice(change: bytes = b"") -> bytes:
    """crane pull of two images into one file: their common members come twice (go-containerregistry#765)."""
    image = make_image([layer_of("twice")])
    return docker_archive(image, extra=[(f"{image.config_hex}.json", image.config + change)])


def large_member_twice(other: bool = False) -> bytes:
    """A layer above the size that is kept in memory, twice."""
    image = make_image([make_layer({"data": bytes(range(256)) * 1000})])
    name = f"{digest(image.layers[0])}.tar"
    return docker_archive(image, extra=[(name, image.layers[0][:-1] + b"x" if other else image.layers[0])])


def helm_chart() -> bytes:
    """helm push into a layout (helm#31775)."""
    layout = Layout()
    chart = SampleImage(b'{"name":"c","version":"1"}', (layer_of("chart"),))
    layer_type = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
    layout.top = [layout.add_image(chart, config_type="application/vnd.cncf.helm.config.v1+json", layer_type=layer_type)]
    return layout.tar()


def wasm_module() -> bytes:
    layout = Layout()
    module = SampleImage(b"{}", (b"\0asm\x01\0\0\0",))
    layout.top = [layout.add_image(module, config_type="application/vnd.wasm.config.v0+json", layer_type="application/wasm")]
    return layout.tar()


def encrypted_layers(plain: bool = False) -> bytes:
    """skopeo copy --encryption-key: the layers' media types end in +encrypted."""
    layout = Layout()
    image = make_image([layer_of("secret")])
    entry = layout.add_image(image, layer_type=f"{OCI_LAYER}+gzip+encrypted")
    if plain:
        manifest = json.loads(layout.blobs[f"blobs/sha256/{str(entry['digest'])[7:]}"])
        manifest["layers"].insert(0, layout.add(layer_of("plain"), OCI_LAYER))
        entry = layout.add(dump(manifest), OCI_MANIFEST)
    layout.top = [entry]
    return layout.tar()


def schema_1() -> bytes:
    """A registry's manifest of Docker's first schema, in a layout."""
    layout = Layout()
    layout.top = [layout.add(b'{"schemaVersion":1}', "application/vnd.docker.distribution.manifest.v1+prettyjws")]
    return layout.tar()


def root_filesystem(*, dockerenv: bool = True, device: bool = False) -> bytes:
    """docker export, podman export: the files of a container."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        if dockerenv:
            tar.addfile(tarfile.TarInfo(".dockerenv"))
        for folder in ("bin", "dev", "etc", "proc", "sys", "usr"):
            info = tarfile.TarInfo(folder)
            info.type = tarfile.DIRTYPE
            tar.addfile(info)
            if folder == "dev" and device:
                info = tarfile.TarInfo("dev/null")
                info.type = tarfile.CHRTYPE
                tar.addfile(info)
        info = tarfile.TarInfo("etc/mtab")
        info.type, info.linkname = tarfile.SYMTYPE, "/proc/mounts"
        tar.addfile(info)
    return out.getvalue()


def before_docker_1_10() -> bytes:
    """A save without ``manifest.json``: folders of layers, and ``repositories``."""
    layer = layer_of("old")
    identity = "ab" * 32
    members = {f"{identity}/VERSION": b"1.0", f"{identity}/json": dump({"id": identity}), f"{identity}/layer.tar": layer}
    return make_tar({**members, "repositories": dump({"web": {"1": identity}})})


def skopeo_dir() -> dict[str, bytes]:
    """skopeo copy … dir:FOLDER: ``manifest.json`` is an image manifest, not Docker's list."""
    image = make_image([layer_of("dir")])
    layout = Layout()
    entry = layout.add_image(image)
    manifest = layout.blobs[f"blobs/sha256/{str(entry['digest'])[7:]}"]
    return {"manifest.json": manifest, "version": b"Directory Transport Version: 1.1\n", digest(image.config): image.config}


def sha512_beside() -> bytes:
    """A signature with a sha512 digest beside an image (image-spec: unknown digests are passed over)."""
    layout = Layout()
    signature = {"mediaType": OCI_MANIFEST, "digest": f"sha512:{hashlib.sha512(b'{}').hexdigest()}", "size": 2}
    layout.top = [layout.add_image(make_image([layer_of("beside")])), signature]
    return layout.tar()


def sha512_image(*, inside: bool = False) -> bytes:
    """An image whose manifest, or whose layer, is named by a sha512 digest."""
    layout = Layout()
    other = f"sha512:{hashlib.sha512(b'{}').hexdigest()}"
    if inside:
        entry = layout.add_image(make_image([layer_of("inside")]))
        manifest = json.loads(layout.blobs[f"blobs/sha256/{str(entry['digest'])[7:]}"])
        manifest["layers"][0]["digest"] = other
        layout.top = [layout.add(dump(manifest), OCI_MANIFEST)]
    else:
        layout.top = [{"mediaType": OCI_MANIFEST, "digest": other, "size": 2}]
    return layout.tar()


def partial_index() -> bytes:
    """A save of the containerd store that names arm64 and does not hold it (moby#49473, docker/cli#5476)."""
    layout = Layout()
    held = layout.add_image(image_of("amd64"), platform={"os": "linux", "architecture": "amd64"})
    platform = {"os": "linux", "architecture": "arm64"}
    absent = {"mediaType": OCI_MANIFEST, "digest": "sha256:" + "ab" * 32, "size": 500, "platform": platform}
    layout.top = [layout.add_index(held, absent)]
    return layout.tar()


def in_a_folder() -> bytes:
    """A layout that was packed with its folder: tar cf image.tar layout/."""
    layout = Layout()
    layout.top = [layout.add_image(make_image([layer_of("folder")]))]
    return make_tar({f"my layout/{name}": data for name, data in layout.members().items()})


def with_dots() -> bytes:
    """A layout that was packed from inside: tar -C layout -cf image.tar . (names begin with ./, macOS adds ._ files)."""
    layout = Layout()
    layout.top = [layout.add_image(make_image([layer_of("dots")]))]
    members = {f"./{name}": data for name, data in layout.members().items()}
    return make_tar({"./._index.json": b"\0\5\x16\7", **members}, folders=["./", "./blobs"])


def jib(compress: Callable[[bytes], bytes] = gzipped) -> tuple[SampleImage, bytes]:
    """Jib, apko, Bazel: Docker's form with compressed layers, and a config named ``config.json``."""
    image = make_image([layer_of("jib"), make_layer({"data": bytes(range(256)) * 1000})])
    layers = [compress(layer) for layer in image.layers]
    names = [f"{digest(layer)}.tar.gz" for layer in layers]
    manifest = [{"Config": "config.json", "RepoTags": ["jib:1"], "Layers": names}]
    return image, make_tar({"config.json": image.config, **dict(zip(names, layers, strict=True)), "manifest.json": dump(manifest)})


def nix() -> tuple[SampleImage, bytes]:
    """Nix's dockerTools: folders of layers, times of 1970, gzip around all."""
    image = make_image([layer_of("nix")], created="1970-01-01T00:00:01+00:00")
    config = f"{image.config_hex}.json"
    name = f"{digest(image.layers[0])}/layer.tar"
    manifest = [{"Config": config, "RepoTags": ["nix:abc"], "Layers": [name]}]
    members = {config: image.config, name: image.layers[0], "manifest.json": dump(manifest)}
    return image, gzipped(make_tar(members, folders=[name.partition("/")[0]]))


def zstd_chunked(data: bytes) -> bytes:
    """podman push --compression-format zstd:chunked: several frames, and skippable ones with an index between and behind them."""
    compressor = zstandard.ZstdCompressor()
    skippable = b"\x50\x2a\x4d\x18" + (64).to_bytes(4, "little") + bytes(range(64))
    half = len(data) // 2
    return compressor.compress(data[:half]) + skippable + compressor.compress(data[half:]) + skippable


def one_config_twice() -> bytes:
    """An index that lists one image under two tags, and Docker's list beside it."""
    image = make_image([layer_of("tags")])
    layout = Layout()
    layout.top = [layout.add_image(image, annotations={"org.opencontainers.image.ref.name": tag}) for tag in ("1", "latest")]
    return layout.tar()


def odd_end(kind: str) -> bytes:
    """Tars whose end blocks are missing (NodeOS#227), or that something follows."""
    whole = docker_archive(make_image([layer_of("end")]))
    core = whole.rstrip(b"\0")
    core += bytes(-len(core) % 512)
    return {"none": core, "one block": core + bytes(512), "newline": whole + b"\n", "cut": core[: len(core) - 600]}[kind]


def volume_label() -> bytes:
    """GNU tar's ``-V LABEL``: the tar begins with a header of type V."""
    info = tarfile.TarInfo("backup of Monday")
    info.type = b"V"
    return info.tobuf(tarfile.GNU_FORMAT) + docker_archive(make_image([layer_of("label")]))


def large_window() -> bytes:
    """``docker save | zstd --long=28``: a frame that needs a window of 256 MiB."""
    compressor = zstandard.ZstdCompressor(compression_params=zstandard.ZstdCompressionParameters(window_log=28)).compressobj()
    return compressor.compress(docker_archive(make_image([layer_of("window")]))) + compressor.flush()


def sparse_member() -> bytes:
    """``tar --sparse`` of an export whose files have holes: a member of GNU tar's type S."""
    info = tarfile.TarInfo("blobs/sha256/layer")
    info.type = tarfile.GNUTYPE_SPARSE
    return info.tobuf(tarfile.GNU_FORMAT) + bytes(1024)
