"""The export of an image out of an engine, as a stream, with the error that the engine writes into it.

A classic engine stages the whole image before the first byte, so the time allowed for that grows with the image. A later failure is
written as JSON in place of the rest of the tar (moby, api/server/router/image, ``getImagesGet``).
"""

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, cast

from catalog.clients.docker.api import EngineApi
from catalog.errors import (
    ArchiveError,
    EngineUnavailableError,
    ImageNotFoundError,
    PlatformNotFoundError,
    VerificationError,
)
from catalog.image.oci import parse_manifest
from catalog.image.stream import Budget, ByteStream
from catalog.image.tar import read_members
from catalog.limits import DEFAULT_MAX_IMAGE_SIZE, ENGINE_STAGING_RATE, MAX_ENGINE_STAGING, MAX_JSON_SIZE, MIB
from catalog.model.digest import ConfigDigest, ManifestDigest
from catalog.model.platform import Platform

_TAIL = 8192
_SHOWN = 1000  # characters of what an engine says
_LAST_WORDS = 8 * MIB  # within which an engine's error ends the stream that it broke


@contextmanager
def open_export(api: EngineApi, image_id: str, size: int, platform: Platform | None) -> Iterator[BinaryIO]:
    """Open the export of an image by its ID; ``platform`` selects one of an index, if the engine can (API 1.48)."""
    params = {"platform": platform_json(platform)} if platform is not None else {}
    with api.open("GET", f"/images/{image_id}/get", params=params, patience=staging_time(size)) as response:
        if response.status != 200:
            reply = api.read(response)
            if reply.status != 404:
                raise api.refused(reply, f"to export {image_id}")
            error = PlatformNotFoundError if "platform" in reply.message else ImageNotFoundError
            raise error(f"the engine does not export {image_id}", why=reply.message)
        api.limit_silence(response)
        stream = _ExportStream(api.body(response))
        try:
            # Engines flush 32 KiB at a time; hashing and cutting is faster with larger pieces.
            yield cast(BinaryIO, io.BufferedReader(stream, MIB))
        except VerificationError as failure:
            if said := stream.last_words():
                raise EngineUnavailableError(f"the engine broke off its export of {image_id}", why=said) from failure
            raise


def read_config_digest(stream: BinaryIO, manifest: str) -> ConfigDigest:
    """Return the config digest in the manifest with this digest; read an export no further than to that manifest."""
    wanted = f"blobs/sha256/{manifest.removeprefix('sha256:')}"
    budget = Budget(DEFAULT_MAX_IMAGE_SIZE)

    def pieces() -> Iterator[bytes]:
        while piece := stream.read(MIB):
            budget.spend(len(piece))
            yield piece

    for member, content in read_members(ByteStream(pieces())):
        if member.name == wanted and member.size <= MAX_JSON_SIZE:
            data = b"".join(content)
            if str(ManifestDigest.of(data)) == manifest:
                return ConfigDigest(parse_manifest(data).config.digest.raw)
    raise ArchiveError(f"the engine exports no manifest {manifest}")


def staging_time(size: int) -> float:
    """Return the seconds that an engine may take to stage an image of ``size`` bytes, which is what the engine says."""
    return min(max(0, size) / ENGINE_STAGING_RATE, MAX_ENGINE_STAGING)


def platform_json(platform: Platform) -> str:
    """Return a platform as the engine's API takes it in a query."""
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
        """Read to the end, if it is near; return the engine's error message if the stream ends with one."""
        left = _LAST_WORDS
        while piece := self._next():
            left -= len(piece)
            if left < 0:
                return None
        start = self._tail.rfind(b'{"message":')
        try:
            return str(json.loads(self._tail[start:])["message"])[:_SHOWN] if start >= 0 else None
        except (ValueError, KeyError, TypeError, RecursionError):
            return None

    def _next(self) -> bytes:
        piece = next(self._pieces, b"")
        self._tail = piece if len(piece) >= _TAIL else (self._tail + piece)[-_TAIL:]
        return piece
