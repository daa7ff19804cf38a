"""Putting small images into a registry as people do (compressed layers, a manifest that no dcat made), and what one sent."""

import gzip
import json
import re
import urllib.request
from collections.abc import Callable, Mapping
from urllib.parse import urljoin

import zstandard

from catalog.model.digest import Digest
from catalog.model.platform import Platform
from tests.factory.images import SampleImage
from tests.server.registry.conftest import RegistryServer

_KIND = "application/vnd.oci.image."
_BLOB = re.compile(r'"GET /v2/[^"]*/blobs/(sha256:[0-9a-f]+)" (\d+) (\d+)')


_PACKS: Mapping[str, Callable[[bytes], bytes]] = {
    "": bytes,
    "+gzip": lambda content: gzip.compress(content, mtime=0),
    "+zstd": zstandard.ZstdCompressor().compress,
}


def push_compressed(address: str, name: str, tag: str, image: SampleImage, pack: str = "+gzip") -> str:
    """Push an image with layers that are packed as the ending of a media type says, and return its manifest's digest there."""
    layers = []
    for content in image.layers:
        blob = _PACKS[pack](content)
        layers.append({"mediaType": f"{_KIND}layer.v1.tar{pack}", "size": len(blob), "digest": _put_blob(address, name, blob)})
    config = {"mediaType": f"{_KIND}config.v1+json", "size": len(image.config), "digest": _put_blob(address, name, image.config)}
    manifest = {"schemaVersion": 2, "mediaType": f"{_KIND}manifest.v1+json", "config": config, "layers": layers}
    body = json.dumps(manifest).encode()
    _request("PUT", f"http://{address}/v2/{name}/manifests/{tag}", body, f"{_KIND}manifest.v1+json")
    return str(Digest.of(body))


def push_index(
    address: str, name: str, tag: str, images: Mapping[Platform, SampleImage], pack: str = "+gzip"
) -> dict[Platform, str]:
    """Push an index of images, each of which has a tag of its own as well; return the digests of their manifests."""
    entries = []
    digests = {}
    for platform, image in images.items():
        own = f"{tag}-{platform.architecture}"
        digest = digests[platform] = push_compressed(address, name, own, image, pack)
        kind = f"{_KIND}manifest.v1+json"
        wanted = urllib.request.Request(f"http://{address}/v2/{name}/manifests/{digest}", headers={"Accept": kind})
        with urllib.request.urlopen(wanted, timeout=60) as response:
            size = len(response.read())
        described = {"os": platform.os, "architecture": platform.architecture}
        entries.append({"mediaType": kind, "digest": digest, "size": size, "platform": described})
    body = json.dumps({"schemaVersion": 2, "mediaType": f"{_KIND}index.v1+json", "manifests": entries}).encode()
    _request("PUT", f"http://{address}/v2/{name}/manifests/{tag}", body, f"{_KIND}index.v1+json")
    return digests


def _put_blob(address: str, name: str, blob: bytes) -> str:
    digest = str(Digest.of(blob))
    place = urljoin(f"http://{address}", _request("POST", f"http://{address}/v2/{name}/blobs/uploads/", b""))
    _request("PUT", f"{place}{'&' if '?' in place else '?'}digest={digest}", blob)
    return digest


def _request(method: str, url: str, body: bytes, kind: str = "application/octet-stream") -> str:
    request = urllib.request.Request(url, data=body, method=method, headers={"Content-Type": kind})
    with urllib.request.urlopen(request, timeout=60) as response:
        return str(response.headers.get("Location", ""))


def sent_of(registry: RegistryServer) -> dict[str, int]:
    """Return the bytes that a server of tests sent of each blob, from its log."""
    sizes: dict[str, int] = {}
    for match in filter(None, map(_BLOB.search, list(registry.log))):
        sizes[match[1]] = sizes.get(match[1], 0) + int(match[3])
    return sizes
