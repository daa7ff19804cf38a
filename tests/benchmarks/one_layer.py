"""A ``docker save`` of one layer, of any size, written as it flows."""

import hashlib
import io
import json
import tarfile
from collections.abc import Iterable
from typing import BinaryIO


def write_image(stream: BinaryIO, layer_size: int, pieces: Iterable[bytes]) -> None:
    """Write an image whose one layer is ``pieces``, ``layer_size`` bytes in all; what describes the layer comes behind it."""
    layer = tarfile.TarInfo("layer.tar")
    layer.size = layer_size
    stream.write(layer.tobuf(tarfile.USTAR_FORMAT))
    sha256 = hashlib.sha256()
    for piece in pieces:
        sha256.update(piece)
        stream.write(piece)
    stream.write(bytes(-layer_size % 512))
    config = {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [f"sha256:{sha256.hexdigest()}"]}}
    manifest = [{"Config": "config.json", "RepoTags": None, "Layers": ["layer.tar"]}]
    described = io.BytesIO()
    with tarfile.open(fileobj=described, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, document in (("config.json", config), ("manifest.json", manifest)):
            content = json.dumps(document).encode()
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    stream.write(described.getvalue())
