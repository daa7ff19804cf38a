"""IPNS records: signed statements that a name points to a value.

A record is a protobuf of nine fields. Only ``data``, a DAG-CBOR map, and ``signatureV2`` over it count; the other fields repeat the
map for readers from before 2021. dcat writes both (V1+V2), as Kubo does, and reads the map only.
Source: ipfs/specs ipns-record.md ("Record Serialization Format", "Record Verification"); boxo ipns/record.go, ipns/validation.go.

- Keys of the map are ordered by length, then by bytes, as in all DAG-CBOR; ``Value`` and ``Validity`` are byte strings.
- The signature covers ``data`` as it was sent: nothing is encoded anew before it is verified.
- A V1 signature is never checked, as the spec has it: it proves nothing.
- Stricter than the spec: a field that is unknown or comes twice is refused, and so is any copy that differs, so that no one can add
  to a record that others signed.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from catalog.errors import CidError, CodecError, InvalidIpnsNameError, RecordError, RecordExpiredError
from catalog.ipld import dag_cbor
from catalog.ipld.cid import Cid, parse_cid
from catalog.ipld.varint import decode_varint, encode_varint
from catalog.ipns.key import IpnsKey, encode_public_key, verify_signature
from catalog.ipns.name import IpnsName, parse_ipns_name
from catalog.ipns.validity import SECOND, format_validity, moment_of, nanoseconds, parse_validity
from catalog.limits import MAX_RECORD_SIZE, MAX_SEQUENCE, RECORD_TTL

_SIGNATURE_V2_PREFIX: Final = b"ipns-signature:"
_SUCCESSOR_KEY: Final = "_dcat_successor"
_STANDARD_KEYS: Final = frozenset({"Value", "Validity", "ValidityType", "Sequence", "TTL"})
_VALUE, _SIGNATURE_V1, _VALIDITY_TYPE, _VALIDITY, _SEQUENCE, _TTL, _PUBLIC_KEY, _SIGNATURE_V2, _DATA = range(1, 10)
_COPIES: Final = frozenset({_VALUE, _SIGNATURE_V1, _VALIDITY_TYPE, _VALIDITY, _SEQUENCE, _TTL})
_VARINT_FIELDS: Final = frozenset({_VALIDITY_TYPE, _SEQUENCE, _TTL})
_IPFS_PREFIX: Final = b"/ipfs/"

Metadata = Mapping[str, str | bytes | int | bool]


@dataclass(frozen=True, slots=True)
class Record:
    """A record whose signature and shape were checked. Its expiry is checked against a time of the caller's.

    ``validity`` (the end of life, nanoseconds since 1970) and ``ttl`` (nanoseconds) are as signed; ``encoded`` is the record
    exactly as it came, which is what is stored and passed on. ``metadata`` holds the signed keys beyond the five of the spec.
    """

    name: IpnsName
    value: bytes
    sequence: int
    validity: int
    ttl: int
    encoded: bytes = field(repr=False)
    metadata: Metadata = field(default_factory=dict)

    @property
    def snapshot_cid(self) -> Cid:
        """The root CID of a value ``/ipfs/<cid>``; raise `RecordError` if the value is anything else."""
        try:
            if not self.value.startswith(_IPFS_PREFIX):
                raise CidError("it does not begin with /ipfs/")
            return parse_cid(self.value.removeprefix(_IPFS_PREFIX).decode("ascii"))
        except (CidError, UnicodeDecodeError) as error:
            raise RecordError(
                f"the record of {self.name} points to no catalogue", why="its value is not /ipfs/ and the CID of a snapshot"
            ) from error

    @property
    def expires(self) -> datetime:
        """When the record expires."""
        return moment_of(self.validity)

    @property
    def revoked(self) -> bool:
        """Whether its owner revoked the key: this is the last record that the key can sign."""
        return self.sequence == MAX_SEQUENCE

    @property
    def successor(self) -> IpnsName | None:
        """The name that the owner of a revoked key says takes over; None if it names none that can be followed."""
        text = self.metadata.get(_SUCCESSOR_KEY)
        if not isinstance(text, str):
            return None
        try:
            name = parse_ipns_name(text)
        except InvalidIpnsNameError:
            return None
        return name if name.has_key and name != self.name else None

    def has_expired(self, now: datetime) -> bool:
        return self.validity <= nanoseconds(now)


def create_record(
    key: IpnsKey,
    value: bytes,
    *,
    sequence: int,
    validity: int,
    ttl: int = RECORD_TTL * SECOND,
    successor: IpnsName | None = None,
    with_v1: bool = True,
) -> Record:
    """Sign ``value`` for the key's name; ``validity`` is the end of life in nanoseconds since 1970. Equal input, equal bytes."""
    if not 0 <= sequence <= MAX_SEQUENCE or not 0 <= ttl <= MAX_SEQUENCE:
        raise RecordError("a record's sequence and TTL are numbers from 0 to 2^63 - 1")
    validity_text = format_validity(validity)
    metadata: dict[str, str | bytes | int | bool] = {} if successor is None else {_SUCCESSOR_KEY: str(successor)}
    data = dag_cbor.encode(
        {"Value": value, "Validity": validity_text, "ValidityType": 0, "Sequence": sequence, "TTL": ttl, **metadata}
    )
    signature = key.sign(_SIGNATURE_V2_PREFIX + data)
    encoded = b""
    if with_v1:
        encoded += _bytes_field(_VALUE, value) + _bytes_field(_SIGNATURE_V1, key.sign(value + validity_text + b"EOL"))
        encoded += _varint_field(_VALIDITY_TYPE, 0) + _bytes_field(_VALIDITY, validity_text)
        encoded += _varint_field(_SEQUENCE, sequence) + _varint_field(_TTL, ttl)
    encoded += _bytes_field(_SIGNATURE_V2, signature) + _bytes_field(_DATA, data)
    if len(encoded) > MAX_RECORD_SIZE:
        raise RecordError(f"a record has at most {MAX_RECORD_SIZE} bytes", why=f"this one would have {len(encoded)}")
    return Record(key.name, value, sequence, validity, ttl, encoded, metadata)


