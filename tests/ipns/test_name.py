import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multiformats import multibase as rare

from catalog.errors import InvalidIpnsNameError
from catalog.ipns.key import IpnsKey
from catalog.ipns.name import IpnsName, decode_ipns_name, ipns_name_of, parse_ipns_name
from tests.needs import vectors

SPEC_NAME = "k51qzi5uqu5dgy8qsq67hbz73jqkw87l3fgf4a91qb0d9b5173tir7n4vxk1oe"
P = 2**255 - 19


def names() -> st.SearchStrategy[IpnsName]:
    return st.binary(min_size=32, max_size=32).map(lambda seed: IpnsKey(seed).name)


def test_spec_key_in_all_its_forms() -> None:
    expected = json.loads((vectors("libp2p") / "ed25519-spec-key.json").read_text())
    name = ipns_name_of(bytes.fromhex(expected["pub_raw_hex"]))
    assert str(name) == expected["ipns_name_base36"] == SPEC_NAME
    assert name.peer_id == expected["peer_id_base58btc"]
    assert name.cid_bytes.hex() == expected["ipns_cid_bytes_hex"]
    assert name.multihash.hex() == expected["peer_id_multihash_hex"]
    assert (b"/ipns/" + name.multihash).hex() == expected["routing_key_hex"]
    for form in ("ipns_name_base36", "ipns_name_base32", "peer_id_base58btc"):
        assert parse_ipns_name(expected[form]) == name
        assert parse_ipns_name(f"/ipns/{expected[form]}") == name


@given(names())
def test_every_text_form_is_read(name: IpnsName) -> None:
    text = str(name)
    assert len(text) == 62
    assert text.startswith("k51qzi5uqu5d")
    forms = [text, name.peer_id, f"/ipns/{text}", f"/ipns/{text}/", f"ipns://{name.peer_id}"]
    forms += [
        rare.encode(name.cid_bytes, base)
        for base in ("base16", "base16upper", "base32", "base32upper", "base36upper", "base58btc", "base64", "base64url")
    ]
    for form in forms:
        assert parse_ipns_name(form) == name
    assert decode_ipns_name(name.cid_bytes) == decode_ipns_name(name.multihash) == name


@given(names(), st.integers(0, 61), st.sampled_from("0123456789abcdefghijklmnopqrstuvwxyz"))
def test_a_mistyped_name_is_another_name_or_none(name: IpnsName, place: int, character: str) -> None:
    text = str(name)
    typed = text[:place] + character + text[place + 1 :]
    try:
        parsed = parse_ipns_name(typed)
    except InvalidIpnsNameError:
        return
    assert str(parsed) == typed
    assert (parsed == name) == (typed == text)


@given(st.text(max_size=90))
def test_any_text_is_a_name_or_the_declared_error(text: str) -> None:
    try:
        name = parse_ipns_name(text)
    except InvalidIpnsNameError:
        return
    assert parse_ipns_name(str(name)) == name


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/ipns/",
        "k51",
        "example.org",
        "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy",
        SPEC_NAME[:20] + SPEC_NAME[20:].upper(),
        SPEC_NAME + " ",
        f"/ipns/{SPEC_NAME}/releases.ndjson",
        "/ipns/" + SPEC_NAME + "//",
        "k" + "0" * 300,
    ],
)
def test_what_is_no_name_is_refused(text: str) -> None:
    with pytest.raises(InvalidIpnsNameError) as caught:
        parse_ipns_name(text)
    assert caught.value.why


def test_an_rsa_name_parses_and_is_refused_where_its_key_is_needed() -> None:
    name = parse_ipns_name("QmVujd5Vb7moysJj8itnGufN7MEtPRCNHkKpNuA4onsRa3")
    assert not name.has_key
    assert parse_ipns_name(str(name)) == name
    assert name.peer_id == "QmVujd5Vb7moysJj8itnGufN7MEtPRCNHkKpNuA4onsRa3"
    with pytest.raises(InvalidIpnsNameError, match="RSA"):
        name.public_key  # noqa: B018


def test_a_key_of_another_kind_is_refused_by_name() -> None:
    expected = json.loads((vectors("libp2p") / "ed25519-spec-key.json").read_text())
    protobuf = bytes.fromhex(expected["other_public_keys_pb_hex"]["secp256k1"])
    text = rare.encode(b"\x01\x72\x00" + bytes((len(protobuf),)) + protobuf, "base36")
    with pytest.raises(InvalidIpnsNameError) as caught:
        parse_ipns_name(text)
    assert "Secp256k1" in caught.value.why


SMALL_ORDER = [
    *(
        (y | sign << 255).to_bytes(32, "little")
        for sign in (0, 1)
        for y in (
            0,
            1,
            P - 1,
            P,
            P + 1,
            int.from_bytes(bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little"),
            int.from_bytes(bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"), "little"),
        )
    )
]


@pytest.mark.parametrize("key", SMALL_ORDER, ids=bytes.hex)
def test_keys_of_small_order_are_refused(key: bytes) -> None:
    with pytest.raises(InvalidIpnsNameError):
        ipns_name_of(key)


@pytest.mark.parametrize("offset", range(19))
def test_encodings_that_are_not_canonical_are_refused(offset: int) -> None:
    for sign in (0, 1):
        with pytest.raises(InvalidIpnsNameError):
            ipns_name_of((P + offset | sign << 255).to_bytes(32, "little"))


def test_half_of_all_numbers_are_no_points() -> None:
    refused = 0
    for y in range(2, 202):
        try:
            ipns_name_of(y.to_bytes(32, "little"))
        except InvalidIpnsNameError:
            refused += 1
    assert 60 < refused < 140


@given(st.binary(max_size=60))
def test_any_bytes_are_a_name_or_the_declared_error(data: bytes) -> None:
    try:
        name = decode_ipns_name(data)
    except InvalidIpnsNameError:
        return
    assert parse_ipns_name(str(name)) == name
