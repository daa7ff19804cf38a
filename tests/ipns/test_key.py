import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.errors import RecordError
from catalog.ipns.key import IpnsKey, create_key, decode_key, verify_signature
from tests.needs import vectors


@pytest.fixture(scope="module")
def spec_key() -> dict[str, str]:
    document: dict[str, str] = json.loads((vectors("libp2p") / "ed25519-spec-key.json").read_text())
    return document


def test_libp2p_vector(spec_key: dict[str, str]) -> None:
    key = decode_key(bytes.fromhex(spec_key["libp2p_private_pb_hex"]))
    assert key.public_key.hex() == spec_key["pub_raw_hex"]
    assert str(key.name) == spec_key["ipns_name_base36"]
    assert key.encode().hex() == spec_key["libp2p_private_pb_hex"]
    assert key.format_pem().decode() == spec_key["pkcs8_pem"]
    assert decode_key(spec_key["pkcs8_pem"].encode()).encode() == key.encode()


def test_the_older_form_holds_the_public_key_twice(spec_key: dict[str, str]) -> None:
    body = bytes.fromhex(spec_key["libp2p_private_pb_hex"])[4:]
    old = bytes.fromhex("08011260") + body + body[32:]
    assert str(decode_key(old).name) == spec_key["ipns_name_base36"]
    with pytest.raises(RecordError, match="damaged"):
        decode_key(old[:-1] + bytes((old[-1] ^ 1,)))


def test_a_passphrase_protects_the_pem() -> None:
    key = create_key()
    pem = key.format_pem(b"correct horse")
    assert b"ENCRYPTED PRIVATE KEY" in pem
    assert decode_key(pem, b"correct horse").name == key.name
    with pytest.raises(RecordError) as caught:
        decode_key(pem, b"wrong")
    assert "passphrase" in caught.value.why
    with pytest.raises(RecordError, match="encrypted"):
        decode_key(pem)
    with pytest.raises(RecordError, match="empty"):
        key.format_pem(b"")


def test_other_keys_are_refused_by_name() -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with pytest.raises(RecordError, match="Ed25519"):
        decode_key(pem)


def test_the_seed_stands_in_no_repr(spec_key: dict[str, str]) -> None:
    key = decode_key(bytes.fromhex(spec_key["libp2p_private_pb_hex"]))
    shown = f"{key} {key!r} {[key]}"
    assert spec_key["seed_hex"] not in shown
    assert repr(bytes.fromhex(spec_key["seed_hex"])) not in shown
    assert spec_key["ipns_name_base36"] in shown


@given(st.binary(min_size=32, max_size=32), st.binary(max_size=200), st.integers(0, 511))
def test_signatures_hold_for_their_message_only(seed: bytes, message: bytes, bit: int) -> None:
    key = IpnsKey(seed)
    signature = key.sign(message)
    assert verify_signature(key.public_key, signature, message)
    assert not verify_signature(key.public_key, signature, message + b"x")
    flipped = bytearray(signature)
    flipped[bit // 8] ^= 1 << bit % 8
    assert not verify_signature(key.public_key, bytes(flipped), message)


@given(st.binary(max_size=120))
def test_any_bytes_are_a_key_or_the_declared_error(data: bytes) -> None:
    for candidate in (data, b"-----BEGIN PRIVATE KEY-----\n" + data, bytes.fromhex("08011240") + data):
        try:
            decode_key(candidate, data)
        except RecordError:
            continue


def test_a_damaged_key_is_refused(spec_key: dict[str, str]) -> None:
    encoded = bytes.fromhex(spec_key["libp2p_private_pb_hex"])
    for place in range(len(encoded)):
        with pytest.raises(RecordError):
            decode_key(encoded[:place] + bytes((encoded[place] ^ 0x10,)) + encoded[place + 1 :])
    with pytest.raises(RecordError, match="not a key"):
        decode_key(b"-----BEGIN" + b"x" * 70_000)
