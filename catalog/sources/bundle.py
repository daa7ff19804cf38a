"""Bundles: one file that carries blocks and signed records, for where there is no network (format ``dcat-bundle/1``).

A bundle is a CARv1, so every tool that reads CARs reads its blocks. Its one root is the *manifest*, a strict DAG-CBOR block that
stands first::

    {"deltas": [[base, target, file, size], …], "format": "dcat-bundle/1", "records": {"k51…": link, …}, "roots": [link, …],
     "since": [link, …]}

- ``roots`` are the DAGs that the bundle brings (snapshots, archives), whole but for blocks that are under ``since`` too, which the
  receiver must hold already. No CID twice in either.
- ``deltas`` stand in place of blocks: of archive ``target`` only the root and the metadata are there, and ``file`` is a delta of
  ``size`` bytes (``dcat-delta/1``, a UnixFS file) that makes the rest of archive ``base``. A base is under ``since``, or a root
  that stands before its target. No target twice.
- ``records`` gives, by IPNS name in its canonical text, a raw block with the bytes of a signed record. These blocks follow the
  manifest.
- Then come the blocks, in any order. Exactly these keys; the manifest is at most 1 MiB.

Nothing in it is trusted: a block is compared with its CID each time it is read, a record is validated by whoever takes it,
completeness is what the receiver finds. One pass over the file, without hashing, notes where each block stands; that refuses what
is no CAR or is cut short. Considered: a tar of files (a second parser for bytes from strangers), CARv2 with its index (an index
from outside is not to be trusted); chosen: the format that sources speak anyway.
"""

import os
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Self

from catalog import limits
from catalog.errors import BlockNotFoundError, CidError, CodecError, InvalidIpnsNameError, UnavailableError
from catalog.ipld import dag_cbor
from catalog.ipld.block import Block
from catalog.ipld.car import write_car
from catalog.ipld.cid import DAG_CBOR, Cid, cid_of, decode_cid_prefix, verify_block
from catalog.ipld.varint import decode_varint
from catalog.ipns.name import IpnsName, parse_ipns_name
from catalog.sources.source import OfferedDelta
from catalog.unixfs.file import read_file

FORMAT: Final = "dcat-bundle/1"
_KEYS: Final = {"deltas", "format", "records", "roots", "since"}
_SIZE_BITS: Final = 24  # of a block's size, beside its offset in one number: half the memory of a pair
_HEAD: Final = 9 + 36  # the longest length and CID of a section


@dataclass(frozen=True, slots=True)
class BundledDelta:
    """A delta of ``size`` bytes, a UnixFS file, that stands in a bundle in place of what ``target`` has and ``base`` lacks."""

    base: Cid
    target: Cid
    file: Cid
    size: int


@dataclass(frozen=True, slots=True)
class BundleManifest:
    """What a bundle says it brings; ``records`` are links by IPNS name, ``deltas`` stand by target."""

    roots: tuple[Cid, ...]
    since: tuple[Cid, ...]
    records: Mapping[str, Cid]
    deltas: Mapping[Cid, BundledDelta]


