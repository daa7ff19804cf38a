"""The Ed25519 key of a catalogue: making, signing, and the forms in which it is kept and moved.

- libp2p's protobuf, 68 bytes (``08 01 12 40``, seed, public key), is what the home and Kubo keep; the older form with the public
  key twice is read too.
- PKCS#8 PEM is for people: plain, as OpenSSL and `ipfs key import --format pem-pkcs8-cleartext` write and read it, or encrypted
  with a passphrase.

Source: libp2p/specs peer-ids.md ("Keys"); RFC 8410. `cryptography` is imported when it is needed: it costs 50 ms.
"""

import secrets
from typing import TYPE_CHECKING, Final

from catalog.errors import RecordError
from catalog.ipns.name import IpnsName, ipns_name_of

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_PROTOBUF_PREFIX: Final = bytes.fromhex("08011240")
_OLD_PROTOBUF_PREFIX: Final = bytes.fromhex("08011260")
_PUBLIC_PREFIX: Final = bytes.fromhex("08011220")
_MAX_KEY_FILE: Final = 64 * 1024


class IpnsKey:
    """A private key. Its seed appears in no ``repr``, message or traceback of dcat."""

    __slots__ = ("_private", "name", "public_key")

    _private: "Ed25519PrivateKey"
    name: IpnsName
    public_key: bytes

    def __init__(self, seed: bytes) -> None:
        """Create the key from the 32 bytes of an RFC 8032 private key."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        if len(seed) != 32:
            raise RecordError("not an Ed25519 key", why=f"its seed has 32 bytes, not {len(seed)}")
        self._private = Ed25519PrivateKey.from_private_bytes(seed)
        self.public_key = self._private.public_key().public_bytes_raw()
        self.name = ipns_name_of(self.public_key)

    def __repr__(self) -> str:
        return f"IpnsKey({self.name})"

    def sign(self, message: bytes) -> bytes:
        """Return the 64 bytes of the (deterministic) Ed25519 signature."""
        return self._private.sign(message)

    def encode(self) -> bytes:
        """Return libp2p's protobuf. Anyone who has these bytes can sign for this name."""
        return _PROTOBUF_PREFIX + self._private.private_bytes_raw() + self.public_key

    def format_pem(self, passphrase: bytes | None = None) -> bytes:
        """Return PKCS#8 PEM, encrypted if a passphrase is given."""
        from cryptography.hazmat.primitives import serialization

        encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
        if passphrase is not None:
            if not passphrase:
                raise RecordError("the passphrase is empty")
            encryption = serialization.BestAvailableEncryption(passphrase)
        return self._private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)


def create_key() -> IpnsKey:
    """Make a new key from the system's randomness."""
    return IpnsKey(secrets.token_bytes(32))


def decode_key(data: bytes, passphrase: bytes | None = None) -> IpnsKey:
    """Read a key from libp2p's protobuf or PKCS#8 PEM, whichever it is; raise `RecordError` for anything else."""
    if len(data) > _MAX_KEY_FILE:
        raise RecordError("not a key", why="a key file is a few hundred bytes")
    if data.lstrip().startswith(b"-----BEGIN"):
        return _decode_pem(data, passphrase)
    if data.startswith(_PROTOBUF_PREFIX) and len(data) == 68:
        seed, public_keys = data[4:36], {data[36:]}
    elif data.startswith(_OLD_PROTOBUF_PREFIX) and len(data) == 100:
        seed, public_keys = data[4:36], {data[36:68], data[68:]}
    else:
        raise RecordError(
            "not an Ed25519 key",
            why="a catalogue's key is libp2p's protobuf of 68 bytes, or PKCS#8 PEM",
        )
    key = IpnsKey(seed)
    if public_keys != {key.public_key}:
        raise RecordError("the key is damaged", why="its public half does not belong to its private half")
    return key


def verify_signature(public_key: bytes, signature: bytes, message: bytes) -> bool:
    """Return whether the Ed25519 signature is valid (RFC 8032, "PureEdDSA")."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def encode_public_key(public_key: bytes) -> bytes:
    """Return libp2p's protobuf of an Ed25519 public key, as field 7 of a record may carry it."""
    return _PUBLIC_PREFIX + public_key


def _decode_pem(data: bytes, passphrase: bytes | None) -> IpnsKey:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    encrypted = b"ENCRYPTED" in data
    if encrypted and passphrase is None:
        raise RecordError(
            "the key is encrypted", why="its passphrase is needed", hint="give the passphrase, or a file that holds it"
        )
    try:
        private = serialization.load_pem_private_key(data, passphrase if encrypted else None)
    except Exception as error:  # its errors have no common class, and OpenSSL's own come through too
        why = "the passphrase is wrong, or the file is damaged" if encrypted else "the PEM cannot be read"
        raise RecordError("not a key that dcat can read", why=why) from error
    if not isinstance(private, Ed25519PrivateKey):
        raise RecordError("not an Ed25519 key", why="catalogues are signed with Ed25519 keys only")
    return IpnsKey(private.private_bytes_raw())
