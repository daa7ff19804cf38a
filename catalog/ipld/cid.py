"""CIDs, the names of blocks.

dcat writes CIDv1 with sha2-256 and base32 text only. It reads CIDv0 too, because plain `ipfs add` still makes it. Identity CIDs are
refused except the empty one, with which gateways are probed.
Source: multiformats/cid; boxo's verifcid (which hashes and lengths are safe).
"""

from __future__ import annotations

from catalog.errors import BlockMismatchError, CidError, CodecError
from catalog.ipld import multibase
from catalog.ipld.varint import decode_varint
from catalog.record import record

TYPE_CHECKING = False  # see catalog.record
if TYPE_CHECKING:
    from typing import Final

RAW: Final = 0x55
DAG_PB: Final = 0x70
DAG_CBOR: Final = 0x71
LIBP2P_KEY: Final = 0x72

_HASHES = {
    0x11: "sha1",
    0x13: "sha2-512",
    0x14: "sha3-512",
    0x16: "sha3-256",
    0x1B: "keccak-256",
    0x1E: "blake3",
    0xD5: "md5",
    0xB220: "blake2b-256",
    0xB240: "blake2b-512",
    0xB260: "blake2s-256",
}
_CODECS = frozenset({RAW, DAG_PB, DAG_CBOR})
_SHA2_256 = b"\x12\x20"
EMPTY_IDENTITY_TEXT: Final = "bafkqaaa"


@record(frozen=True, slots=True, order=True)
class Cid:
    """A CID in its binary form: 36 bytes (CIDv1) or 34 (CIDv0). Equal CIDs have equal bytes; ``str`` returns the canonical text.

    Make one with `parse_cid`, `decode_cid` or `cid_of`: they check their input, the constructor does not.
    """

    binary: bytes

    @property
    def version(self) -> int:
        return 0 if len(self.binary) == 34 else 1

    @property
    def codec(self) -> int:
        return DAG_PB if len(self.binary) == 34 else self.binary[1]

    @property
    def digest(self) -> bytes:
        """The 32 bytes of sha2-256."""
        return self.binary[-32:]

    def __str__(self) -> str:
        if len(self.binary) == 34:
            return multibase.encode_base58(self.binary)
        return multibase.encode_base32(self.binary)

    def __repr__(self) -> str:
        return f"Cid({self})"


def cid_of(data: bytes | bytearray | memoryview, codec: int = RAW) -> Cid:
    """Name a block: CIDv1, sha2-256, of the given codec."""
    return Cid(bytes((1, codec)) + _SHA2_256 + _hash(data))


def cid_from_digest(digest: bytes, codec: int = RAW) -> Cid:
    """Name the block whose sha2-256 digest is known."""
    if len(digest) != 32:
        raise CidError("a sha2-256 digest has 32 bytes")
    return Cid(bytes((1, codec)) + _SHA2_256 + digest)


def decode_cid(data: bytes | memoryview) -> Cid:
    """Read a binary CID that fills ``data``; raise `CidError` for any other version, codec, hash or length."""
    binary = bytes(data)
    if len(binary) == 36 and binary[0] == 1 and binary[1] in _CODECS and binary[2:4] == _SHA2_256:
        return Cid(binary)
    if len(binary) == 34 and binary[:2] == _SHA2_256:
        return Cid(binary)
    raise CidError(_why_refused(binary))


def decode_cid_prefix(data: bytes | memoryview, offset: int = 0) -> tuple[Cid, int]:
    """Read the CID that stands at ``offset``; return it and the offset after it. CAR sections hold CIDs without a length."""
    length = 34 if bytes(data[offset : offset + 2]) == _SHA2_256 else 36
    end = offset + length
    return decode_cid(data[offset:end]), end


def parse_cid(text: str) -> Cid:
    """Read a CID from text: base32, base36 or base58btc, of either version.

    Each base has one strict text per CID; the other multibases are read by `multiformats` and checked like these.
    """
    if len(text) > multibase.MAX_TEXT_LENGTH or not text.isascii():
        raise CidError("not a CID", why="a CID is at most 256 ASCII characters")
    if len(text) == 46 and text.startswith("Qm"):
        return decode_cid(multibase.decode_base58(text))
    binary = decode_multibase(text)
    if binary[:2] == _SHA2_256:
        raise CidError("a CIDv0 has no multibase prefix")
    return decode_cid(binary)


def decode_multibase(text: str) -> bytes:
    """Decode text after a multibase prefix, strictly: only the one text that the bytes have in that base is read."""
    if len(text) > multibase.MAX_TEXT_LENGTH or not text.isascii():
        raise CidError("not a CID", why="a CID is at most 256 ASCII characters")
    prefix, rest = text[:1], text[1:]
    if prefix == "b":
        return multibase.decode_base32(rest)
    if prefix == "k":
        return multibase.decode_base36(rest)
    if prefix == "z":
        return multibase.decode_base58(rest)
    if not prefix or prefix not in "BfFuUmMK" or not rest:
        raise CidError(f'"{text[:80]}" is not a CID')
    return _decode_rare_base(text)


def _decode_rare_base(text: str) -> bytes:
    from multiformats import multibase as rare  # 50 ms, and hardly ever needed

    try:
        base, data = rare.decode_raw(text)
        canonical = base.encode(data)
    except Exception as error:  # its errors have no common class
        raise CidError(f'"{text[:80]}" is not a CID') from error
    if canonical != text:
        raise CidError(f'"{text[:80]}" is not the one text of its CID')
    return data


def convert_to_v1(cid: Cid) -> Cid:
    """Return the CIDv1 that names the same block."""
    return cid if cid.version == 1 else Cid(b"\x01\x70" + cid.binary)


def verify_block(cid: Cid, data: bytes | bytearray | memoryview) -> None:
    """Raise `BlockMismatchError` unless ``data`` is the block that ``cid`` names. All bytes from outside pass this check."""
    if _hash(data) != cid.binary[-32:]:
        raise BlockMismatchError(f"block {cid} does not match its CID", why=f"{len(data)} bytes with another sha2-256")


def _hash(data: bytes | bytearray | memoryview) -> bytes:
    import hashlib  # loads OpenSSL, which `resolve` does not need

    return hashlib.sha256(data).digest()


def _name_hash(multihash: bytes) -> str:
    try:
        code, _ = decode_varint(multihash)
    except CodecError:
        return "unknown"
    return _HASHES.get(code, f"0x{code:x}")


def _why_refused(binary: bytes) -> str:
    if len(binary) >= 2 and binary[0] == 1 and binary[1] == LIBP2P_KEY:
        return "this CID is an IPNS name, not a block"
    if len(binary) >= 4 and binary[0] == 1 and binary[2] == 0:
        return "identity CIDs are refused"
    if binary[:1] == b"\x01" and len(binary) >= 4 and binary[2:4] != _SHA2_256:
        return f"hash {_name_hash(binary[2:])} is not supported: only CIDs of sha2-256 are read"
    return "not a CID of a kind that dcat reads (CIDv0, or CIDv1 raw, dag-pb, dag-cbor with sha2-256)"
