"""The worked examples of `docs/formats/`, computed by the code: ``python -m tests.worked_examples`` writes them anew.

In a document an example is a fenced block behind the marker ``<!-- example: NAME -->``. `tests/test_documents.py` fails where one
differs from what is computed here.
"""

import hashlib
import io
import re
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import zstandard

from catalog.blockstores.memory import MemoryBlockstore
from catalog.delta.contents import content_of
from catalog.delta.header import BlockRange, DeltaHeader, DeltaSection, encode_header
from catalog.hosting.archives import ArchiveWriter
from catalog.hosting.folder import open_folder
from catalog.image.canonical import END, build_header, lay_out_archive, padding
from catalog.image.chunking import LayerCutter, cut_metadata
from catalog.image.dag import LayerWriter, StoredArchive, build_archive
from catalog.image.encoder import EMPTY_FRAME, build_probe
from catalog.image.reader import read_archive
from catalog.image.walk import walk
from catalog.ipld import dag_cbor
from catalog.ipld.block import Block
from catalog.ipld.car import encode_car
from catalog.ipld.car import encode_header as encode_car_header
from catalog.ipld.cid import DAG_PB, Cid, cid_of, parse_cid
from catalog.ipld.varint import decode_varint, encode_varint
from catalog.ipns.key import IpnsKey
from catalog.ipns.record import Record, create_record
from catalog.ipns.validity import parse_validity
from catalog.limits import GIB
from catalog.model.platform import make_platform
from catalog.model.release import Image, Release
from catalog.snapshot.json import encode_json
from catalog.snapshot.line import encode_line
from catalog.snapshot.reader import open_snapshot
from catalog.snapshot.tree import ends_leaf
from catalog.snapshot.writer import write_snapshot
from catalog.sources.bundle import write_bundle
from catalog.sources.store import FetchingBlockstore
from catalog.static.layout import manifest_path, outline_path
from catalog.static.pack import encode_index
from catalog.unixfs.directory import list_directory
from catalog.unixfs.file import decode_file_node
from catalog.unixfs.hamt import Entry, build_shards
from catalog.unixfs.murmur3 import hash_name
from tests.factory.archives import MemoryBlocks
from tests.needs import ROOT

FORMATS = ROOT / "docs" / "formats"
_MARKER = re.compile(r"<!-- example: ([a-z0-9/-]+) -->\n+```[a-z]*\n(.*?)```", re.DOTALL)

_SEED = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")  # RFC 8032, section 7.1, TEST 1
_VERSIONS = ("1.17", "1.18", "1.19")  # the line of hello@1.18 ends its leaf


def read_examples(document: Path) -> dict[str, str]:
    """Return the examples of a document by name."""
    return {match[1]: match[2] for match in _MARKER.finditer(document.read_text(encoding="utf-8"))}


def write_examples(document: Path) -> None:
    """Replace the examples of a document by the computed ones."""

    def replace(match: re.Match[str]) -> str:
        return match[0].removesuffix(f"{match[2]}```") + f"{all_examples()[match[1]]}```"

    text = document.read_text(encoding="utf-8")
    document.write_text(_MARKER.sub(replace, text), encoding="utf-8")


def dump(data: bytes) -> str:
    """Format bytes as ``hexdump -C`` does."""
    lines = []
    previous = b""
    skipping = False
    for offset in range(0, len(data), 16):
        row = data[offset : offset + 16]
        if row == previous and len(row) == 16:
            if not skipping:
                lines.append("*")
            skipping = True
            continue
        previous, skipping = row, False
        text = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in row)
        lines.append(f"{offset:08x}  {row[:8].hex(' '):23}  {row[8:].hex(' '):23}  |{text}|")
    return "\n".join([*lines, f"{len(data):08x}"]) + "\n"


@dataclass(frozen=True)
class Sample:
    """The image of the examples: its parts and its archive."""

    config: bytes
    layer: bytes
    blocks: MemoryBlocks
    archive: StoredArchive

    @property
    def order(self) -> list[Cid]:
        return [block.cid for block in walk(self.archive.archive, self.blocks)]


