"""Releases and lines made from numbers, and snapshots made by hand, honest or not."""

from collections.abc import Iterable, Sequence
from typing import Any

from catalog.ipld.cid import Cid, parse_cid
from catalog.model.release import Release
from catalog.snapshot.catalogue import Catalogue, encode_catalogue
from catalog.snapshot.line import Key, encode_line
from catalog.unixfs.directory import build_directory
from catalog.unixfs.file import FileLink, file_node, raw_leaf
from catalog.unixfs.hamt import Entry
from tests.factory.golden import CATALOGUES, read_expected, read_golden
from tests.factory.platforms import AMD64
from tests.factory.releases import listed_image, make_release
from tests.factory.times import AT
from tests.unixfs.counting import CountingSource

PUBLISHED = AT
EXPECTED: dict[str, Any] = read_expected(CATALOGUES)
SIZES: dict[Cid, int] = {parse_cid(text): size for text, size in EXPECTED["dag_sizes"].items()}


def dag_size(cid: Cid) -> int:
    """A size for every archive: the golden ones have their own."""
    return SIZES.get(cid, 1000 + cid.binary[-1])


def golden_lines(name: str) -> list[bytes]:
    """Return the lines of one of the golden catalogues, without LF."""
    if name == "empty":
        return []
    return read_golden(CATALOGUES / ("small.ndjson" if name == "small" else f"{name}.ndjson.zst")).split(b"\n")[:-1]


def release(number: int, content: int = 0) -> Release:
    """Make a release; its name is one of many of which some are directories of others."""
    names = ("api", "team/api", "team", "team-x", "team.y", "a/b/c", "web")
    images = {AMD64: listed_image((number, content))} if content % 3 else {}
    return make_release(
        names[number % len(names)], f"1.{number // len(names)}", images=images, annotations={"title": f"content {content}"}
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
