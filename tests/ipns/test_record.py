import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.errors import RecordError, RecordExpiredError
from catalog.ipld import dag_cbor
from catalog.ipld.cid import cid_of
from catalog.ipns.key import IpnsKey, decode_key, encode_public_key
from catalog.ipns.name import parse_ipns_name
from catalog.ipns.record import Record, check_record, create_record, select_record, validate_record
from catalog.ipns.validity import SECOND, nanoseconds, parse_validity
from catalog.limits import MAX_RECORD_SIZE, MAX_SEQUENCE
from tests.factory.times import NOW
from tests.needs import vectors

EOL = parse_validity(b"2123-08-14T12:40:03.107652Z")
VALUE = b"/ipfs/bafkqaddwgevxmmraojswg33smq"
GOLDEN_DATA = (
    "a563 54544c1b00000045d964b800 6556616c7565 5821" + VALUE.hex() + "6853657175656e6365 01 6856616c6964697479 581b"
    "323132332d30382d31345431323a34303a30332e3130373635325a 6c56616c69646974795479706500"
).replace(" ", "")
GOLDEN_SIGNATURE = (
    "75eee62ea2c91632ff616e792f9f710dd0d67f84b3bb3103b81cb45e2c0282b7"
    "ad5f1b901838cbbfd10ea8042f5fc94e2f98e0094eb3695a69815a02be95f903"
)


@pytest.fixture(scope="module")
def key() -> IpnsKey:
    document = json.loads((vectors("libp2p") / "ed25519-spec-key.json").read_text())
    return decode_key(bytes.fromhex(document["libp2p_private_pb_hex"]))


def vector_files() -> Iterator[Path]:
    yield from sorted(vectors("ipns-records").rglob("*.ipns-record"))


def test_golden_bytes_of_a_v2_record(key: IpnsKey) -> None:
    record = create_record(key, VALUE, sequence=1, validity=EOL, with_v1=False)
    assert record.encoded.hex() == "4240" + GOLDEN_SIGNATURE + "4a75" + GOLDEN_DATA
    assert len(record.encoded) == 185
    assert validate_record(key.name, record.encoded, NOW) == record


def test_golden_frame_of_a_v1_and_v2_record(key: IpnsKey) -> None:
    record = create_record(key, VALUE, sequence=0, validity=EOL)
    encoded = record.encoded.hex()
    validity = b"2123-08-14T12:40:03.107652Z".hex()
    assert len(record.encoded) == 326
    assert encoded.startswith("0a21" + VALUE.hex() + "1240")
    assert "1800" + "221b" + validity + "2800" + "3080f092cbdd08" + "4240" in encoded
    assert validate_record(key.name, record.encoded, NOW) == record


def test_official_vectors() -> None:
    values = {
        "_v1-v2": b"/ipfs/bafkqaddwgevxmmraojswg33smq",
        "_v1-v2-broken-signature-v1": b"/ipfs/bafkqahtwgevxmmrao5uxi2bamjzg623fnyqhg2lhnzqxi5lsmuqhmmi",
        "_v2": b"/ipfs/bafkqadtwgiww63tmpeqhezldn5zgi",
    }
    invalid = {"_v1", "_v1-v2-broken-v1-value", "_v1-v2-broken-signature-v2"}
    seen = set()
    for path in sorted((vectors("ipns-records") / "gateway-conformance" / "ipns_records").iterdir()):
        text, _, kind = path.stem.partition("_")
        name, encoded = parse_ipns_name(text), path.read_bytes()
        seen.add("_" + kind)
        if "_" + kind in invalid:
            with pytest.raises(RecordError):
                validate_record(name, encoded, NOW)
            continue
        record = validate_record(name, encoded, NOW)
        assert record.value == values["_" + kind]
        assert record.ttl == 1800 * SECOND
        assert record.expires.year == 2123
    assert seen == invalid | set(values)


def test_all_other_vectors_are_valid_or_of_an_rsa_key() -> None:
    count = 0
    for path in vector_files():
        if path.parent.name == "ipns_records":
            continue
        name, encoded = parse_ipns_name(path.stem), path.read_bytes()
        count += 1
        if not name.has_key:
            with pytest.raises(RecordError, match="not read"):
                check_record(name, encoded)
            continue
        record = check_record(name, encoded)
        assert record.value.startswith((b"/ipfs/", b"/ipns/"))
        with pytest.raises(RecordExpiredError):
            validate_record(name, encoded, record.expires + timedelta(seconds=1))
        assert validate_record(name, encoded, record.expires - timedelta(seconds=1)) == record
    assert count >= 9


