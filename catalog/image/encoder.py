"""The encoder of stored frames, one for each chunk, which is part of the format, and their bounded decoder.

A frame is the output of one ``ZSTD_compress2`` call of zstd 1.5.7 for the whole chunk: level 3, content size in the frame, no
checksum, no dictionary. Another encoder would make other bytes and so other CIDs; `check_encoder` refuses it before anything is
written. Source: docs/formats/image.md, section 4.
"""

import hashlib
import threading
from functools import cache
from typing import Final

import zstandard

from catalog.errors import EncoderError, VerificationError
from catalog.limits import MAX_CHUNK_SIZE, MAX_STORED_FRAME_SIZE

EMPTY_FRAME: Final = bytes.fromhex("28b52ffd2000010000")  # the frame of an empty chunk
_LEVEL = 3
_PROBE_SIZE = 512 * 1024
_PROBE_FRAME_SHA256 = "efe20a9d7f171beb43fad3586df85627363c3c8abdc0e3594d043c9071ed369e"
ZSTD_MAGIC: Final = b"\x28\xb5\x2f\xfd"

_local = threading.local()  # a (de)compressor may be used by one thread at a time


@cache
def check_encoder() -> None:
    """Raise `EncoderError` unless this process's encoder makes the golden frame of the probe; checked once per process."""
    digest = hashlib.sha256(compress_chunk(build_probe())).hexdigest()
    if digest != _PROBE_FRAME_SHA256:
        version = ".".join(map(str, zstandard.ZSTD_VERSION))
        raise EncoderError(
            f"this zstd ({version}) does not make the frames of dcat-image/1",
            why=f"the probe's frame has sha256 {digest[:12]}…, {_PROBE_FRAME_SHA256[:12]}… was expected (zstd 1.5.7)",
            hint="install the zstandard wheel that dcat was released with (0.25, libzstd 1.5.7)",
        )


def build_probe() -> bytes:
    """Make the 512 KiB that `check_encoder` compresses, by a fixed rule (docs/formats/image.md, section 4)."""
    probe = bytearray()
    number = 0
    while len(probe) < _PROBE_SIZE:
        digest = hashlib.sha256(b"%d" % number).digest()
        kind = number // 512 % 3
        if kind == 0:
            probe += digest
        elif kind == 1:
            probe += b"%d %s\n" % (number * number, digest[: number % 23].hex().encode())
        else:
            stem = hashlib.sha256(b"%d" % (number % 97)).hexdigest()[: number % 31]
            probe += b"usr/lib/python3/%s.py\0" % stem.encode()
        number += 1
    return bytes(probe[:_PROBE_SIZE])


def compress_chunk(content: bytes | bytearray | memoryview) -> bytes:
    """Return the one frame of a chunk of at most 512 KiB. Releases the GIL; may be called from any thread."""
    compressor: zstandard.ZstdCompressor | None = getattr(_local, "compressor", None)
    if compressor is None:
        compressor = _local.compressor = zstandard.ZstdCompressor(
            level=_LEVEL, write_content_size=True, write_checksum=False, write_dict_id=False
        )
    return compressor.compress(content)


def frame_content_size(frame: bytes | memoryview) -> int:
    """Return the content size that a stored frame states, at most 512 KiB; nothing is inflated.

    Raise `VerificationError` for data that is not a zstd frame, or states no size or one that is too large.
    """
    if len(frame) > MAX_STORED_FRAME_SIZE:
        raise VerificationError(f"a stored frame has at most {MAX_STORED_FRAME_SIZE} bytes, not {len(frame)}")
    if bytes(frame[:4]) != ZSTD_MAGIC:
        raise VerificationError("a stored leaf is not a zstd frame")
    try:
        size = zstandard.frame_content_size(frame)
    except zstandard.ZstdError as error:
        raise VerificationError("a stored leaf is not a zstd frame", why=str(error)) from error
    if size < 0:
        raise VerificationError("a stored frame does not state its content's size")
    if size > MAX_CHUNK_SIZE:
        raise VerificationError(f"a stored frame states {size} bytes of content; {MAX_CHUNK_SIZE} is the most")
    return size


def inflate_frame(frame: bytes | memoryview) -> bytes:
    """Return the content of a leaf that is exactly one frame with its content size; releases the GIL, may be called from any
    thread.

    Raise `VerificationError` for anything else: several frames, trailing bytes, no or too large a content size, damage.
    """
    size = frame_content_size(frame)
    if size == 0:  # the library returns no bytes without checking the rest of the frame
        if bytes(frame) != EMPTY_FRAME:
            raise VerificationError("a stored frame states no content and is not the empty frame")
        return b""
    decompressor: zstandard.ZstdDecompressor | None = getattr(_local, "decompressor", None)
    if decompressor is None:
        decompressor = _local.decompressor = zstandard.ZstdDecompressor(max_window_size=MAX_CHUNK_SIZE)
    try:
        content = decompressor.decompress(frame, read_across_frames=False, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise VerificationError("a stored frame is damaged, or not alone in its leaf", why=str(error)) from error
    if len(content) != size:
        raise VerificationError(f"a stored frame inflates to {len(content)} bytes; it states {size}")
    return content
