"""Multipart forms as streams: files of unknown length, in memory of one piece.

requests holds a whole form in memory, twice. Kubo requires a file name in each part, and accepts chunked bodies.
Source: RFC 7578; Kubo's go-ipfs-cmds, http/parse.go.
"""

from collections.abc import Iterable, Iterator
from typing import Final

_BOUNDARY: Final = (
    "dcat-7c1d1c53e4f14e5f9a3f1f0c"  # bodies are CARs and records: framed by their own lengths, read to the last boundary
)
_PIECE: Final = 256 * 1024

CONTENT_TYPE: Final = f"multipart/form-data; boundary={_BOUNDARY}"


def encode_form(files: Iterable[tuple[str, Iterable[bytes]]]) -> Iterator[bytes]:
    """Yield the body of a form with one part for each file name and its bytes, in pieces of about 256 KiB.

    The end is a piece of its own, small enough to travel in one packet with the end of the body (`catalog.clients.connection`).
    """
    yield from _gather(_parts(files))
    yield f"--{_BOUNDARY}--\r\n".encode()


def _parts(files: Iterable[tuple[str, Iterable[bytes]]]) -> Iterator[bytes]:
    for name, pieces in files:
        yield (
            f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n"
        ).encode()
        yield from pieces
        yield b"\r\n"


def _gather(pieces: Iterable[bytes]) -> Iterator[bytes]:
    held: list[bytes] = []
    size = 0
    for piece in pieces:
        held.append(piece)
        size += len(piece)
        if size >= _PIECE:
            yield b"".join(held)
            held, size = [], 0
    if held:
        yield b"".join(held)