def three_records(key: IpnsKey) -> list[Record]:
    """Records that hold nothing which verifiers must overlook; the V1 signature is such a thing."""
    name = "k51qzi5uqu5dit2ku9mutlfgwyz8u730on38kd10m97m36bjt66my99hb6103f"
    path = vectors("ipns-records") / "gateway-conformance" / "ipns_records" / f"{name}_v2.ipns-record"
    own = create_record(key, VALUE, sequence=1, validity=EOL, with_v1=False)
    carried = encode_public_key(key.public_key)
    with_key = own.encoded[:0] + b"\x3a" + bytes((len(carried),)) + carried + own.encoded
    return [
        own,
        check_record(parse_ipns_name(name), path.read_bytes()),
        check_record(key.name, with_key),
    ]


def test_every_flip_of_one_byte_is_rejected(key: IpnsKey) -> None:
    for record in three_records(key):
        for place in range(len(record.encoded)):
            for mask in (0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0xFF):
                flipped = bytearray(record.encoded)
                flipped[place] ^= mask
                with pytest.raises(RecordError):
                    check_record(record.name, bytes(flipped))


def test_in_a_v1_and_v2_record_only_the_v1_signature_is_overlooked(key: IpnsKey) -> None:
    record = create_record(key, b"/ipfs/" + str(cid_of(b"root")).encode(), sequence=7, validity=EOL)
    start = 2 + len(record.value) + 2
    for place in range(len(record.encoded)):
        flipped = bytearray(record.encoded)
        flipped[place] ^= 0x20
        if start <= place < start + 64:
            accepted = check_record(record.name, bytes(flipped))
            assert (accepted.value, accepted.sequence) == (record.value, record.sequence)
            continue
        with pytest.raises(RecordError):
            check_record(record.name, bytes(flipped))


@pytest.mark.long
def test_every_byte_in_every_place_is_rejected(key: IpnsKey) -> None:
    for record in three_records(key):
        for place in range(len(record.encoded)):
            for byte in range(256):
                if byte == record.encoded[place]:
                    continue
                changed = bytearray(record.encoded)
                changed[place] = byte
                with pytest.raises(RecordError):
                    check_record(record.name, bytes(changed))


@given(
    st.binary(min_size=32, max_size=32),
    st.binary(max_size=500),
    st.integers(0, MAX_SEQUENCE),
    st.integers(-(2**61), 2**61),
    st.integers(0, MAX_SEQUENCE),
    st.booleans(),
)
def test_what_is_created_is_read_back(seed: bytes, value: bytes, sequence: int, validity: int, ttl: int, with_v1: bool) -> None:
    key = IpnsKey(seed)
    record = create_record(key, value, sequence=sequence, validity=validity, ttl=ttl, with_v1=with_v1)
    assert check_record(key.name, record.encoded) == record
    for cut in (1, len(record.encoded) // 2, len(record.encoded) - 1):
        with pytest.raises(RecordError):
            check_record(key.name, record.encoded[:cut])


def test_a_successor_is_signed(key: IpnsKey) -> None:
    successor = IpnsKey(b"s" * 32).name
    record = create_record(key, VALUE, sequence=MAX_SEQUENCE, validity=EOL, successor=successor)
    read = check_record(key.name, record.encoded)
    assert read.revoked
    assert read.successor == successor
    assert read.metadata == {"_dcat_successor": str(successor)}


@pytest.mark.parametrize("text", ["nonsense", "", 7, "k51qzi5uqu5dgy8qsq67hbz73jqkw87l3fgf4a91qb0d9b5173tir7n4vxk1oe"])
def test_a_successor_that_cannot_be_followed_is_none(key: IpnsKey, text: object) -> None:
    record = signed(key, {"_dcat_successor": text})
    assert record.successor is None


def test_order_of_selection(key: IpnsKey) -> None:
    old = create_record(key, VALUE, sequence=1, validity=EOL + 5)
    new = create_record(key, VALUE, sequence=2, validity=EOL)
    longer = create_record(key, VALUE, sequence=2, validity=EOL + 1)
    other = create_record(key, VALUE + b"a", sequence=2, validity=EOL + 1)
    assert select_record([old, new]) == new
    assert select_record([longer, new]) == longer
    assert select_record([other, longer]) == select_record([longer, other])


def encode_record(key: IpnsKey, data: bytes, head: bytes = b"") -> bytes:
    signature = key.sign(b"ipns-signature:" + data)
    size = bytes((len(data),)) if len(data) < 128 else bytes((len(data) & 0x7F | 0x80, len(data) >> 7))
    return head + b"\x42\x40" + signature + b"\x4a" + size + data


def signed(key: IpnsKey, changes: dict[str, object], head: bytes = b"") -> Record:
    entries: dict[str, object] = {
        "Value": VALUE,
        "Validity": b"2123-08-14T12:40:03Z",
        "ValidityType": 0,
        "Sequence": 1,
        "TTL": 0,
    }
    entries.update(changes)
    entries = {name: entry for name, entry in entries.items() if entry is not None}
    return check_record(key.name, encode_record(key, dag_cbor.encode(entries), head))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"Value": VALUE.decode()}, "byte strings"),
        ({"Validity": "2123-08-14T12:40:03Z"}, "byte strings"),
        ({"Validity": b"tomorrow"}, "RFC 3339"),
        ({"Value": None}, "byte strings"),
        ({"Sequence": None}, "Sequence"),
        ({"Sequence": True}, "Sequence"),
        ({"Sequence": -1}, "sequence"),
        ({"Sequence": 2**63}, "sequence"),
        ({"TTL": -1}, "TTL"),
        ({"TTL": 1.5}, "TTL"),
        ({"ValidityType": 1}, "type"),
    ],
)
def test_signed_nonsense_is_refused(key: IpnsKey, changes: dict[str, object], words: str) -> None:
    with pytest.raises(RecordError, match=words):
        signed(key, changes)


