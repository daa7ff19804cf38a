"""The index of an image for several platforms, as a registry of dcat serves it. Source: OCI image-spec, image-index.md."""

import json
from collections.abc import Mapping

from catalog.image.canonical import INDEX_TYPE, MANIFEST_TYPE
from catalog.model.digest import ManifestDigest
from catalog.model.platform import Platform


def build_platform_index(manifests: Mapping[Platform, tuple[ManifestDigest, int]]) -> bytes:
    """Return an index of canonical manifests, each with its digest and size, in the order of ``manifests``."""
    entries = []
    for platform, (digest, size) in manifests.items():
        described = {"architecture": platform.architecture, "os": platform.os}
        if platform.variant:
            described["variant"] = platform.variant
        entries.append({"digest": str(digest), "mediaType": MANIFEST_TYPE, "platform": described, "size": size})
    document = {"manifests": entries, "mediaType": INDEX_TYPE, "schemaVersion": 2}
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
