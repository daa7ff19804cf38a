"""Names, keys and records under the mutation kit: whatever the bytes, they are refused by their own error."""

import pytest

from catalog.errors import InvalidIpnsNameError, RecordError
from catalog.ipld import dag_cbor
from catalog.ipns.key import IpnsKey, decode_key
from catalog.ipns.name import IpnsName, decode_ipns_name, parse_ipns_name
from catalog.ipns.record import Record, check_record, create_record
from catalog.ipns.validity import parse_validity
from tests.property.mutate import CBOR_TOKENS, PROTOBUF_TOKENS, Target, check_memory, check_target

KEY, OTHER = IpnsKey(b"m" * 32), IpnsKey(b"n" * 32)
VALUE = b"/ipfs/bafkqaddwgevxmmraojswg33smq"


def read_record(data: bytes) -> Record:
    return check_record(KEY.name, data)


def read_signed_data(data: bytes) -> Record:
    """Read what the key's owner signed, whatever it is: a signature protects against nobody who has the key."""
    signature = KEY.sign(b"ipns-signature:" + data)
    return check_record(KEY.name, b"\x42\x40" + signature + b"\x4a" + _varint(len(data)) + data)


def read_name(data: bytes) -> IpnsName:
    return parse_ipns_name(data.decode("latin-1"))


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes((*encoded, number))


RECORDS = [
    create_record(KEY, VALUE, sequence=sequence, validity=10**18, successor=successor, with_v1=with_v1).encoded
    for sequence, successor, with_v1 in ((0, None, False), (7, None, True), (2**63 - 1, OTHER.name, True))
]
DATA = [
    dag_cbor.encode({"Value": VALUE, "Validity": b"2123-08-14T12:40:03Z", "ValidityType": 0, "Sequence": 1, "TTL": 0, **more})
    for more in ({}, {"_dcat_successor": str(OTHER.name)}, {"_n": [1, {"a": b"x"}], "Other": None})
]
TARGETS = [
    Target("record", read_record, RecordError, seeds=RECORDS, tokens=PROTOBUF_TOKENS),
    Target("signed data", read_signed_data, RecordError, seeds=DATA, tokens=CBOR_TOKENS),
    Target(
        "name",
        read_name,
        InvalidIpnsNameError,
        seeds=[str(KEY.name).encode(), KEY.name.peer_id.encode(), f"/ipns/{OTHER.name}".encode()],
        tokens=(b"k51qzi5uqu5d", b"/ipns/", b"12D3KooW", b"Qm", b"b", b"z", b"/", b"\xe9", b"\0"),
    ),
    Target("binary name", decode_ipns_name, InvalidIpnsNameError, seeds=[KEY.name.cid_bytes, OTHER.name.multihash]),
    Target(
        "key",
        lambda data: decode_key(data, b"secret"),
        RecordError,
        seeds=[KEY.encode(), KEY.format_pem(), OTHER.format_pem()],
        tokens=(b"-----BEGIN", b"PRIVATE KEY-----", b"ENCRYPTED", b"\n", b"MC4CAQAwBQYDK2VwBCIEI", b"\x08\x01\x12\x40"),
    ),
    Target(
        "validity",
        parse_validity,
        RecordError,
        seeds=[b"2123-08-14T12:40:03.107652Z", b"2024-02-29T00:00:00+02:00"],
        tokens=(b"Z", b"+", b"-", b":", b".", b"T", b"99", b"0000", b"24", b"60"),
    ),
]


@pytest.mark.parametrize("target", TARGETS, ids=str)
def test_damage_is_refused_by_its_own_error(target: Target) -> None:
    check_target(target, 25_000)


@pytest.mark.long
@pytest.mark.parametrize("target", TARGETS, ids=str)
def test_a_million_damaged_inputs(target: Target) -> None:
    check_memory(__name__, target.name, 1_000_000)
