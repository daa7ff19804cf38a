"""Small images for tests, made here: nothing is pulled. Each is a config and layers, to become an archive; one an engine builds."""

import io
import json
import platform
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from catalog.model.digest import ConfigDigest, DiffID, Digest, ManifestDigest
from catalog.model.platform import Platform
from tests.compat.engines import PrivateEngine

_CREATED = "2026-01-02T03:04:05.123456789Z"
# Two system calls, write(1, message) and exit(0): the code before the message, with the message's length left open.
_CODE = {
    "x86_64": "b801000000 bf01000000 488d3515000000 ba{length} 0f05 b83c000000 31ff 0f05 9090909090",
    "aarch64": "200080d2 e1000010 {move} 080880d2 010000d4 000080d2 a80b80d2 010000d4",
}


def layer(files: Mapping[str, bytes], *, mode: int = 0o755) -> bytes:
    """Make a layer of files, with the same bytes each time."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode, member.mtime = len(content), mode, 1_700_000_000
            tar.addfile(member, io.BytesIO(content))
    return stream.getvalue()


@dataclass(frozen=True)
class SmallImage:
    """An image by its parts; ``settings`` is the config's ``config`` (Env, Cmd, Labels)."""

    layers: Sequence[bytes]
    settings: Mapping[str, Any] = field(default_factory=dict)
    architecture: str = "amd64"

    @cached_property
    def diff_ids(self) -> tuple[DiffID, ...]:
        return tuple(DiffID.of(content) for content in self.layers)

    @cached_property
    def config(self) -> bytes:
        """The config's exact bytes; not in any canonical form, as engines write them."""
        return json.dumps(
            {
                "created": _CREATED,
                "architecture": self.architecture,
                "os": "linux",
                "config": dict(self.settings),
                "rootfs": {"type": "layers", "diff_ids": [str(diff_id) for diff_id in self.diff_ids]},
                "history": [{"created": _CREATED, "created_by": f"step {place}"} for place in range(len(self.layers))],
            },
            ensure_ascii=False,
        ).encode()

    @property
    def config_digest(self) -> ConfigDigest:
        return ConfigDigest.of(self.config)

    @cached_property
    def manifest(self) -> bytes:
        """The canonical manifest of design.md section 2, written here a second time."""
        kind = "application/vnd.oci.image."
        layers = [
            {"digest": str(diff_id), "mediaType": f"{kind}layer.v1.tar", "size": len(content)}
            for diff_id, content in zip(self.diff_ids, self.layers, strict=True)
        ]
        config = {"digest": str(self.config_digest), "mediaType": f"{kind}config.v1+json", "size": len(self.config)}
        manifest = {"config": config, "layers": layers, "mediaType": f"{kind}manifest.v1+json", "schemaVersion": 2}
        return _json(manifest)

    @property
    def descriptor(self) -> dict[str, Any]:
        """What an index says of the manifest."""
        kind = "application/vnd.oci.image.manifest.v1+json"
        return {"digest": str(ManifestDigest.of(self.manifest)), "mediaType": kind, "size": len(self.manifest)}

    def blobs(self, without: Sequence[DiffID] = ()) -> dict[str, bytes]:
        """Give manifest, config and each layer once, by their place in an OCI layout."""
        contents = [self.manifest, self.config]
        contents += [content for diff_id, content in zip(self.diff_ids, self.layers, strict=True) if diff_id not in without]
        return {f"blobs/sha256/{Digest.of(content).hex}": content for content in contents}

    def archive(self, *tags: str, without: Sequence[DiffID] = ()) -> bytes:
        """Give an archive that every engine loads, as dcat writes it but for the tags; some layers may be left out."""
        index = {"manifests": [self.descriptor], "mediaType": "application/vnd.oci.image.index.v1+json", "schemaVersion": 2}
        listing = [
            {
                "Config": f"blobs/sha256/{self.config_digest.hex}",
                "Layers": [f"blobs/sha256/{diff_id.hex}" for diff_id in self.diff_ids],
                "RepoTags": list(tags) or None,
            }
        ]
        members = {
            "oci-layout": b'{"imageLayoutVersion":"1.0.0"}',
            "index.json": _json(index),
            "manifest.json": _json(listing),
            **self.blobs(without),
        }
        return tar_of(members)


