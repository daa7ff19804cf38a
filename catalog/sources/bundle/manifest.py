"""The manifest of a bundle: encoding, strict decoding, and writing a whole bundle."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import BinaryIO, Final

from catalog import limits
from catalog.errors import CodecError, InvalidIpnsNameError
from catalog.ipld import dag_cbor
from catalog.ipld.block import Block
from catalog.ipld.car import write_car
from catalog.ipld.cid import DAG_CBOR, Cid, cid_of
from catalog.ipns.name import parse_ipns_name

FORMAT: Final = "dcat-bundle/1"
_KEYS: Final = {"deltas", "format", "records", "roots", "since"}


@dataclass(frozen=True, slots=True)
class BundledDelta:
    """A delta of ``size`` bytes, a UnixFS file, that a bundle carries instead of the blocks of ``target`` that ``base`` lacks."""

    base: Cid
    target: Cid
    file: Cid
    size: int


@dataclass(frozen=True, slots=True)
class BundleManifest:
    """What a bundle claims to bring; ``records`` are keyed by the canonical text of an IPNS name, ``deltas`` by target."""

    roots: tuple[Cid, ...]
    since: tuple[Cid, ...]
    records: Mapping[str, Cid]
    deltas: Mapping[Cid, BundledDelta]


def encode_manifest(
    roots: Iterable[Cid], since: Iterable[Cid], records: Mapping[str, Cid], deltas: Iterable[BundledDelta]
) -> bytes:
    """Return a manifest as DAG-CBOR; raise `CodecError` where it exceeds its limit."""
    encoded = dag_cbor.encode(
        {
            "deltas": [[delta.base, delta.target, delta.file, delta.size] for delta in deltas],
            "format": FORMAT,
            "records": dict(records),
            "roots": list(dict.fromkeys(roots)),
            "since": list(dict.fromkeys(since)),
        }
    )
    if len(encoded) > limits.MAX_BUNDLE_MANIFEST_SIZE:
        raise CodecError("too much for one bundle", why=f"its manifest would have {len(encoded)} bytes")
    return encoded


def decode_manifest(data: bytes) -> BundleManifest:
    """Return the manifest in a block of at most `MAX_BUNDLE_MANIFEST_SIZE` bytes; raise `CodecError` for anything else."""
    fields = dag_cbor.decode_map(data)
    if fields.get("format") != FORMAT or set(fields) != _KEYS:
        raise CodecError(f"its root is not a {FORMAT} manifest")
    records = fields["records"]
    if not isinstance(records, dict):
        raise CodecError("the records of its manifest are not a map")
    return BundleManifest(
        _check_links(fields["roots"]),
        _check_links(fields["since"]),
        {_check_name(name): _check_links([link])[0] for name, link in records.items()},
        _check_deltas(fields["deltas"]),
    )


def write_bundle(
    out: BinaryIO,
    roots: Iterable[Cid],
    blocks: Iterable[Block],
    *,
    records: Mapping[str, bytes],
    since: Iterable[Cid] = (),
    deltas: Iterable[BundledDelta] = (),
) -> int:
    """Write a bundle and return the number of its bytes; ``records`` are bytes by the canonical text of IPNS names.

    Memory is that of one block. The blocks are neither verified nor deduplicated.
    """
    record_blocks = {name: Block(cid_of(record), record) for name, record in records.items()}
    manifest = encode_manifest(roots, since, {name: block.cid for name, block in record_blocks.items()}, deltas)
    first = Block(cid_of(manifest, DAG_CBOR), manifest)
    return write_car(out, [first.cid], chain([first], record_blocks.values(), blocks))


def _check_links(links: object) -> tuple[Cid, ...]:
    if not isinstance(links, list) or not all(isinstance(link, Cid) for link in links) or len(set(links)) != len(links):
        raise CodecError("its manifest lacks a list of distinct links")
    return tuple(links)


def _check_deltas(entries: object) -> Mapping[Cid, BundledDelta]:
    deltas: dict[Cid, BundledDelta] = {}
    for entry in entries if isinstance(entries, list) else [None]:
        if not isinstance(entry, list) or len(entry) != 4 or type(entry[3]) is not int or entry[3] < 1:
            raise CodecError("its manifest has a malformed list of deltas")
        base, target, file = _check_links(entry[:3])
        delta = BundledDelta(base, target, file, entry[3])
        if delta.target in deltas:
            raise CodecError("its manifest holds two deltas to one archive")
        deltas[delta.target] = delta
    return deltas


def _check_name(text: str) -> str:
    try:
        name = parse_ipns_name(text)
    except InvalidIpnsNameError as error:
        raise CodecError(error.message) from error
    if str(name) != text:
        raise CodecError("the name of a record is not in its canonical form")
    return text