class BundleSource:
    """A bundle file read as a block source; ``close`` it after use (a context manager).

    ``records`` are the bytes of its records by the text of their IPNS names, not validated. Raises `CodecError` for a file that is
    no bundle and `UnavailableError` for one that cannot be read.
    """

    batch = 4096
    lanes = 1
    eager = False

    def __init__(self, path: Path) -> None:
        self.name = path.name
        try:
            self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise UnavailableError(f'the bundle "{path.name}" cannot be read', why=error.strerror or "") from error
        self._lock = threading.Lock()
        self._places: dict[bytes, int] = {}
        try:
            self._size = os.fstat(self._descriptor).st_size
            self.manifest = self._read_places()
            self.records: Mapping[str, bytes] = {name: self._read_record(cid) for name, cid in self.manifest.records.items()}
        except BaseException:
            self.close()
            raise

    def __len__(self) -> int:
        """The number of its distinct blocks."""
        return len(self._places)

    def get(self, cid: Cid) -> bytes:
        """Give the block, verified; raise `BlockNotFoundError` where the file does not hold it."""
        place = self._places.get(cid.digest)
        if place is None:
            raise BlockNotFoundError(f"{self.name} does not have block {cid}")
        data = self._read(place >> _SIZE_BITS, place & (1 << _SIZE_BITS) - 1)
        verify_block(cid, data)
        return data

    def get_many(self, cids: Iterable[Cid]) -> Iterator[Block]:
        """Give those that are in the file, each once, in the order in which they stand there."""
        here = {cid.digest: cid for cid in cids if cid.digest in self._places}
        for cid in sorted(here.values(), key=lambda cid: self._places[cid.digest]):
            yield Block(cid, self.get(cid))

    def delta_bases(self, target: Cid) -> tuple[Cid, ...]:
        """Give the archive from which the file holds a delta to ``target``."""
        delta = self.manifest.deltas.get(target)
        return () if delta is None else (delta.base,)

    @contextmanager
    def open_delta(self, base: Cid, target: Cid) -> Iterator[OfferedDelta | None]:
        """Give the delta that the file holds, its blocks verified."""
        delta = self.manifest.deltas.get(target)
        if delta is None or delta.base != base:
            yield None
        else:
            yield OfferedDelta(delta.size, read_file(delta.file, self, max_size=delta.size))

    def find_delta_size(self, base: Cid, target: Cid) -> int | None:
        """Give the size of the delta that the file holds."""
        delta = self.manifest.deltas.get(target)
        return None if delta is None or delta.base != base else delta.size

    def abort(self, threads: Collection[int] | None = None) -> None:
        """Nothing is ever under way for long."""

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _read(self, offset: int, size: int) -> bytes:
        try:
            data = os.pread(self._descriptor, size, offset)
            while 0 < len(data) < size and (more := os.pread(self._descriptor, size - len(data), offset + len(data))):
                data += more
        except OSError as error:
            raise UnavailableError(f'the bundle "{self.name}" cannot be read', why=error.strerror or "") from error
        return data

    def _read_places(self) -> BundleManifest:
        length, offset = self._read_length(0, limits.MAX_CAR_HEADER_SIZE, "header")
        root = self._check_header(self._read(offset, length))
        offset += length
        manifest: BundleManifest | None = None
        while offset < self._size:
            cid, start, end = self._read_section(offset)
            if manifest is None:
                if cid != root or end - start > limits.MAX_BUNDLE_MANIFEST_SIZE:
                    raise self._refused("its manifest does not stand first, or is too large")
                manifest = self._check_manifest(cid, self._read(start, end - start))
            self._places.setdefault(cid.digest, start << _SIZE_BITS | end - start)
            if len(self._places) > limits.MAX_BUNDLE_BLOCKS:
                raise self._refused(f"more than {limits.MAX_BUNDLE_BLOCKS} blocks")
            offset = end
        if manifest is None:
            raise self._refused("it holds no manifest")
        return manifest

    def _read_length(self, offset: int, limit: int, what: str) -> tuple[int, int]:
        """Give the length that stands at ``offset`` and the offset behind it."""
        try:
            length, start = decode_varint(self._read(offset, 9))
        except CodecError as error:
            raise self._refused(f"a {what} without a length") from error
        if not 0 < length <= limit:
            raise self._refused(f"a {what} of {length} bytes")
        if offset + start + length > self._size:
            raise self._refused("it is cut short")
        return length, offset + start

    def _read_section(self, offset: int) -> tuple[Cid, int, int]:
        """Give a section's CID, and where its bytes begin and end."""
        head = self._read(offset, _HEAD)
        try:
            length, start = decode_varint(head)
            cid, data = decode_cid_prefix(head, start)
        except (CodecError, CidError) as error:
            raise self._refused(f"at byte {offset}: {error.message}") from error
        if not data - start <= length <= limits.MAX_BLOCK_SIZE + data - start:
            raise self._refused(f"a section of {length} bytes")
        if offset + start + length > self._size:
            raise self._refused("it is cut short")
        return cid, offset + data, offset + start + length

    def _check_header(self, data: bytes) -> Cid:
        try:
            header = dag_cbor.decode_map(data)
        except CodecError as error:
            raise self._refused("it is no CAR") from error
        roots = header.get("roots")
        if header.get("version") != 1 or not isinstance(roots, list) or len(roots) != 1 or not isinstance(roots[0], Cid):
            raise self._refused("it is no CARv1 of one root")
        return roots[0]

    def _check_manifest(self, cid: Cid, data: bytes) -> BundleManifest:
        verify_block(cid, data)
        if cid.codec != DAG_CBOR:
            raise self._refused("its root is no manifest")
        try:
            fields = dag_cbor.decode_map(data)
        except CodecError as error:
            raise self._refused(error.message) from error
        if fields.get("format") != FORMAT or set(fields) != _KEYS:
            raise self._refused(f"its root is no {FORMAT} manifest")
        records = fields["records"]
        if not isinstance(records, dict):
            raise self._refused("its records are no map")
        return BundleManifest(
            self._check_links(fields["roots"]),
            self._check_links(fields["since"]),
            {self._check_name(name): self._check_links([link])[0] for name, link in records.items()},
            self._check_deltas(fields["deltas"]),
        )

    def _check_links(self, links: object) -> tuple[Cid, ...]:
        if not isinstance(links, list) or not all(isinstance(link, Cid) for link in links) or len(set(links)) != len(links):
            raise self._refused("its manifest holds no distinct links where it should")
        return tuple(links)

    def _check_deltas(self, entries: object) -> Mapping[Cid, BundledDelta]:
        deltas: dict[Cid, BundledDelta] = {}
        for entry in entries if isinstance(entries, list) else [None]:
            if not isinstance(entry, list) or len(entry) != 4 or type(entry[3]) is not int or entry[3] < 1:
                raise self._refused("its manifest holds no deltas where it should")
            base, target, file = self._check_links(entry[:3])
            delta = BundledDelta(base, target, file, entry[3])
            if delta.target in deltas:
                raise self._refused("its manifest holds two deltas to one archive")
            deltas[delta.target] = delta
        return deltas

    def _check_name(self, text: str) -> str:
        try:
            name = parse_ipns_name(text)
        except InvalidIpnsNameError as error:
            raise self._refused(error.message) from error
        if str(name) != text:
            raise self._refused("a name of a record is not in its canonical form")
        return text

    def _read_record(self, cid: Cid) -> bytes:
        place = self._places.get(cid.digest)
        if place is None or place & (1 << _SIZE_BITS) - 1 > limits.MAX_RECORD_SIZE:
            raise self._refused("a record is missing, or too large")
        return self.get(cid)

    def _refused(self, why: str) -> CodecError:
        return CodecError(f'"{self.name}" is no bundle, or damaged', why=why)


