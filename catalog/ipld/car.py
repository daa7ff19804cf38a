"""CAR files: sequences of blocks, for transfers and for files. CARv1 is written; CARv1 and CARv2 are read.

Nothing in a CAR is trusted: the size of its header and of each section is checked before it is read, and each block is verified
against its CID. Roots, order and completeness prove nothing: a CAR may lack blocks that were requested, hold others, or repeat
some; the caller checks that. A zero-length section is an error, as in go-car. A CARv2's index is not
read.
Sources: ipld/specs, transport/car/carv1 and carv2.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import BinaryIO, Protocol

from catalog.errors import CidError, CodecError
from catalog.ipld import dag_cbor
from catalog.ipld.block import Block
from catalog.ipld.cid import Cid, decode_cid_prefix, verify_block
from catalog.ipld.varint import encode_varint
from catalog.limits import MAX_BLOCK_SIZE, MAX_CAR_HEADER_SIZE, MAX_CAR_ROOTS

_PRAGMA = bytes.fromhex("a16776657273696f6e02")
_V2_HEADER_SIZE = 40
_V2_PREFIX_SIZE = 11 + _V2_HEADER_SIZE
_MAX_CID_SIZE = 36
_PIECE = 1 << 16


class ByteReader(Protocol):
    """An object with ``read``, which may return fewer bytes than asked for, and none at the end."""

    def read(self, size: int, /) -> bytes: ...


def encode_header(roots: Sequence[Cid]) -> bytes:
    """Return the first bytes of a CARv1."""
    header = dag_cbor.encode({"roots": list(roots), "version": 1})
    return encode_varint(len(header)) + header


def encode_section_head(cid: Cid, size: int) -> bytes:
    """Return the bytes that precede a block's data."""
    return encode_varint(len(cid.binary) + size) + cid.binary


def encode_car(roots: Sequence[Cid], blocks: Iterable[Block]) -> Iterator[bytes]:
    """Yield a CARv1 piece by piece; memory is that of one block. The blocks are not verified again."""
    yield encode_header(roots)
    for cid, data in blocks:
        yield encode_section_head(cid, len(data))
        yield data


def write_car(out: BinaryIO, roots: Sequence[Cid], blocks: Iterable[Block]) -> int:
    """Write a CARv1; return the number of its bytes."""
    size = 0
    for piece in encode_car(roots, blocks):
        out.write(piece)
        size += len(piece)
    return size


class CarReader:
    """A reader of one CAR: ``roots`` are read at once, blocks by iterating, each verified. Memory is that of one block.

    Raise `CodecError` for data that is not a CAR, is cut short within a section, or passes a limit, and `BlockMismatchError` for a
    block that does not match its CID. Errors of the stream itself pass through.
    """

    def __init__(self, stream: ByteReader, *, max_block_size: int = MAX_BLOCK_SIZE, max_roots: int = MAX_CAR_ROOTS) -> None:
        self._stream = stream
        self._max_section = max_block_size + _MAX_CID_SIZE
        self._left: int | None = None  # bytes of a CARv2's payload that are still to come
        self.version = 1
        self.bytes_read = 0
        header = self._read_header()
        if header == _PRAGMA:
            self.version = 2
            self._enter_payload()
            header = self._read_header()
        self.roots = _check_header(header, max_roots)

    def __iter__(self) -> Iterator[Block]:
        while (length := self._read_length(self._max_section, "section")) is not None:
            section = self._read_exactly(length)
            try:
                cid, start = decode_cid_prefix(section)
            except CidError as error:
                raise CodecError(f"CAR: a section's CID is {error.message}") from error
            data = section[start:]
            verify_block(cid, data)
            yield Block(cid, data)

    def _read_header(self) -> bytes:
        length = self._read_length(MAX_CAR_HEADER_SIZE, "header")
        if length is None:
            raise CodecError("CAR: empty")
        return self._read_exactly(length)

    def _enter_payload(self) -> None:
        fields = self._read_exactly(_V2_HEADER_SIZE)
        offset, size = int.from_bytes(fields[16:24], "little"), int.from_bytes(fields[24:32], "little")
        if offset < _V2_PREFIX_SIZE or size == 0:
            raise CodecError("CAR: a CARv2 header without a payload")
        padding = offset - _V2_PREFIX_SIZE
        if padding > MAX_CAR_HEADER_SIZE:
            raise CodecError("CAR: padding above the limit")
        self._read_exactly(padding)
        self._left = size

    def _read_length(self, limit: int, what: str) -> int | None:
        """Read a length; return ``None`` at the end of the file, which is allowed only here."""
        value = shift = 0
        while True:
            byte = b"" if self._left == 0 else self._read(1)
            if not byte:
                if shift:
                    raise CodecError("CAR: cut short")
                return None
            value |= (byte[0] & 0x7F) << shift
            if byte[0] < 0x80:
                break
            shift += 7
            if shift > 56:
                raise CodecError(f"CAR: a {what} whose length is malformed")
        if value == 0 or (byte[0] == 0 and shift):
            raise CodecError(f"CAR: a {what} without bytes, or a length that is not minimal")
        if value > limit:
            raise CodecError(f"CAR: a {what} of {value} bytes", why=f"at most {limit} are read")
        return value

    def _read_exactly(self, size: int) -> bytes:
        if self._left is not None and size > self._left:
            raise CodecError("CAR: a section is longer than the payload that holds it")
        data = self._read(size)
        if len(data) < size:
            pieces = [data]
            missing = size - len(data)
            while missing:
                piece = self._read(min(missing, _PIECE))
                if not piece:
                    raise CodecError("CAR: cut short")
                pieces.append(piece)
                missing -= len(piece)
            data = b"".join(pieces)
        return data

    def _read(self, size: int) -> bytes:
        data = self._stream.read(size)
        self.bytes_read += len(data)
        if self._left is not None:
            self._left -= len(data)
        return data


def _check_header(data: bytes, max_roots: int) -> tuple[Cid, ...]:
    header = dag_cbor.decode_map(data)
    roots = header.get("roots")
    if header.get("version") != 1 or isinstance(header["version"], bool) or set(header) != {"roots", "version"}:
        raise CodecError("CAR: the header is not that of a CARv1")
    if not isinstance(roots, list) or len(roots) > max_roots:
        raise CodecError(f"CAR: roots are not a list of at most {max_roots} CIDs")
    return tuple(_check_root(root) for root in roots)


def _check_root(root: object) -> Cid:
    if not isinstance(root, Cid):
        raise CodecError("CAR: a root is not a CID")
    return root
