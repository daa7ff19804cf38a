"""IPNS names: the hash of a public key, which for Ed25519 is the key itself.

A name is a CIDv1 of codec libp2p-key. dcat writes it as multibase base36 (``k51…``) and reads every form that other tools print:
any multibase, the bare base58 multihash (``12D3KooW…``, ``Qm…``), and ``/ipns/…`` or ``ipns://…`` in front.
Source: ipfs/specs ipns-record.md ("IPNS Keys", "String Representation"); libp2p/specs peer-ids.md.

An Ed25519 name whose key is not a proper point is refused: with a key of small order anyone can make signatures that verify, and a
second encoding of one key would be a second name for it.
"""

from dataclasses import dataclass
from typing import Final

from catalog.errors import CidError, InvalidIpnsNameError
from catalog.ipld import multibase
from catalog.ipld.cid import LIBP2P_KEY, decode_multibase

_CID_PREFIX: Final = bytes((1, LIBP2P_KEY))
_ED25519_PREFIX: Final = bytes.fromhex("002408011220")  # identity multihash of 36 bytes: protobuf {Type: Ed25519, Data: 32 bytes}
_SHA2_256_PREFIX: Final = b"\x12\x20"

# RFC 8032, section 5.1: the field and the curve constant of Ed25519
_P: Final = 2**255 - 19
_D: Final = -121665 * pow(121666, -1, _P) % _P
_ORDER_8_Y: Final = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
_SMALL_ORDER_Y: Final = frozenset({0, 1, _P - 1, _ORDER_8_Y, _P - _ORDER_8_Y})


@dataclass(frozen=True, slots=True, order=True)
class IpnsName:
    """An IPNS name by its multihash: 38 bytes if it holds an Ed25519 key, 34 if it is the hash of an RSA key.

    Equal names have equal bytes; ``str`` returns the canonical text. Make one with `parse_ipns_name`, `decode_ipns_name` or
    `ipns_name_of`: they check their input, the constructor does not.
    """

    multihash: bytes

    @property
    def has_key(self) -> bool:
        """Whether the name itself holds the key that its records are signed with."""
        return len(self.multihash) == 38

    @property
    def public_key(self) -> bytes:
        """The 32 bytes of the Ed25519 key; raise `InvalidIpnsNameError` for the name of an RSA key."""
        if not self.has_key:
            raise InvalidIpnsNameError(
                f'the IPNS name "{self}" belongs to an RSA key',
                why="dcat follows names of Ed25519 keys only (k51…, 12D3KooW…)",
                hint="ask for the catalogue under the name of an Ed25519 key",
            )
        return self.multihash[-32:]

    @property
    def cid_bytes(self) -> bytes:
        """The name as a binary CIDv1."""
        return _CID_PREFIX + self.multihash

    @property
    def peer_id(self) -> str:
        """The legacy text of the name: its multihash in base58."""
        return multibase.encode_base58(self.multihash)

    def __str__(self) -> str:
        return multibase.encode_base36(self.cid_bytes)

    def __repr__(self) -> str:
        return f"IpnsName({self})"


def ipns_name_of(public_key: bytes) -> IpnsName:
    """Name an Ed25519 public key of 32 bytes; raise `InvalidIpnsNameError` if it is not a proper one."""
    _check_public_key(public_key)
    return IpnsName(_ED25519_PREFIX + public_key)


def decode_ipns_name(data: bytes) -> IpnsName:
    """Read a name from its binary CID or bare multihash; raise `InvalidIpnsNameError` for anything else."""
    multihash = data.removeprefix(_CID_PREFIX)
    if len(multihash) == 38 and multihash.startswith(_ED25519_PREFIX):
        _check_public_key(multihash[-32:])
        return IpnsName(multihash)
    if len(multihash) == 34 and multihash.startswith(_SHA2_256_PREFIX):
        return IpnsName(multihash)
    raise InvalidIpnsNameError("not an IPNS name", why=_why_refused(data))


def parse_ipns_name(text: str) -> IpnsName:
    """Read a name in any text form; raise `InvalidIpnsNameError` for anything else."""
    bare = text.removeprefix("/ipns/").removeprefix("ipns://")
    if bare != text:
        bare = bare.removesuffix("/")
    try:
        if bare.startswith(("1", "Qm")):
            data = multibase.decode_base58(bare)
            if multibase.encode_base58(data) != bare or data.startswith(_CID_PREFIX):
                raise CidError("not the text of a multihash")
        else:
            data = decode_multibase(bare)
            if not data.startswith(b"\x01"):
                raise CidError("a multihash has no multibase prefix")
        return decode_ipns_name(data)
    except (CidError, InvalidIpnsNameError) as error:
        raise InvalidIpnsNameError(
            f'"{text[:120]}" is not a valid IPNS name',
            why=error.why or error.message,
            hint="an IPNS name looks like k51qzi5uqu5d… and has 62 characters",
        ) from error


def _check_public_key(public_key: bytes) -> None:
    """Raise unless the bytes are the one encoding of a point of the curve that is not of small order (RFC 8032, 5.1.3)."""
    if len(public_key) != 32:
        raise InvalidIpnsNameError("not an Ed25519 public key", why=f"it has 32 bytes, not {len(public_key)}")
    y = int.from_bytes(public_key, "little") & (1 << 255) - 1
    if y >= _P:
        raise InvalidIpnsNameError("not an Ed25519 public key", why="its encoding is not canonical")
    if y in _SMALL_ORDER_Y:
        raise InvalidIpnsNameError("not an Ed25519 public key", why="the point is of small order: anyone could sign for it")
    # x² = u / v has a root where u·v is a square; v is never 0, since -1/d is none.
    u, v = y * y - 1, _D * y * y + 1
    if pow(u * v % _P, (_P - 1) // 2, _P) != 1:
        raise InvalidIpnsNameError("not an Ed25519 public key", why="it is not a point of the curve")


def _why_refused(data: bytes) -> str:
    if data[:1] == b"\x01" and data[1:2] != bytes((LIBP2P_KEY,)):
        return "this CID names a block, not a key"
    if data.removeprefix(_CID_PREFIX)[2:4] in {b"\x08\x02", b"\x08\x03"}:
        return "names of Secp256k1 and ECDSA keys are not followed"
    return "a name is the CID of an Ed25519 key, or of an RSA key's hash"