def index_archive(images: Mapping[Platform, SmallImage], tag: str) -> bytes:
    """Give an archive of one image for several platforms, as an OCI layout with an index inside; ``tag`` is a whole reference."""
    members: dict[str, bytes] = {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}'}
    entries = []
    for of_platform, image in images.items():
        fields = {"os": of_platform.os, "architecture": of_platform.architecture}
        entries.append({**image.descriptor, "platform": fields})
        members |= image.blobs()
    kind = "application/vnd.oci.image.index.v1+json"
    index = _json({"manifests": entries, "mediaType": kind, "schemaVersion": 2})
    digest = Digest.of(index)
    entry = {"digest": str(digest), "mediaType": kind, "size": len(index), "annotations": {"io.containerd.image.name": tag}}
    members[f"blobs/sha256/{digest.hex}"] = index
    members["index.json"] = _json({"manifests": [entry], "mediaType": kind, "schemaVersion": 2})
    return tar_of(members)


def tar_of(members: Mapping[str, bytes]) -> bytes:
    """Make an outer archive of members, in their order."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


BASE = layer({"etc/os-release": b"NAME=small\n", "usr/lib/base": bytes(range(256)) * 600})


def small_image(text: str = "one") -> SmallImage:
    """Give an image on `BASE`, different for each text."""
    return SmallImage([BASE, layer({"app/text": text.encode() * 300})], {"Env": ["PATH=/bin"], "Labels": {"text": text}})


def five_layers() -> SmallImage:
    """Give an image of five layers, two of them the same, with text that is not ASCII in its config."""
    twice = layer({"app/twice": b"twice\n"})
    layers = [BASE, layer({"app/data": b"data" * 20_000}), twice, twice, layer({"app/last": b"last\n"})]
    labels = {"beschreibung": "Größe, naïve, 日本語, \u202e, 🐈", "empty": ""}
    return SmallImage(layers, {"Env": ["PATH=/bin", "TEXT=Ünïcode"], "Labels": labels, "WorkingDir": "/app"})


def many_layers(count: int = 120) -> SmallImage:
    """Give an image of many layers: more than overlay file systems stack in one mount, fewer than Docker's limit of 127."""
    return SmallImage([layer({f"layer/{place}": str(place).encode()}) for place in range(count)])


def runnable(message: str = "it runs") -> SmallImage:
    """Give an image for this machine whose program prints the message."""
    architecture = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]
    return SmallImage([BASE, layer({"bin/say": program_that_says(message)})], {"Cmd": ["/bin/say"]}, architecture)


def program_that_says(message: str) -> bytes:
    """Make a static ELF program for this machine that prints a line and ends."""
    text = f"{message}\n".encode()
    machine = platform.machine()
    move = (0xD2800002 | len(text) << 5).to_bytes(4, "little").hex()  # aarch64: mov x2, #length
    code = bytes.fromhex(_CODE[machine].format(length=len(text).to_bytes(4, "little").hex(), move=move))
    start, header = 0x400000, 64 + 56
    size = header + len(code) + len(text)
    number = {"x86_64": 62, "aarch64": 183}[machine]

    def fields(*pairs: tuple[int, int]) -> bytes:
        return b"".join(value.to_bytes(width, "little") for value, width in pairs)

    identity = b"\x7fELF\x02\x01\x01" + bytes(9)
    elf = fields((2, 2), (number, 2), (1, 4), (start + header, 8), (64, 8), (0, 8), (0, 4), (64, 2), (56, 2), (1, 2), (0, 6))
    segment = fields((1, 4), (5, 4), (0, 8), (start, 8), (start, 8), (size, 8), (size, 8), (0x1000, 8))
    return identity + elf + segment + code + text


def build(engine: PrivateEngine, folder: Path, reference: str) -> None:
    """Have a classic engine build an image of layers, two of them the same, with all that it writes into configs."""
    (folder / "base").mkdir(parents=True, exist_ok=True)
    (folder / "base" / "data").write_bytes(bytes(range(256)) * 2000)
    (folder / "twice").write_text("twice\n", encoding="utf-8")
    (folder / "say").write_bytes(program_that_says(f"{reference} runs"))
    (folder / "say").chmod(0o755)
    (folder / "Dockerfile").write_text(
        "FROM scratch\n"
        "ENV PATH=/bin TEXT=Ünïcode\n"
        "COPY base /base\n"
        "COPY twice /twice\n"
        "COPY twice /twice\n"
        "WORKDIR /work\n"
        "COPY say /bin/say\n"
        'LABEL description="Größe 日本語"\n'
        'CMD ["/bin/say"]\n',
        encoding="utf-8",
    )
    engine.run("build", "--quiet", "--tag", reference, str(folder))