@cache
def sample(greeting: bytes) -> Sample:
    """Make an image of one layer, which holds one file ``hello``."""
    layer = build_header("hello", len(greeting)) + greeting + padding(len(greeting)) + END
    diff_id = hashlib.sha256(layer).hexdigest()
    config = (
        '{"architecture":"amd64","config":{"Cmd":["/hello"]},"created":"2026-11-24T00:00:00Z","os":"linux",'
        f'"rootfs":{{"diff_ids":["sha256:{diff_id}"],"type":"layers"}}}}'
    ).encode()
    blocks = MemoryBlocks()
    writer = LayerWriter(blocks)
    writer.feed(layer)
    return Sample(config, layer, blocks, build_archive(config, [writer.finish()], blocks))


def base() -> Sample:
    return sample(b"hello, world\n")


def target() -> Sample:
    return sample(b"hello, reader\n")


def image_examples() -> Iterator[tuple[str, str]]:
    image = base()
    stored = image.archive
    frame = lay_out_archive(image.config, [layer.diff_id for layer in stored.layers], {stored.layers[0].diff_id: len(image.layer)})
    yield "image/config", image.config.decode() + "\n"
    yield "image/layer", dump(image.layer)
    yield "image/member", dump(frame.head[:1024])
    yield "image/large-member", dump(build_header("blobs/sha256/" + "ab" * 32, 8 * GIB))
    yield "image/documents", "\n".join(_documents(frame.head)) + "\n"
    root = decode_file_node(stored.archive, image.blocks.get(stored.archive))
    parts = [("metadata", frame.head), ("layer", image.layer), ("end", frame.gap(0))]
    yield (
        "image/leaves",
        _table(
            [
                ("part", "bytes", "frame", "CID"),
                *((name, len(data), link.file_size, link.cid) for (name, data), link in zip(parts, root.links, strict=True)),
            ]
        ),
    )
    yield "image/layer-frame", dump(image.blocks.get(root.links[1].cid))
    yield "image/end-frame", dump(image.blocks.get(root.links[2].cid))
    yield "image/root", dump(image.blocks.get(stored.archive))
    yield (
        "image/result",
        _table(
            [
                ("archive CID", stored.archive),
                ("config digest", stored.config),
                ("manifest digest", stored.manifest),
                ("diffID", stored.layers[0].diff_id),
                ("size (stored)", stored.size),
                ("unpacked", stored.unpacked),
                ("Tsize of a link to it", stored.dag_size),
            ]
        ),
    )
    yield "image/empty-leaf", f"{EMPTY_FRAME.hex(' ')}\n{cid_of(EMPTY_FRAME)}\n"
    yield "image/cuts", _table([("layer", "chunks"), *((name, _cut_lengths(layer)) for name, layer in _odd_layers())])
    lengths = [len(chunk) for chunk in cut_metadata(build_probe())]
    yield "image/fastcdc", " ".join(map(str, lengths)) + "\n"


def _odd_layers() -> Iterator[tuple[str, bytes]]:
    """Layers that a reader gets wrong who takes the rules for those of a tar library."""
    rest = b"x" * 40_000 + bytes(-40_000 % 512 + 1024)
    for field in (
        "80 00 00 00 00 00 00 00 00 00 9c 40",
        "ff 00 00 00 00 00 00 00 00 00 9c 40",
        "20 20 31 31 36 31 30 30 20 00 00 20",
    ):
        yield f"A with size {field}", _size_header(bytes.fromhex(field)) + rest
    yield "A with size 31 31 36 31 30 30 20 31 00 00 00 00", _size_header(b"116100 1" + bytes(4)) + rest
    yield "1,048,581 bytes FF", b"\xff" * 1_048_581
    yield "1,048,581 bytes 00", bytes(1_048_581)


def _size_header(field: bytes) -> bytes:
    """Return a tar header in which only the size field and the type flag are set, as all that a cut looks at."""
    header = bytearray(512)
    header[124:136] = field
    header[156] = ord("0")
    return bytes(header)


def _cut_lengths(layer: bytes) -> str:
    cutter = LayerCutter()
    return " ".join(str(len(chunk)) for chunk in [*cutter.feed(layer), *cutter.finish()])