def check_record(name: IpnsName, encoded: bytes) -> Record:
    """Check all of a record but its age, in the spec's order; raise `RecordError` at the first step that fails.

    For records that were validated before they were stored; records from outside must pass `validate_record`.
    """
    return _check(name, encoded, None)


def validate_record(name: IpnsName, encoded: bytes, now: datetime) -> Record:
    """Check a record in the spec's order; raise `RecordError`, or `RecordExpiredError` where its life has ended."""
    return _check(name, encoded, now)


def select_record(records: Iterable[Record]) -> Record:
    """Return the record that all implementations prefer: the highest sequence, then the longest life, then the highest bytes."""
    return max(records, key=lambda record: (record.sequence, record.validity, record.encoded))


def _check(name: IpnsName, encoded: bytes, now: datetime | None) -> Record:
    # 1. The size, before anything is parsed.
    if len(encoded) > MAX_RECORD_SIZE:
        raise RecordError(f"the record has more than {MAX_RECORD_SIZE} bytes")
    # 2. Signature and data are there.
    fields = _decode_fields(encoded)
    signature, data = fields.get(_SIGNATURE_V2), fields.get(_DATA)
    if not isinstance(signature, bytes) or not isinstance(data, bytes) or not signature or not data:
        raise RecordError(
            "the record has no V2 signature", why="records with a V1 signature only are refused everywhere since 2023"
        )
    # 3. The key: that of the name, and a key that is sent along must be the same.
    if not name.has_key:
        raise RecordError(f"records of {name} are not read", why="dcat follows names of Ed25519 keys only")
    public_key = name.public_key
    if fields.get(_PUBLIC_KEY, b"") not in {b"", encode_public_key(public_key)}:
        raise RecordError("the record carries a key that is not its name's")
    # 4. The data is a map of DAG-CBOR with the five keys.
    record = _read_data(name, data, encoded)
    # 5. The signature covers the data as it was sent.
    if not verify_signature(public_key, signature, _SIGNATURE_V2_PREFIX + data):
        raise RecordError(f"the record is not signed by {name}")
    # 6. The copies for old readers say the same, if any of them is there.
    if fields.keys() & _COPIES:
        _compare_copies(fields, data)
    # 7. Its life has not ended.
    if now is not None and record.has_expired(now):
        raise RecordExpiredError(f"the record of {name} expired at {record.expires:%Y-%m-%d %H:%M} UTC")
    # 8. The TTL is not negative.
    if record.ttl < 0:
        raise RecordError("the record's TTL is negative")
    return record