def write_bundle(
    out: BinaryIO,
    roots: Iterable[Cid],
    blocks: Iterable[Block],
    *,
    records: Mapping[str, bytes],
    since: Iterable[Cid] = (),
    deltas: Iterable[BundledDelta] = (),
) -> int:
    """Write a bundle; give the number of its bytes. Memory is that of one block; blocks are taken as checked, and as distinct.

    ``records`` are bytes by the canonical text of IPNS names.
    """
    record_blocks = {name: Block(cid_of(record), record) for name, record in records.items()}
    manifest = dag_cbor.encode(
        {
            "deltas": [[delta.base, delta.target, delta.file, delta.size] for delta in deltas],
            "format": FORMAT,
            "records": {name: block.cid for name, block in record_blocks.items()},
            "roots": list(dict.fromkeys(roots)),
            "since": list(dict.fromkeys(since)),
        }
    )
    if len(manifest) > limits.MAX_BUNDLE_MANIFEST_SIZE:
        raise CodecError("too much for one bundle", why=f"its manifest would have {len(manifest)} bytes")
    first = Block(cid_of(manifest, DAG_CBOR), manifest)
    return write_car(out, [first.cid], chain([first], record_blocks.values(), blocks))


class BundleRouting:
    """The records that a bundle brought; nothing can be left there."""

    def __init__(self, bundle: BundleSource) -> None:
        self._bundle = bundle
        self.name = bundle.name

    def get(self, name: IpnsName) -> bytes | None:
        """Give the record of the bundle, unvalidated, or None."""
        return self._bundle.records.get(str(name))

    def put(self, name: IpnsName, record: bytes) -> None:
        """Refuse: a bundle is written once."""
        raise UnavailableError(
            f"{self.name} takes no record of {name}", why=f"it was written once, without these {len(record)} bytes"
        )