def test_unknown_signed_keys_are_kept_and_ignored(key: IpnsKey) -> None:
    record = signed(key, {"_n": 1, "Future": "x", "_list": [1]})
    assert record.value == VALUE
    assert record.metadata == {"_n": 1, "Future": "x"}


@pytest.mark.parametrize(
    "head",
    [
        b"\x52\x01x",  # a tenth field
        b"\x42\x00",  # a signature twice
        b"\x28\x01\x28\x01",  # a sequence twice
        b"\x2a\x01\x01",  # a sequence of bytes
        b"\x0d\x00\x00\x00\x00",  # a fixed32
        b"\x3a\x01x",  # another key
        b"\x80",
        b"\x0a\xff\xff\xff\xff\x0f",
    ],
    ids=bytes.hex,
)
def test_malformed_protobuf_is_refused(key: IpnsKey, head: bytes) -> None:
    with pytest.raises(RecordError):
        signed(key, {}, head)


@pytest.mark.parametrize(
    "head",
    [b"\x12\x01x", b"\x0a\x01x", b"\x0a\x21" + VALUE, b"\x12\x01x\x28\x05"],
    ids=["signature", "value", "only value", "sequence"],
)
def test_copies_that_differ_are_refused(key: IpnsKey, head: bytes) -> None:
    with pytest.raises(RecordError, match="contradicts itself"):
        signed(key, {}, head)


def test_size_is_checked_before_anything_is_parsed(key: IpnsKey) -> None:
    with pytest.raises(RecordError, match=str(MAX_RECORD_SIZE)):
        check_record(key.name, b"\xff" * (MAX_RECORD_SIZE + 1))
    with pytest.raises(RecordError, match="at most"):
        create_record(key, b"x" * MAX_RECORD_SIZE, sequence=0, validity=EOL)


def test_a_record_of_another_name_is_refused(key: IpnsKey) -> None:
    record = create_record(key, VALUE, sequence=1, validity=EOL)
    with pytest.raises(RecordError, match="not signed"):
        check_record(IpnsKey(b"o" * 32).name, record.encoded)


def test_expiry_to_the_nanosecond(key: IpnsKey) -> None:
    record = create_record(key, VALUE, sequence=1, validity=nanoseconds(NOW))
    with pytest.raises(RecordExpiredError):
        validate_record(key.name, record.encoded, NOW)
    alive = create_record(key, VALUE, sequence=1, validity=nanoseconds(NOW) + 1)
    assert validate_record(key.name, alive.encoded, NOW) == alive


def test_the_snapshot_is_an_ipfs_path(key: IpnsKey) -> None:
    cid = cid_of(b"root")
    record = create_record(key, f"/ipfs/{cid}".encode(), sequence=1, validity=EOL)
    assert record.snapshot_cid == cid
    for value in (VALUE, b"", f"/ipfs/{cid}/x".encode(), f"/ipns/{key.name}".encode(), b"/ipfs/\xff", cid.binary):
        with pytest.raises(RecordError, match="no catalogue"):
            create_record(key, value, sequence=1, validity=EOL).snapshot_cid  # noqa: B018


@given(st.binary(max_size=200))
def test_any_bytes_are_a_record_or_the_declared_error(data: bytes) -> None:
    key = IpnsKey(b"f" * 32)
    for encoded in (data, encode_record(key, data)):
        try:
            check_record(key.name, encoded)
        except RecordError:
            continue