def _documents(head: bytes) -> Iterator[str]:
    offset = 0
    while offset < len(head):
        name = head[offset : offset + 100].rstrip(b"\0").decode()
        size = int(head[offset + 124 : offset + 135], 8)
        body = head[offset + 512 : offset + 512 + size].decode()
        yield f"{offset:5} {name} ({size} bytes)" + (f"\n      {body}" if body else ": the layer follows")
        offset += 512 + size + -size % 512


def _table(rows: Sequence[Sequence[object]]) -> str:
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]
    return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class SampleDelta:
    """The delta of the examples: from `base` to `target`, one section."""

    head: bytes
    frame: bytes
    payload: bytes
    prefix: bytes


@cache
def delta() -> SampleDelta:
    old, new = base(), target()
    lacking = [cid for cid in new.order if cid not in old.blocks.blocks]
    contents = [content_of(Block(cid, new.blocks.get(cid))) for cid in lacking]
    payload = b"".join(encode_varint(len(content)) + content for content in contents)
    ranges = (BlockRange(1, 2),)
    prefix = b"".join(content_of(Block(cid, old.blocks.get(cid))) for cid in old.order[1:3])
    dictionary = zstandard.ZstdCompressionDict(prefix, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
    compressor = zstandard.ZstdCompressor(
        level=3, dict_data=dictionary, write_content_size=True, write_checksum=False, write_dict_id=False
    )
    frame = compressor.compress(payload)
    section = DeltaSection(len(payload), len(frame), ranges)
    head = encode_header(DeltaHeader(old.archive.archive, new.archive.archive, (section,)))
    return SampleDelta(head, frame, payload, prefix)


def delta_examples() -> Iterator[tuple[str, str]]:
    old, new, made = base(), target(), delta()
    for name, image, other in (("base", old, new), ("target", new, old)):
        rows: list[Sequence[object]] = [("index", "CID", "stored", "content", "other side")]
        for index, cid in enumerate(image.order):
            data = image.blocks.get(cid)
            held = "has it" if cid in other.blocks.blocks else "lacks it"
            rows.append((index, cid, len(data), len(content_of(Block(cid, data))), held))
        yield f"delta/{name}", _table(rows)
    yield "delta/header", dump(made.head)
    yield "delta/frame", dump(made.frame)
    yield "delta/payload", dump(made.payload[:149])
    yield (
        "delta/result",
        _table(
            [
                ("prefix", f"{len(made.prefix)} bytes, sha256 {hashlib.sha256(made.prefix).hexdigest()}"),
                ("payload", f"{len(made.payload)} bytes, sha256 {hashlib.sha256(made.payload).hexdigest()}"),
                ("delta file", f"{len(made.head) + len(made.frame)} bytes"),
            ]
        ),
    )


@dataclass(frozen=True)
class SampleCatalogue:
    """The snapshot of the examples, with the archive that it links, and its record."""

    root: Cid
    dag_size: int
    blocks: MemoryBlocks
    lines: list[bytes]
    record: Record


@cache
def catalogue() -> SampleCatalogue:
    stored = base().archive
    image = Image(stored.archive, stored.config, stored.manifest, len(stored.layers), stored.size, stored.unpacked, stored.created)
    releases = [
        Release("hello", version, "2026-11-24T01:00:00Z", {make_platform("linux", "amd64"): image}) for version in _VERSIONS
    ]
    blocks = MemoryBlocks(base().blocks.blocks.items())  # type: ignore[arg-type]
    written = write_snapshot(
        releases,
        title="Greetings",
        published="2026-11-24T01:00:00Z",
        previous=None,
        dag_size=lambda _: stored.dag_size,
        put=blocks.put_node,
    )
    record = create_record(
        IpnsKey(_SEED), f"/ipfs/{written.root}".encode(), sequence=1, validity=parse_validity(b"2026-12-24T01:00:00Z")
    )
    return SampleCatalogue(written.root, written.dag_size, blocks, [encode_line(release) for release in releases], record)


def catalogue_examples() -> Iterator[tuple[str, str]]:
    sampled = catalogue()
    snapshot = open_snapshot(sampled.root, sampled.blocks)
    yield "catalogue/lines", b"".join(sampled.lines).decode()
    rows: list[Sequence[object]] = [("line", "sha256 of name@version begins", "ends its leaf")]
    for version in _VERSIONS:
        digest = hashlib.sha256(f"hello@{version}".encode()).hexdigest()
        rows.append((f"hello@{version}", digest[:8], "yes" if ends_leaf(("hello", version)) else "no"))
    yield "catalogue/cuts", _table(rows)
    tree = decode_file_node(snapshot.releases.cid, sampled.blocks.get(snapshot.releases.cid))
    yield (
        "catalogue/leaves",
        _table([("leaf", "bytes", "CID"), *((number, link.file_size, link.cid) for number, link in enumerate(tree.links))]),
    )
    yield "catalogue/tree-root", dump(sampled.blocks.get(snapshot.releases.cid)) + f"{snapshot.releases.cid}\n"
    entries = {entry.name: entry for entry in list_directory(sampled.root, sampled.blocks)}
    yield "catalogue/head", sampled.blocks.get(entries["catalogue.json"].cid).decode() + f"{entries['catalogue.json'].cid}\n"
    (hello,) = list_directory(snapshot.images.cid, sampled.blocks)
    yield (
        "catalogue/images",
        _table(
            [
                ("path", "Tsize", "CID"),
                ("images", snapshot.images.dag_size, snapshot.images.cid),
                ("images/hello", hello.dag_size, hello.cid),
                *((f"images/hello/{entry.name}", entry.dag_size, entry.cid) for entry in list_directory(hello.cid, sampled.blocks)),
            ]
        ),
    )
    yield "catalogue/images-block", dump(sampled.blocks.get(snapshot.images.cid))
    yield "catalogue/root", dump(sampled.blocks.get(sampled.root)) + f"{sampled.root}\n"
    yield "catalogue/hamt", _hamt()
    yield "catalogue/record-data", dump(_record_data(sampled.record))
    yield "catalogue/record", dump(sampled.record.encoded)
    name = sampled.record.name
    yield (
        "catalogue/name",
        _table(
            [
                ("public key", name.public_key.hex()),
                ("name as binary CID", name.cid_bytes.hex()),
                ("name", name),
                ("the same, as a peer ID", name.peer_id),
                ("routing key", (b"/ipns/" + name.multihash).hex()),
                ("record", f"{len(sampled.record.encoded)} bytes, sha256 {hashlib.sha256(sampled.record.encoded).hexdigest()}"),
            ]
        ),
    )


def _record_data(record: Record) -> bytes:
    """Return the signed map: the last field of a record."""
    mark = record.encoded.index(b"\x4a", record.encoded.index(b"\x42\x40") + 66)
    size, start = decode_varint(record.encoded, mark + 1)
    return record.encoded[start : start + size]


def _hamt() -> str:
    names = ("1.17.linux-amd64.tar.zst", "1.18.linux-amd64.tar.zst", "1.19.linux-amd64.tar.zst")
    stored = base().archive
    blocks: list[Block] = []
    link = build_shards([Entry(name, stored.archive, stored.dag_size) for name in names], blocks.append)
    rows: list[Sequence[object]] = [("name", "murmur3-x64-64", "bucket in the root")]
    for name in names:
        hashed = hash_name(name.encode())
        rows.append((name, f"{hashed:016x}", f"{hashed >> 56:02X}"))
    assert len(blocks) == 1
    return f"{_table(rows)}\n{dump(blocks[0].data)}{link.cid}\n"


def bundle_examples() -> Iterator[tuple[str, str]]:
    sampled, image = catalogue(), base()
    snapshot = open_snapshot(sampled.root, sampled.blocks)
    index = [sampled.root, *(entry.cid for entry in list_directory(sampled.root, sampled.blocks))]
    index += [link.cid for link in decode_file_node(snapshot.releases.cid, sampled.blocks.get(snapshot.releases.cid)).links]
    index += [entry.cid for entry in list_directory(snapshot.images.cid, sampled.blocks)]
    cids = list(dict.fromkeys([*index, *image.order]))
    name, root = str(sampled.record.name), image.archive.archive
    out = io.BytesIO()
    blocks = (Block(cid, sampled.blocks.get(cid)) for cid in cids)
    size = write_bundle(out, [root], blocks, records={name: sampled.record.encoded})
    data = out.getvalue()
    length, start = decode_varint(data)
    yield "bundle/header", dump(data[: start + length])
    manifest = dag_cbor.encode(
        {
            "deltas": [],
            "format": "dcat-bundle/1",
            "records": {name: cid_of(sampled.record.encoded)},
            "roots": [root],
            "since": [],
        }
    )
    assert manifest in data
    yield "bundle/manifest", dump(data[start + length : start + length + 2 + 36 + len(manifest)])
    yield "bundle/sections", _table([("offset", "length", "bytes of the block", "CID"), *_sections(data)])
    yield "bundle/result", f"{size} bytes, sha256 {hashlib.sha256(data).hexdigest()}\n"


def _sections(data: bytes) -> Iterator[Sequence[object]]:
    length, start = decode_varint(data)
    offset = start + length
    while offset < len(data):
        length, start = decode_varint(data, offset)
        yield offset, length, length - 36, Cid(data[start : start + 36])
        offset = start + length


def http_examples() -> Iterator[tuple[str, str]]:
    image = base()
    leaf = decode_file_node(image.archive.archive, image.blocks.get(image.archive.archive)).links[2].cid
    absent = cid_of(b"nobody has this\n")
    yield "http/blocks-request", f"{absent}\n{leaf}\n"
    yield "http/blocks-response", dump(b"".join(encode_car([], [Block(leaf, image.blocks.get(leaf))])))
    yield "http/probe", dump(bytes.fromhex("19a265726f6f747381d82a4500015500006776657273696f6e01"))
    yield "http/no-roots", encode_car_header([]).hex(" ") + "\n"
    assert parse_cid(str(leaf)).codec != DAG_PB


def static_examples() -> Iterator[tuple[str, str]]:
    image = base()
    view = read_archive(image.archive.archive, image.blocks)
    listed = Image(view.cid, view.config_digest, view.manifest_digest, 1, view.size, view.unpacked)
    local = MemoryBlockstore()
    local.put_many(Block(cid, data) for cid, data in image.blocks.blocks.items())
    with tempfile.TemporaryDirectory() as text, open_folder(Path(text)) as folder:
        release = Release("hello", "1.17", "2026-11-24T01:00:00Z", {make_platform("linux", "amd64"): listed})
        for pointer in ArchiveWriter(folder, FetchingBlockstore(local, [])).write_release(release):
            folder.replace(pointer.path, pointer.data)
        found = {path.relative_to(text).as_posix(): path.read_bytes() for path in Path(text).glob("[ov]*/**/*") if path.is_file()}
    rows = [(path, len(data), hashlib.sha256(data).hexdigest()[:16] + "…") for path, data in sorted(found.items())]
    yield "static/files", _table([("file", "bytes", "sha256"), *rows])
    outline = found[outline_path(view.cid)]
    yield "static/outline", dump(outline[: outline.index(image.blocks.get(view.cid)) - 38])  # length and CID of the second section
    yield "static/manifest", found[manifest_path("hello", "1.17")].decode() + "\n"
    sampled = catalogue()
    releases = open_snapshot(sampled.root, sampled.blocks).releases.cid
    tree = [Block(block.cid, sampled.blocks.get(block.cid)) for block in walk(releases, sampled.blocks)]
    yield "static/index", dump(encode_index(tree))


def encodings_examples() -> Iterator[tuple[str, str]]:
    value = {"\U0001f600": 1, "\ufb33": 2, "a": "\x1f/\x7f", "": {"b": [], "B": {}}}
    yield "encodings/json", dump(encode_json(value))


@cache
def all_examples() -> dict[str, str]:
    """Return every example by name."""
    return dict(
        pair
        for examples in (
            image_examples,
            delta_examples,
            catalogue_examples,
            bundle_examples,
            http_examples,
            static_examples,
            encodings_examples,
        )
        for pair in examples()
    )


if __name__ == "__main__":
    for path in sorted(FORMATS.glob("*.md")):
        write_examples(path)
