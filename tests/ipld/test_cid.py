"""CIDs, varints and text forms: strict, canonical, and the same as what an independent implementation reads."""

import contextlib
import random

import multiformats
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.errors import BlockMismatchError, CidError, CodecError
from catalog.ipld import multibase
from catalog.ipld.cid import (
    DAG_CBOR,
    DAG_PB,
    RAW,
    Cid,
    cid_from_digest,
    cid_of,
    convert_to_v1,
    decode_cid,
    decode_cid_prefix,
    parse_cid,
    verify_block,
)
from catalog.ipld.varint import decode_varint, encode_varint

V0 = "QmdfTbBqBPQ7VNxZEYEj14VmRuZBkqFbiwReogJgS1zR1n"


@given(st.binary(max_size=200), st.sampled_from([RAW, DAG_PB, DAG_CBOR]))
def test_a_cid_is_what_the_multiformats_package_makes_of_it(data: bytes, codec: int) -> None:
    cid = cid_of(data, codec)
    other = multiformats.CID.decode(str(cid))
    assert bytes(other) == cid.binary
    assert other.codec.code == codec
    assert parse_cid(str(cid)) == cid
    assert parse_cid(other.set(base="base36").encode()) == cid
    assert parse_cid(other.set(base="base58btc").encode()) == cid
    assert parse_cid(other.set(base="base64url").encode()) == cid
    assert parse_cid(str(cid).upper()) == cid
    verify_block(cid, data)


def test_version_0_and_1_name_the_same_block() -> None:
    old = parse_cid(V0)
    assert (old.version, old.codec, str(old)) == (0, DAG_PB, V0)
    new = convert_to_v1(old)
    assert (new.version, new.codec, new.digest) == (1, DAG_PB, old.digest)
    assert decode_cid_prefix(b"x" + old.binary + b"y", 1) == (old, 35)
    assert decode_cid_prefix(b"x" + new.binary + b"y", 1) == (new, 37)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "b",
        "bafkqaaa",  # the empty identity CID: a probe, never a block's name
        V0[:-1],
        "z" + V0,
        str(cid_of(b"x")).capitalize(),  # two cases in one text
        str(cid_of(b"x")) + "=",
        str(cid_of(b"x"))[:-1] + "b",  # bits left over
        "k51qzi5uqu5dgy8qsq67hbz73jqkw87l3fgf4a91qb0d9b5173tir7n4vxk1oe",  # an IPNS name
        multibase.encode_base32(b"\x01\x55\x13\x20" + bytes(32)),  # another hash
        multibase.encode_base32(b"\x01\x55\x12\x1f" + bytes(31)),  # cut short
        multibase.encode_base32(b"\x01\x55\x12\x20" + bytes(33)),
        multibase.encode_base32(b"\x81\x00\x55\x12\x20" + bytes(32)),  # a varint that is not minimal
        multibase.encode_base32(b"\x01\x00\x12\x20" + bytes(32)),  # a codec nobody asked for
        "bafy" + "a" * 400,
        "bàfkreia",
    ],
)
def test_what_is_no_canonical_cid_is_refused(text: str) -> None:
    with pytest.raises(CidError):
        parse_cid(text)


def mutated_cids(count: int, seed: int) -> int:
    dice = random.Random(seed)
    seeds = [str(cid_of(b"x")), V0, multibase.encode_base36(cid_of(b"y").binary), str(cid_of(b"z", DAG_PB))]
    alphabet = "abcdefghijklmnopqrstuvwxyz234567ABCXYZ01=-_ "
    accepted = 0
    for _ in range(count):
        text = list(dice.choice(seeds))
        for _ in range(dice.randint(1, 3)):
            position = dice.randrange(len(text))
            action = dice.randrange(3)
            if action == 0:
                text[position] = dice.choice(alphabet)
            elif action == 1 and len(text) > 1:
                del text[position]
            else:
                text.insert(position, dice.choice(alphabet))
        try:
            cid = parse_cid("".join(text))
        except CidError:
            continue
        accepted += 1
        assert parse_cid(str(cid)) == cid
        assert len(cid.digest) == 32
    return accepted


def test_mutated_cids_are_canonical_or_refused() -> None:
    assert mutated_cids(100_000, seed=12) > 0


@pytest.mark.long
def test_a_million_mutated_cids() -> None:
    """safety.md B12."""
    assert mutated_cids(1_000_000, seed=13) > 0


@given(st.binary(max_size=60))
def test_any_bytes_are_a_cid_or_refused(data: bytes) -> None:
    with contextlib.suppress(CidError):
        assert decode_cid(data).binary == data


def test_a_block_that_does_not_match_is_refused() -> None:
    with pytest.raises(BlockMismatchError):
        verify_block(cid_of(b"a"), b"b")
    with pytest.raises(CidError):
        cid_from_digest(b"short")
    assert cid_from_digest(cid_of(b"a").digest) == cid_of(b"a")
    assert isinstance(cid_of(bytearray(b"a")), Cid)


@given(st.integers(min_value=0, max_value=2**63 - 1))
def test_varints_are_minimal_and_read_back(value: int) -> None:
    encoded = encode_varint(value)
    assert encoded == bytes(multiformats.varint.encode(value))
    assert decode_varint(b"x" + encoded + b"y", 1) == (value, 1 + len(encoded))


@pytest.mark.parametrize("data", [b"", b"\x80", b"\x80\x00", b"\xff" * 9, b"\xff" * 9 + b"\x01", b"\x81\x80\x00"])
def test_varints_that_are_cut_long_or_not_minimal_are_refused(data: bytes) -> None:
    with pytest.raises(CodecError):
        decode_varint(data)
    with pytest.raises(CodecError):
        decode_varint(b"\xff" * 9 + b"\x7f", max_bytes=10)
    with pytest.raises(ValueError, match="negative"):
        encode_varint(-1)


@given(st.binary(max_size=64))
def test_text_forms_read_back(data: bytes) -> None:
    assert multibase.decode_base32(multibase.encode_base32(data)[1:]) == data
    assert multibase.decode_base36(multibase.encode_base36(data)[1:]) == data
    assert multibase.decode_base58(multibase.encode_base58(data)) == data