def _read_data(name: IpnsName, data: bytes, encoded: bytes) -> Record:
    entries = _decode_map(data)
    value, validity_text = entries.get("Value"), entries.get("Validity")
    if not isinstance(value, bytes) or not isinstance(validity_text, bytes):
        raise RecordError("the record's Value and Validity are not byte strings")
    if _integer(entries, "ValidityType") != 0:
        raise RecordError("the record's validity is of an unknown type")
    sequence, ttl = _integer(entries, "Sequence"), _integer(entries, "TTL")
    if not 0 <= sequence <= MAX_SEQUENCE:
        raise RecordError("the record's sequence is outside 0 to 2^63 - 1")
    metadata = {
        key: entry for key, entry in entries.items() if key not in _STANDARD_KEYS and isinstance(entry, str | bytes | int | bool)
    }
    return Record(name, value, sequence, parse_validity(validity_text), ttl, encoded, metadata)


def _decode_map(data: bytes) -> Mapping[str, object]:
    try:
        return dag_cbor.decode_map(data, any_order=True)
    except CodecError as error:
        raise RecordError("the record's data is not a map of DAG-CBOR", why=error.message) from error


def _integer(entries: Mapping[str, object], key: str) -> int:
    number = entries.get(key)
    if not isinstance(number, int) or isinstance(number, bool):
        raise RecordError(f"the record's {key} is not an integer")
    return number


def _compare_copies(fields: Mapping[int, bytes | int], data: bytes) -> None:
    entries = _decode_map(data)
    copies = {
        "Value": fields.get(_VALUE, b""),
        "Validity": fields.get(_VALIDITY, b""),
        "ValidityType": fields.get(_VALIDITY_TYPE, 0),
        "Sequence": fields.get(_SEQUENCE, 0),
        "TTL": fields.get(_TTL, 0),
    }
    for key, copy in copies.items():
        if copy != entries[key]:
            raise RecordError(f"the record contradicts itself: its {key} is not the one that was signed")


def _bytes_field(number: int, content: bytes) -> bytes:
    return encode_varint(number << 3 | 2) + encode_varint(len(content)) + content


def _varint_field(number: int, value: int) -> bytes:
    return encode_varint(number << 3) + encode_varint(value)


def _decode_fields(encoded: bytes) -> dict[int, bytes | int]:
    """Read the protobuf; each known field once at most, each in its wire type, nothing else."""
    fields: dict[int, bytes | int] = {}
    offset = 0
    try:
        while offset < len(encoded):
            tag, offset = decode_varint(encoded, offset)
            number, wire_type = tag >> 3, tag & 7
            if not _VALUE <= number <= _DATA or number in fields or wire_type != (0 if number in _VARINT_FIELDS else 2):
                raise RecordError("the record holds a field that is unknown, of the wrong type or there twice")
            content, offset = decode_varint(encoded, offset, max_bytes=10)
            if wire_type == 0:
                fields[number] = content
                continue
            if content > len(encoded) - offset:
                raise RecordError("the record is cut short")
            fields[number] = encoded[offset : offset + content]
            offset += content
    except CodecError as error:
        raise RecordError("not an IPNS record", why=error.message) from error
    return fields
