"""A bundle file as a block source and as a source of records."""

import os
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from catalog import limits
from catalog.errors import BlockNotFoundError, CidError, CodecError, UnavailableError
from catalog.ipld import dag_cbor
from catalog.ipld.block import Block
from catalog.ipld.cid import DAG_CBOR, Cid, decode_cid_prefix, verify_block
from catalog.ipld.varint import decode_varint
from catalog.ipns.name import IpnsName
from catalog.sources.bundle.manifest import BundleManifest, decode_manifest
from catalog.sources.source import OfferedDelta
from catalog.unixfs.file_reader import read_file

_SIZE_BITS: Final = 24  # offset and size share one integer, which takes half the memory of a pair
_SIZE_MASK: Final = (1 << _SIZE_BITS) - 1
_LONGEST_HEAD: Final = 9 + 36  # length and CID of a section


class BundleSource:
    """A bundle file as a block source. Use it as a context manager, or `close` it after use.

    ``records`` are the bytes of its records, not validated, by the text of their IPNS names. Raise `CodecError` for a file that is
    not a bundle and `UnavailableError` for one that cannot be read.
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
        self._spans: dict[bytes, int] = {}
        try:
            self._size = os.fstat(self._descriptor).st_size
            self.manifest = self._read_spans()
            self.records: Mapping[str, bytes] = {name: self._read_record(cid) for name, cid in self.manifest.records.items()}
        except BaseException:
            self.close()
            raise

    def __len__(self) -> int:
        """Return the number of distinct blocks."""
        return len(self._spans)

    def get(self, cid: Cid) -> bytes:
        """Return the block, verified; raise `BlockNotFoundError` where the file does not hold it."""
        span = self._spans.get(cid.digest)
        if span is None:
            raise BlockNotFoundError(f"{self.name} does not have block {cid}")
        data = self._read(span >> _SIZE_BITS, span & _SIZE_MASK)
        verify_block(cid, data)
        return data

    def get_many(self, cids: Iterable[Cid]) -> Iterator[Block]:
        """Yield the blocks that the file holds, each once, in the order of the file."""
        here = {cid.digest: cid for cid in cids if cid.digest in self._spans}
        for cid in sorted(here.values(), key=lambda cid: self._spans[cid.digest]):
            yield Block(cid, self.get(cid))

    def delta_bases(self, target: Cid) -> tuple[Cid, ...]:
        """Return the base of the delta to ``target``, if the file holds one."""
        delta = self.manifest.deltas.get(target)
        return () if delta is None else (delta.base,)

    @contextmanager
    def open_delta(self, base: Cid, target: Cid) -> Iterator[OfferedDelta | None]:
        """Yield the delta from ``base`` to ``target``, verified as it is read; None where the file does not hold it."""
        delta = self.manifest.deltas.get(target)
        if delta is None or delta.base != base:
            yield None
        else:
            yield OfferedDelta(delta.size, read_file(delta.file, self, max_size=delta.size))

    def find_delta_size(self, base: Cid, target: Cid) -> int | None:
        """Return the size of the delta from ``base`` to ``target``, or None where the file does not hold it."""
        delta = self.manifest.deltas.get(target)
        return None if delta is None or delta.base != base else delta.size

    def abort(self, threads: Collection[int] | None = None) -> None:
        """Do nothing: reads of a local file are short."""

    def close(self) -> None:
        """Close the file."""
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

    def _read_spans(self) -> BundleManifest:
        length, offset = self._read_length(0, limits.MAX_CAR_HEADER_SIZE, "header")
        root = self._check_header(self._read(offset, length))
        offset += length
        manifest: BundleManifest | None = None
        while offset < self._size:
            cid, start, end = self._read_section(offset)
            if manifest is None:
                if cid != root or end - start > limits.MAX_BUNDLE_MANIFEST_SIZE:
                    raise self._refused("its manifest is not the first block, or is too large")
                manifest = self._decode_manifest(cid, self._read(start, end - start))
            self._spans.setdefault(cid.digest, start << _SIZE_BITS | end - start)
            if len(self._spans) > limits.MAX_BUNDLE_BLOCKS:
                raise self._refused(f"more than {limits.MAX_BUNDLE_BLOCKS} blocks")
            offset = end
        if manifest is None:
            raise self._refused("it holds no manifest")
        return manifest

    def _read_length(self, offset: int, limit: int, what: str) -> tuple[int, int]:
        """Return the length at ``offset`` and the offset of the byte after it."""
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
        """Return the CID of a section and the offsets at which its block begins and ends."""
        head = self._read(offset, _LONGEST_HEAD)
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
            raise self._refused("it is not a CAR") from error
        roots = header.get("roots")
        if header.get("version") != 1 or not isinstance(roots, list) or len(roots) != 1 or not isinstance(roots[0], Cid):
            raise self._refused("it is not a CARv1 with one root")
        return roots[0]

    def _decode_manifest(self, cid: Cid, data: bytes) -> BundleManifest:
        verify_block(cid, data)
        if cid.codec != DAG_CBOR:
            raise self._refused("its root is not a manifest")
        try:
            return decode_manifest(data)
        except CodecError as error:
            raise self._refused(error.message) from error

    def _read_record(self, cid: Cid) -> bytes:
        span = self._spans.get(cid.digest)
        if span is None or span & _SIZE_MASK > limits.MAX_RECORD_SIZE:
            raise self._refused("a record is missing, or too large")
        return self.get(cid)

    def _refused(self, why: str) -> CodecError:
        return CodecError(f'"{self.name}" is not a bundle, or is damaged', why=why)


class BundleRouting:
    """The records of a bundle, read-only."""

    def __init__(self, bundle: BundleSource) -> None:
        self._bundle = bundle
        self.name = bundle.name

    def get(self, name: IpnsName) -> bytes | None:
        """Return the record for ``name``, not validated, or None."""
        return self._bundle.records.get(str(name))

    def put(self, name: IpnsName, record: bytes) -> None:
        """Raise `UnavailableError`: a bundle is never changed after it was written."""
        raise UnavailableError(
            f"{self.name} does not take a record of {name}", why=f"a bundle is read-only; the record has {len(record)} bytes"
        )
