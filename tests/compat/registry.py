"""Putting small images into a registry as people do: compressed layers under a manifest that no dcat made."""

import gzip
import json
import urllib.request
from urllib.parse import urljoin

from catalog.model.digest import Digest
from tests.factory.images import SampleImage

_KIND = "application/vnd.oci.image."


def push_compressed(address: str, name: str, tag: str, image: SampleImage) -> str:
    """Push an image with gzip layers and return its manifest's digest there."""
    layers = []
    for content in image.layers:
        blob = gzip.compress(content, mtime=0)
        layers.append({"mediaType": f"{_KIND}layer.v1.tar+gzip", "size": len(blob), "digest": _put_blob(address, name, blob)})
    config = {"mediaType": f"{_KIND}config.v1+json", "size": len(image.config), "digest": _put_blob(address, name, image.config)}
    manifest = {"schemaVersion": 2, "mediaType": f"{_KIND}manifest.v1+json", "config": config, "layers": layers}
    body = json.dumps(manifest).encode()
    _request("PUT", f"http://{address}/v2/{name}/manifests/{tag}", body, f"{_KIND}manifest.v1+json")
    return str(Digest.of(body))


def _put_blob(address: str, name: str, blob: bytes) -> str:
    digest = str(Digest.of(blob))
    place = urljoin(f"http://{address}", _request("POST", f"http://{address}/v2/{name}/blobs/uploads/", b""))
    _request("PUT", f"{place}{'&' if '?' in place else '?'}digest={digest}", blob)
    return digest


def _request(method: str, url: str, body: bytes, kind: str = "application/octet-stream") -> str:
    request = urllib.request.Request(url, data=body, method=method, headers={"Content-Type": kind})
    with urllib.request.urlopen(request, timeout=30) as response:
        return str(response.headers.get("Location", ""))
