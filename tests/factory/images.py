"""Images by their parts: a config's exact bytes, and layers."""

import json
import os
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from catalog.model.digest import ConfigDigest, DiffID, Digest, ManifestDigest
from catalog.model.platform import Platform
from tests.factory.platforms import AMD64
from tests.factory.programs import make_program
from tests.factory.tars import make_layer, make_tar

_KIND = "application/vnd.oci.image."


@dataclass(frozen=True)
class SampleImage:
    """A config's exact bytes and uncompressed layers, base first."""

    config: bytes
    layers: tuple[bytes, ...]

    @property
    def config_hex(self) -> str:
        return self.config_digest.hex

    @property
    def config_digest(self) -> ConfigDigest:
        return ConfigDigest.of(self.config)

    @cached_property
    def diff_ids(self) -> tuple[DiffID, ...]:
        return tuple(DiffID.of(content) for content in self.layers)

    @cached_property
    def manifest(self) -> bytes:
        """The canonical manifest of dcat-image/1, written here a second time (docs/formats/image.md)."""
        layers = [
            {"digest": str(diff_id), "mediaType": f"{_KIND}layer.v1.tar", "size": len(content)}
            for diff_id, content in zip(self.diff_ids, self.layers, strict=True)
        ]
        config = {"digest": str(self.config_digest), "mediaType": f"{_KIND}config.v1+json", "size": len(self.config)}
        return canonical_json({"config": config, "layers": layers, "mediaType": f"{_KIND}manifest.v1+json", "schemaVersion": 2})

    @property
    def descriptor(self) -> dict[str, Any]:
        """The manifest's descriptor in an index."""
        digest = str(ManifestDigest.of(self.manifest))
        return {"digest": digest, "mediaType": f"{_KIND}manifest.v1+json", "size": len(self.manifest)}

    def blobs(self, without: Sequence[DiffID] = ()) -> dict[str, bytes]:
        """Return manifest, config and each layer once, by their place in an OCI layout."""
        contents = [self.manifest, self.config]
        contents += [content for diff_id, content in zip(self.diff_ids, self.layers, strict=True) if diff_id not in without]
        return {f"blobs/sha256/{Digest.of(content).hex}": content for content in contents}

    def archive(self, *tags: str, without: Sequence[DiffID] = ()) -> bytes:
        """Return an archive that every engine loads, as dcat writes it but for the tags; some layers may be left out."""
        index = {"manifests": [self.descriptor], "mediaType": f"{_KIND}index.v1+json", "schemaVersion": 2}
        listing = [
            {
                "Config": f"blobs/sha256/{self.config_digest.hex}",
                "Layers": [f"blobs/sha256/{diff_id.hex}" for diff_id in self.diff_ids],
                "RepoTags": list(tags) or None,
            }
        ]
        return make_tar(
            {
                "oci-layout": b'{"imageLayoutVersion":"1.0.0"}',
                "index.json": canonical_json(index),
                "manifest.json": canonical_json(listing),
                **self.blobs(without),
            }
        )


def canonical_json(value: object) -> bytes:
    """Return JSON with sorted keys and without spaces."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def make_image(
    layers: Sequence[bytes],
    platform: Platform = AMD64,
    *,
    labels: Mapping[str, str] | None = None,
    settings: Mapping[str, Any] | None = None,
    **extra: object,
) -> SampleImage:
    """Return an image whose config has Docker's habits: odd spacing, extra fields, text in other scripts.

    ``labels`` replaces the labels, ``settings`` the whole ``config`` object (Env, Cmd, Labels), ``extra`` top-level fields.
    """
    if settings is None:
        settings = {"Env": ["PATH=/usr/bin"], "Labels": labels if labels is not None else {"title": "größe ✓", "n": "\u00e9"}}
    created = "2026-11-24T06:33:30.123456789Z"
    steps = [{"created": created, "created_by": f"step {position}"} for position in range(len(layers))]
    document: dict[str, object] = {
        "architecture": platform.architecture,
        "os": platform.os,
        "created": created,
        "config": dict(settings),
        "container_config": {"Hostname": "x"},
        "docker_version": "20.10.24",
        "history": [*steps, {"created": created, "created_by": "COPY", "empty_layer": True}],
        "rootfs": {"type": "layers", "diff_ids": [str(DiffID.of(layer)) for layer in layers]},
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


def small_image(text: str = "one") -> SampleImage:
    """Return an image on `BASE`, different for each text."""
    return make_image([BASE, make_layer({"app/text": text.encode() * 300})], labels={"text": text})


def five_layers() -> SampleImage:
    """Return an image of five layers, two of them the same, with text that is not ASCII in its config."""
    twice = make_layer({"app/twice": b"twice\n"})
    layers = [BASE, make_layer({"app/data": b"data" * 20_000}), twice, twice, make_layer({"app/last": b"last\n"})]
    labels = {"beschreibung": "Größe, naïve, 日本語, \u202e, 🐈", "empty": ""}
    return make_image(layers, settings={"Env": ["PATH=/bin", "TEXT=Ünïcode"], "Labels": labels, "WorkingDir": "/app"})


def many_layers(count: int = 120) -> SampleImage:
    """Return an image of many layers: more than overlay file systems stack in one mount, fewer than Docker's limit of 127."""
    return make_image([make_layer({f"layer/{place}": str(place).encode()}) for place in range(count)])


def runnable(message: str = "it runs") -> SampleImage:
    """Return an image for this machine whose program prints the message."""
    return make_image([BASE, make_layer({"bin/say": make_program(message)})], machine_platform(), settings={"Cmd": ["/bin/say"]})


def machine_platform() -> Platform:
    """Return the platform of the machine that the tests run on."""
    return Platform("linux", {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine])


def versioned_text(version: str, size: int, *, seed: object = 1, every: int = 0) -> bytes:
    """Return text that compresses badly and differs in a few bytes from the same text in another version.

    The version is written at the start, and once more each ``every`` bytes.
    """
    text = bytearray(random.Random(seed).randbytes(size // 2).hex().encode())  # type: ignore[arg-type]
    for at in range(0, len(text), every or len(text)):
        text[at : at + len(version)] = version.encode()
    return bytes(text)
