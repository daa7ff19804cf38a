"""Packages are found in the metadata of Debian, Alpine and Python, and files are told apart by their content."""

from collections.abc import Mapping

import pytest

from catalog.errors import LockedError
from catalog.image.reader import ArchivedLayer, read_archive
from catalog.rootfs.difference import FilesDifference, compare_trees
from catalog.rootfs.listing import list_layer, open_layer
from catalog.rootfs.packages import Package, ReadText, find_packages
from catalog.rootfs.tree import Node, Tree
from tests.factory.archives import MemoryBlocks, store_image
from tests.factory.images import make_image, versioned_text
from tests.factory.tars import make_tar

DPKG = "Package: {0}\nStatus: install ok installed\nVersion: {1}\nArchitecture: amd64\nDescription: a\n more: of it\n\n"


def opened(files: Mapping[str, bytes]) -> tuple[Tree, ReadText]:
    """Return the tree of an image with one layer, and what reads its files."""
    blocks = MemoryBlocks()
    layer: ArchivedLayer = read_archive(store_image(make_image([make_tar(dict(files))]), blocks).archive, blocks).layers[0]
    listing = list_layer(layer, blocks, lambda _cid: True)

    def read(node: Node) -> str:
        reader = open_layer(layer, listing, blocks, lambda _cid: True)
        return b"".join(reader.read_at(node.entry.offset, node.entry.size)).decode("utf-8", "replace")

    return Tree([listing.entries]), read


def debian(**versions: str) -> dict[str, bytes]:
    return {"var/lib/dpkg/status": "".join(DPKG.format(name, version) for name, version in versions.items()).encode()}


def python(name: str, version: str, *files: str) -> dict[str, bytes]:
    base = f"usr/lib/python3/{name}-{version}.dist-info"
    record = "".join(f"{file},sha256=x,1\n" for file in files)
    return {f"{base}/METADATA": f"Name: {name}\nVersion: {version}\n\nVersion: 9\n".encode(), f"{base}/RECORD": record.encode()}


def compare(old: Mapping[str, bytes], new: Mapping[str, bytes]) -> FilesDifference:
    before, after = opened(old), opened(new)
    return compare_trees(before[0], after[0], before[1], after[1], lambda _one, _other: False)


def names(packages: list[Package]) -> list[tuple[str, str, str]]:
    return [(package.system, package.name, package.version) for package in packages]


def test_packages_of_debian_with_and_without_dpkg() -> None:
    removed = b"Package: gone\nStatus: deinstall ok config-files\nVersion: 1\n\n"
    tree, read = opened({"var/lib/dpkg/status": debian(bash="5.2-1", zlib1g="1:1.3")["var/lib/dpkg/status"] + removed})
    assert names(find_packages(tree, read)) == [("Debian", "bash", "5.2-1"), ("Debian", "zlib1g", "1:1.3")]
    tree, read = opened(
        {"var/lib/dpkg/status.d/base": b"Package: base-files\nVersion: 12\n", "var/lib/dpkg/status.d/base.md5sums": b"x"}
    )
    assert names(find_packages(tree, read)) == [("Debian", "base-files", "12")]


def test_packages_of_alpine() -> None:
    text = b"C:Q1x=\nP:musl\nV:1.2.5-r0\nF:lib\nR:ld-musl.so\n\nP:busybox\nV:1.36-r1\n\n"
    tree, read = opened({"lib/apk/db/installed": text})
    assert names(find_packages(tree, read)) == [("Alpine", "busybox", "1.36-r1"), ("Alpine", "musl", "1.2.5-r0")]


def test_packages_of_python() -> None:
    tree, read = opened(python("Django_Rest", "4.2.1") | {"x.egg-info/PKG-INFO": b"Name: x\nVersion: 1\n"})
    assert names(find_packages(tree, read)) == [("Python", "django-rest", "4.2.1"), ("Python", "x", "1")]


def test_files_are_listed_under_the_package_that_changed() -> None:
    old = {**python("django", "4.2.1", "django/a.py", "../../bin/admin"), "usr/lib/python3/django/a.py": b"1", "app.py": b"old"}
    new = {**python("django", "4.2.2", "django/a.py"), "usr/lib/python3/django/a.py": b"22", "app.py": b"new"}
    found = compare(old, new)
    assert [(change.name, change.old_version, change.new_version) for change in found.packages] == [("django", "4.2.1", "4.2.2")]
    changed = {file.path: file for file in found.files}
    assert changed["usr/lib/python3/django/a.py"].package == 0
    assert changed["usr/lib/python3/django/a.py"].growth == 1
    assert changed["app.py"].package is None
    assert changed["app.py"].what == ("content",)


def test_files_of_debian_and_alpine_packages_are_theirs() -> None:
    lists = {"var/lib/dpkg/info/bash.list": b"/.\n/bin\n/bin/bash\n"}
    found = compare(debian(bash="1") | lists | {"bin/bash": b"1"}, debian(bash="2") | lists | {"bin/bash": b"2"})
    assert {file.path: file.package for file in found.files}["bin/bash"] == 0
    apk = "P:musl\nV:{0}\nF:lib\nR:ld.so\n\nP:zlib\nV:1\nF:lib\nR:z.so\n\n"
    found = compare(
        {"lib/apk/db/installed": apk.format(1).encode(), "lib/ld.so": b"1", "lib/z.so": b"1"},
        {"lib/apk/db/installed": apk.format(2).encode(), "lib/ld.so": b"2", "lib/z.so": b"2"},
    )
    assert {file.path: file.package for file in found.files if file.path != "lib/apk/db/installed"} == {
        "lib/ld.so": 0,
        "lib/z.so": None,
    }


def test_large_files_are_compared_by_their_blocks() -> None:
    found = compare({"a": versioned_text("1", 900_000), "b": b"x"}, {"a": versioned_text("2", 900_000), "b": b"x"})
    assert [(file.path, file.change, file.what) for file in found.files] == [("a", "changed", ("content",))]


def test_added_and_removed_files_have_one_size() -> None:
    found = compare({"old/a": b"12"}, {"new/b": b"123"})
    assert [(file.path, file.change, file.old_size, file.new_size) for file in found.files] == [
        ("new/b", "added", None, 3),
        ("old/a", "removed", 2, None),
    ]


def test_metadata_that_is_not_text_hides_nothing() -> None:
    found = compare({"var/lib/dpkg/status": b"\xff\xfe:\n:::\n"}, {"var/lib/dpkg/status": b"\x00" * 100, "x": b"1"})
    assert [file.path for file in found.files] == ["var/lib/dpkg/status", "x"]
    assert found.packages == ()


def test_a_comparison_ends_when_nobody_waits_for_it() -> None:
    tree, _ = opened({"a": b"b"})
    with pytest.raises(LockedError):
        compare_trees(tree, tree, lambda _: "", lambda _: "", lambda _one, _other: False, lambda: True)
