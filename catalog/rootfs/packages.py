"""What Debian's, Alpine's and Python's own metadata say is installed in an image, and which files belong to a package.

The metadata is text that strangers wrote: what cannot be read of it is left out, and nothing here is ever an error.
Sources: deb-status of dpkg; Alpine wiki, "Apk spec"; PyPA, "Recording installed projects" and "Core metadata".
"""

import csv
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from catalog.limits import MAX_PACKAGE_FILE_SIZE
from catalog.rootfs.tree import Node, Tree

System = Literal["Debian", "Alpine", "Python"]
ReadText = Callable[[Node], str]
"""Reads a file of the image as text; at most `MAX_PACKAGE_FILE_SIZE` bytes are asked for."""

_DPKG: Final = "var/lib/dpkg"
_APK: Final = ("lib/apk/db/installed", "usr/lib/apk/db/installed")
_DISTRIBUTION: Final = re.compile(r"(?:.*/)?([^/]+)\.(dist-info/METADATA|egg-info/PKG-INFO)")


@dataclass(frozen=True, slots=True)
class Package:
    """An installed package. ``source`` is the file of the image that says so; ``files`` names the file that lists its files."""

    system: System
    name: str
    version: str
    source: str
    files: str = ""

    @property
    def key(self) -> tuple[str, str]:
        return self.system, self.name


def find_packages(tree: Tree, read: ReadText) -> list[Package]:
    """Return the packages of an image, sorted by system and name; of two of one name the last is taken."""
    found = {package.key: package for package in (*_find_debian(tree, read), *_find_alpine(tree, read), *_find_python(tree, read))}
    return [found[key] for key in sorted(found)]


def files_of(package: Package, tree: Tree, read: ReadText) -> Iterator[str]:
    """Yield the paths of a package's files as its metadata lists them, without a leading slash."""
    node = tree.resolve(package.files) if package.files else None
    text = read(node) if node is not None else ""
    if package.system == "Debian":
        yield from (line.lstrip("/") for line in text.splitlines() if line not in ("", "/."))
    elif package.system == "Alpine":
        yield from _list_alpine(package.name, text)
    else:
        base = package.source.rpartition("/")[0].rpartition("/")[0]
        try:
            for row in csv.reader(text.splitlines()):
                if row:
                    yield _join(base, row[0])
        except csv.Error:
            return


def _find_debian(tree: Tree, read: ReadText) -> Iterator[Package]:
    status = tree.resolve(f"{_DPKG}/status")
    if status is not None:
        for fields in _paragraphs(read(status)):
            if fields.get("Status", "").endswith(" installed"):
                yield from _debian(fields, status.path, tree)
    parts = tree.resolve(f"{_DPKG}/status.d")  # images made without dpkg: a file a package
    for node in tree.children(parts.path) if parts is not None else ():
        if node.entry.kind == "file" and not node.name.endswith(".md5sums"):
            for fields in _paragraphs(read(node)):
                yield from _debian(fields, node.path, tree)


def _debian(fields: Mapping[str, str], source: str, tree: Tree) -> Iterator[Package]:
    name, version = fields.get("Package", ""), fields.get("Version", "")
    if name and version:
        lists = (f"{_DPKG}/info/{name}.list", f"{_DPKG}/info/{name}:{fields.get('Architecture', '')}.list")
        files = next((path for path in lists if tree.resolve(path) is not None), "")
        yield Package("Debian", name, version, source, files)


def _find_alpine(tree: Tree, read: ReadText) -> Iterator[Package]:
    for path in _APK:
        node = tree.resolve(path)
        if node is None:
            continue
        name = version = ""
        for line in (*read(node).splitlines(), ""):
            if line.startswith("P:"):
                name = line[2:]
            elif line.startswith("V:"):
                version = line[2:]
            elif not line:
                if name and version:
                    yield Package("Alpine", name, version, node.path, node.path)
                name = version = ""
        return


def _list_alpine(wanted: str, text: str) -> Iterator[str]:
    name = folder = ""
    for line in text.splitlines():
        if line.startswith("P:"):
            name = line[2:]
        elif line.startswith("F:"):
            folder = line[2:]
        elif line.startswith("R:") and name == wanted:
            yield _join(folder, line[2:])
        elif not line:
            name = folder = ""


def _find_python(tree: Tree, read: ReadText) -> Iterator[Package]:
    for node in sorted(tree.walk(), key=lambda node: node.path):
        if node.name not in ("METADATA", "PKG-INFO"):
            continue
        match = _DISTRIBUTION.fullmatch(node.path)
        if match is None or tree.content_of(node) is None:
            continue
        fields = next(_paragraphs(read(node)), {})
        name, version = fields.get("Name", ""), fields.get("Version", "")
        if name and version:
            folder = node.path.rpartition("/")[0]
            files = f"{folder}/RECORD" if match[2].startswith("dist") else ""
            yield Package("Python", re.sub(r"[-_.]+", "-", name).lower(), version, node.path, files)


def _paragraphs(text: str) -> Iterator[dict[str, str]]:
    """Yield the paragraphs of ``Field: value`` lines; lines that continue a value are left out."""
    fields: dict[str, str] = {}
    for line in text[:MAX_PACKAGE_FILE_SIZE].splitlines():
        if not line.strip():
            if fields:
                yield fields
            fields = {}
        elif not line[0].isspace():
            name, colon, value = line.partition(":")
            if colon:
                fields.setdefault(name, value.strip())
    if fields:
        yield fields


def _join(base: str, path: str) -> str:
    parts = [part for part in base.split("/") if part]
    for part in path.split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)


def owners_of(packages: Iterable[Package], tree: Tree, read: ReadText) -> dict[str, Package]:
    """Return which package each file of these packages belongs to, by its real path in the image."""
    owners: dict[str, Package] = {}
    for package in packages:
        for path in files_of(package, tree, read):
            owners.setdefault(path, package)
            node = tree.resolve(path) if tree.get(path) is None else None
            if node is not None:
                owners.setdefault(node.path, package)
    return owners
