"""The lists of a static catalogue that change with it: tags for engines, pages for people, lines for programs.

Each has a bounded size, however many releases there are: what is new costs a publisher no more than these few files.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Protocol

from catalog.home.home import Home
from catalog.hosting.folder import Folder, Pointer
from catalog.hosting.header_rules import HEADERS_PATH, MARK, IndexedName, build_header_rules
from catalog.index.releases import NameEntry, list_releases, newest_names
from catalog.limits import KIB, MAX_STATIC_TAGS
from catalog.lookup.locate import open_lookup
from catalog.lookup.releases import usable_releases
from catalog.model.digest import ManifestDigest
from catalog.model.release import Release
from catalog.snapshot.line import encode_line
from catalog.static.layout import INDEXES, PING_PATH, index_mark_path, is_pullable, manifest_path, tags_path
from catalog.static.registry import build_tags, read_tags

_ROWS = 50
_MOST_LINES = 32 * KIB
_MOST_INDEXED = 200  # names with indexes that are looked at for rules
_INDEX = "index.html"
_LINES = "releases.ndjson"
TOP_PAGE, TOP_LINES = _INDEX, _LINES
"""What people and programs read first, at the top of the folder."""


@dataclass(frozen=True, slots=True)
class CatalogueModel:
    """A catalogue, and the names that were published last; ``more``: there are others."""

    title: str
    catalogue: str
    names: tuple[NameEntry, ...]
    more: bool


@dataclass(frozen=True, slots=True)
class NameModel:
    """A name, and its newest releases; ``more``: there are others."""

    name: str
    releases: tuple[Release, ...]
    more: bool


class Pages(Protocol):
    """Renders pages, which link ``assets``."""

    def assets(self) -> Mapping[str, bytes]: ...

    def catalogue(self, model: CatalogueModel) -> bytes: ...

    def name(self, model: NameModel) -> bytes: ...


def list_tags(home: Home, catalogue: str, names: Iterable[str], folder: Folder) -> Iterator[Pointer]:
    """Yield the answer to ``/v2/``, and the tags of each name: the newest versions that are neither yanked nor removed."""
    yield Pointer(PING_PATH, b"{}\n")
    with open_lookup(home.path) as lookup:
        for name in names:
            tags: list[str] = []
            for row in usable_releases(lookup.view, catalogue, name):
                if folder.has(manifest_path(name, row.release.version)):
                    tags.append(row.release.version)
                if len(tags) == MAX_STATIC_TAGS:
                    break
            yield Pointer(tags_path(name), build_tags(name, tags))


def list_pages(home: Home, catalogue: str, title: str, names: Iterable[str], pages: Pages | None) -> Iterator[Pointer]:
    """Yield the page and the lines of each name and of the catalogue; without ``pages``, the lines alone."""
    if pages is not None:
        yield from (Pointer(path, data) for path, data in pages.assets().items())
    with home.index.read() as connection:
        for name in names:
            found = list_releases(connection, catalogue, name, limit=_ROWS + 1)
            if {_INDEX, _LINES}.isdisjoint(name.split("/")):  # a file cannot be a folder too
                yield Pointer(f"names/{name}/{_LINES}", _lines(found))
                if pages is not None:
                    yield Pointer(f"names/{name}/{_INDEX}", pages.name(NameModel(name, tuple(found[:_ROWS]), len(found) > _ROWS)))
        newest = newest_names(connection, catalogue=catalogue, limit=_ROWS + 1)
        yield Pointer(
            _LINES,
            _lines(release for entry in newest for release in list_releases(connection, catalogue, entry.name, limit=_ROWS)),
        )
        if pages is not None:
            yield Pointer(_INDEX, pages.catalogue(CatalogueModel(title, catalogue, tuple(newest[:_ROWS]), len(newest) > _ROWS)))


def _lines(releases: Iterable[Release]) -> bytes:
    """Return the lines of the first releases, as many as fit."""
    lines: list[bytes] = []
    left = _MOST_LINES
    for release in releases:
        line = encode_line(release)
        left -= len(line)
        if left < 0:
            break
        lines.append(line)
    return b"".join(lines)


def list_header_rules(home: Home, catalogue: str, folder: Folder) -> Iterator[Pointer]:
    """Yield the rules by which Netlify and Cloudflare Pages know which manifests are indexes, unless the user wrote his own."""
    current = folder.read(HEADERS_PATH)
    if current is None or current.startswith(MARK):
        names = list(islice(_names_with_indexes(folder.path / INDEXES), _MOST_INDEXED))
        with home.index.read() as connection:
            newest = [entry.name for entry in newest_names(connection, catalogue=catalogue, limit=_MOST_INDEXED)] if names else []
        ages = {name: age for age, name in enumerate(newest)}
        names.sort(key=lambda name: (ages.get(name, len(ages)), name))
        entries = (_read_tags(folder, name) for name in names)

        def digest_of(name: str, tag: str) -> str:
            return str(ManifestDigest.of(folder.read(index_mark_path(name, tag)) or b""))

        yield Pointer(HEADERS_PATH, build_header_rules((entry for entry in entries if entry.indexes), digest_of))


def _names_with_indexes(root: Path) -> Iterator[str]:
    """Yield the names that have manifests in a folder, without reading which ones."""
    for parent, folders, _ in os.walk(root):
        name = Path(parent).relative_to(root).as_posix()
        if "manifests" in folders and is_pullable(name):
            folders.remove("manifests")
            yield name
        folders.sort()


def _read_tags(folder: Folder, name: str) -> IndexedName:
    """Return which tags of a name are indexes."""
    tags = read_tags(folder.read(tags_path(name)))
    indexes = tuple(tag for tag in tags if folder.has(index_mark_path(name, tag)))
    return IndexedName(name, indexes, tuple(tag for tag in tags if tag not in set(indexes)))
