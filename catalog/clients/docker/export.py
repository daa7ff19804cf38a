"""An image on its way out of an engine: a stream to read, and what the engine says in it when it fails half-way.

A classic engine stages the whole image before the first byte, so the wait for it grows with the image; what fails later is written
as JSON where the tar should go on (moby, api/server/router/image, ``getImagesGet``).
"""

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, cast

from catalog.clients.docker.api import EngineApi, message_of
from catalog.errors import (
    ArchiveError,
    EngineUnavailableError,
    ImageNotFoundError,
    PlatformNotFoundError,
    VerificationError,
)
from catalog.image.oci import parse_manifest
from catalog.image.stream import ByteStream
from catalog.image.tar import read_members
from catalog.limits import ENGINE_STAGING_RATE, MAX_JSON_SIZE, MIB
from catalog.model.digest import ConfigDigest, ManifestDigest
from catalog.model.platform import Platform

_TAIL = 8192


@contextmanager
def open_export(api: EngineApi, image_id: str, size: int, platform: Platform | None) -> Iterator[BinaryIO]:
    """Open the export of an image by its ID; ``platform`` picks one of an index, where the engine knows such (API 1.48)."""
    params = {"platform": platform_json(platform)} if platform is not None else {}
    response = api.request("GET", f"/images/{image_id}/get", params=params, stream=True, patience=size / ENGINE_STAGING_RATE)
    with response:
        if response.status_code == 404:
            error = PlatformNotFoundError if "platform" in message_of(response) else ImageNotFoundError
            raise error(f"the engine does not export {image_id}", why=message_of(response))
        if response.status_code != 200:
            raise api.refused(response, f"to export {image_id}")
        api.limit_silence(response)
        stream = _ExportStream(api.body(response))
        try:
            # Engines flush 32 KiB at a time; whoever hashes and cuts wants larger pieces.
            yield cast(BinaryIO, io.BufferedReader(stream, MIB))
        except VerificationError as failure:
            if said := stream.last_words():
                raise EngineUnavailableError(f"the engine broke off its export of {image_id}", why=said) from failure
            raise


def read_config_digest(stream: BinaryIO, manifest: str) -> ConfigDigest:
    """Give the config that the manifest with this digest names, reading an export no further than to that manifest."""
    wanted = f"blobs/sha256/{manifest.removeprefix('sha256:')}"
    for member, content in read_members(ByteStream(iter(lambda: stream.read(MIB), b""))):
        if member.name == wanted and member.size <= MAX_JSON_SIZE:
            data = b"".join(content)
            if str(ManifestDigest.of(data)) == manifest:
                return ConfigDigest(parse_manifest(data).config.digest.raw)
    raise ArchiveError(f"the engine exports no manifest {manifest}")


def platform_json(platform: Platform) -> str:
    """Write a platform as the engine's API wants it in a query."""
    fields = {"os": platform.os, "architecture": platform.architecture}
    return json.dumps({**fields, "variant": platform.variant} if platform.variant else fields)


class _ExportStream(io.RawIOBase):
    def __init__(self, pieces: Iterator[bytes]) -> None:
        super().__init__()
        self._pieces = pieces
        self._piece = memoryview(b"")  # what is left of the last one
        self._tail = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "bytearray | memoryview") -> int:  # type: ignore[override]
        if not self._piece:
            self._piece = memoryview(self._next())
        size = min(len(buffer), len(self._piece))
        buffer[:size] = self._piece[:size]
        self._piece = self._piece[size:]
        return size

    def last_words(self) -> str | None:
        """Give the engine's own message if that is how the stream ends."""
        while self._next():
            pass
        start = self._tail.rfind(b'{"message":')
        try:
            return str(json.loads(self._tail[start:])["message"]) if start >= 0 else None
        except (ValueError, KeyError, TypeError):
            return None

    def _next(self) -> bytes:
        piece = next(self._pieces, b"")
        self._tail = piece if len(piece) >= _TAIL else (self._tail + piece)[-_TAIL:]
        return piece
