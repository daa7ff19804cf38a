"""Releases and lines made from numbers, and snapshots made by hand, honest or not."""

import json
from collections.abc import Iterable, Sequence

import zstandard

from catalog.ipld.cid import DAG_PB, Cid, cid_of, parse_cid
from catalog.model.digest import ConfigDigest, ManifestDigest
from catalog.model.platform import make_platform
from catalog.model.release import Image, Release
from catalog.snapshot.catalogue import Catalogue, encode_catalogue
from catalog.snapshot.line import Key, encode_line
from catalog.unixfs.directory import build_directory
from catalog.unixfs.file import FileLink, file_node, raw_leaf
from catalog.unixfs.hamt import Entry
from tests.needs import GOLDEN
from tests.unixfs.counting import CountingSource

PUBLISHED = "2026-11-24T00:00:00Z"
AMD64 = make_platform("linux", "amd64")
EXPECTED = json.loads((GOLDEN / "dcat-catalogue" / "expected.json").read_text())
SIZES: dict[Cid, int] = {parse_cid(text): size for text, size in EXPECTED["dag_sizes"].items()}


def dag_size(cid: Cid) -> int:
    """A size for every archive: the golden ones have their own."""
    return SIZES.get(cid, 1000 + cid.binary[-1])


def golden_lines(name: str) -> list[bytes]:
    """Give the lines of one of the golden catalogues, without LF."""
    folder = GOLDEN / "dcat-catalogue"
    if name == "empty":
        return []
    if name == "small":
        data = (folder / "small.ndjson").read_bytes()
    else:
        data = zstandard.ZstdDecompressor().stream_reader((folder / f"{name}.ndjson.zst").read_bytes()).read()
    return data.split(b"\n")[:-1]


def image(*content: object) -> Image:
    seed = repr(content).encode()
    return Image(cid_of(seed, DAG_PB), ConfigDigest.of(seed), ManifestDigest.of(seed + b"m"), 3, 1000, 5000, PUBLISHED)


def release(number: int, content: int = 0) -> Release:
    """Make a release; its name is one of many of which some are directories of others."""
    names = ("api", "team/api", "team", "team-x", "team.y", "a/b/c", "web")
    return Release(
        names[number % len(names)],
        f"1.{number // len(names)}",
        PUBLISHED,
        {AMD64: image(number, content)} if content % 3 else {},
        {"title": f"content {content}"},
    )


def bare_line(number: int, content: int = 0) -> tuple[Key, bytes]:
    """Make a line of a release without images, with LF: for tests of trees, which do not look into lines."""
    key = (f"n{number // 100:04d}", f"v{number % 100:02d}")
    return key, encode_line(Release(*key, PUBLISHED, annotations={"n": str(content)} if content else {}))


def keep_leaf(source: CountingSource, data: bytes) -> FileLink:
    block, link = raw_leaf(data)
    source.keep(block)
    return link


def keep_node(source: CountingSource, children: Sequence[FileLink]) -> FileLink:
    block, link = file_node(children)
    source.keep(block)
    return link


def keep_root(source: CountingSource, releases: FileLink, count: int, *, catalogue: bytes | None = None) -> Cid:
    """Make a snapshot's root over any tree."""
    if catalogue is None:
        catalogue = encode_catalogue(Catalogue("by hand", PUBLISHED, None, count))
    head = keep_leaf(source, catalogue)
    images = build_directory((), source.keep)
    entries = [
        Entry("catalogue.json", head.cid, head.dag_size),
        Entry("images", *images),
        Entry("releases.ndjson", releases.cid, releases.dag_size),
    ]
    return build_directory(entries, source.keep).cid


def joined(lines: Iterable[tuple[Key, bytes]]) -> bytes:
    return b"".join(line for _, line in lines)
