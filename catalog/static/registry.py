"""The documents of a registry of plain files: nobody encodes there, so the layers are the stored frames themselves."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from catalog.image.canonical import CONFIG_TYPE, INDEX_TYPE, MANIFEST_TYPE
from catalog.model.digest import ConfigDigest
from catalog.model.platform import Platform
from catalog.static.outline import Blob

ZSTD_LAYER_TYPE: Final = "application/vnd.oci.image.layer.v1.tar+zstd"


@dataclass(frozen=True, slots=True)
class Document:
    """The bytes of a manifest or index, and their media type."""

    data: bytes
    media_type: str

    @property
    def digest(self) -> str:
        return f"sha256:{hashlib.sha256(self.data).hexdigest()}"


def build_manifest(config: ConfigDigest, config_size: int, layers: Iterable[Blob]) -> Document:
    """Return the manifest of an image: its own config, and the files of its layers, base first, each as often as it occurs."""
    fields = {
        "config": {"digest": str(config), "mediaType": CONFIG_TYPE, "size": config_size},
        "layers": [
            {"digest": f"sha256:{layer.digest.hex()}", "mediaType": ZSTD_LAYER_TYPE, "size": layer.size} for layer in layers
        ],
        "mediaType": MANIFEST_TYPE,
        "schemaVersion": 2,
    }
    return Document(_encode(fields), MANIFEST_TYPE)


def build_index(manifests: Mapping[Platform, Document]) -> Document:
    """Return an index of manifests, in the order of their platforms."""
    entries = []
    for platform in sorted(manifests):
        described = {"architecture": platform.architecture, "os": platform.os}
        if platform.variant:
            described["variant"] = platform.variant
        document = manifests[platform]
        entries.append(
            {
                "digest": document.digest,
                "mediaType": document.media_type,
                "platform": described,
                "size": len(document.data),
            }
        )
    return Document(_encode({"manifests": entries, "mediaType": INDEX_TYPE, "schemaVersion": 2}), INDEX_TYPE)


def manifests_in(data: bytes | None) -> list[str]:
    """Return the digests under which a manifest or index that `build_index` made is found, and those of the manifests in it."""
    if data is None:
        return []
    entries = json.loads(data).get("manifests", [])
    return [Document(data, "").digest, *(str(entry["digest"]) for entry in entries)]


def build_tags(name: str, tags: Sequence[str]) -> bytes:
    """Return the list of the tags of a repository."""
    return _encode({"name": name, "tags": sorted(tags)})


def read_tags(data: bytes | None) -> list[str]:
    """Return the tags in a list that `build_tags` made; none where there is no list."""
    return [] if data is None else [str(tag) for tag in json.loads(data)["tags"]]


def _encode(fields: object) -> bytes:
    return json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()
