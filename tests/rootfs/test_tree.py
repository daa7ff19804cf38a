"""Layers are applied as engines apply them."""

from collections.abc import Mapping

from catalog.rootfs.entry import Entry, EntryKind
from catalog.rootfs.tree import Tree


def layer(*paths: str, links: Mapping[str, str] | None = None, hard: Mapping[str, str] | None = None) -> list[Entry]:
    """Return entries: ``a/`` is a directory, anything else a file of as many bytes as its path is long."""
    entries = [make(path.rstrip("/"), "directory" if path.endswith("/") else "file") for path in paths]
    entries += [make(path, "symlink", target) for path, target in (links or {}).items()]
    return entries + [make(path, "hardlink", target) for path, target in (hard or {}).items()]


def make(path: str, kind: EntryKind, target: str = "") -> Entry:
    size = len(path) if kind == "file" else 0
    return Entry(path, kind, 0o644, 0, 0, size, 0, target, 512, f"sha256:{path}" if size else "")


def paths(tree: Tree) -> list[str]:
    return sorted(node.path for node in tree.walk())


def test_a_whiteout_removes_what_is_below_and_not_what_its_own_layer_adds() -> None:
    tree = Tree([layer("etc/a", "etc/b", "var/cache/x"), layer("etc/.wh.a", "var/.wh.cache", "var/cache/y")])
    assert paths(tree) == ["etc", "etc/b", "var", "var/cache", "var/cache/y"]


def test_an_opaque_directory_hides_all_that_is_below() -> None:
    tree = Tree([layer("opt/one", "opt/two/three"), layer("opt/new", "opt/.wh..wh..opq")])
    assert paths(tree) == ["opt", "opt/new"]


def test_a_file_replaces_a_directory_and_all_in_it() -> None:
    tree = Tree([layer("data/", "data/x"), layer("data")])
    assert paths(tree) == ["data"]
    assert tree.get("data/x") is None


def test_a_directory_over_a_directory_keeps_what_is_in_it() -> None:
    tree = Tree([layer("data/", "data/x"), layer("data/")])
    node = tree.get("data")
    assert paths(tree) == ["data", "data/x"]
    assert node is not None
    assert node.layer == 1


def test_a_parent_that_is_a_link_of_the_same_layer_is_followed_inside_the_image() -> None:
    links = {"lib": "usr/lib", "abs": "/usr/lib", "up": "../../usr/lib"}
    tree = Tree([[*layer("usr/lib/", links=links), *layer("lib/a", "abs/b", "up/c")]])
    assert {"usr/lib/a", "usr/lib/b", "usr/lib/c"} <= set(paths(tree))
    assert tree.resolve("lib/a") == tree.get("usr/lib/a")


def test_a_parent_that_is_a_link_of_a_layer_below_becomes_a_directory() -> None:
    """As Docker does it: a layer is unpacked by itself, so the directory that it needs hides the link."""
    tree = Tree([layer("usr/lib/a", links={"lib": "usr/lib"}), layer("lib/b")])
    assert paths(tree) == ["lib", "lib/b", "usr", "usr/lib", "usr/lib/a"]


def test_a_circle_of_links_leads_nowhere() -> None:
    links = layer(links={"a": "b", "b": "a"})
    assert Tree([links]).resolve("a") is None
    assert "a/x" in paths(Tree([links, layer("a/x")]))


def test_a_hard_link_has_the_content_of_its_target() -> None:
    tree = Tree([layer("bin/busybox", hard={"bin/sh": "bin/busybox", "bin/ash": "./bin/sh"})])
    node = tree.get("bin/ash")
    assert node is not None
    assert tree.content_of(node) == tree.get("bin/busybox")
    assert tree.size_of(node) == len("bin/busybox")


def test_hard_links_in_a_circle_have_no_content() -> None:
    tree = Tree([layer(hard={"a": "b", "b": "a"})])
    node = tree.get("a")
    assert node is not None
    assert tree.content_of(node) is None


def test_directories_come_first_and_aufs_files_not_at_all() -> None:
    tree = Tree([layer("b", "c/", "a", ".wh..wh.plnk")])
    assert [node.name for node in tree.children("")] == ["c", "a", "b"]


def test_a_removed_directory_can_come_back_in_a_later_layer() -> None:
    tree = Tree([layer("a/b/c"), layer(".wh.a"), layer("a/d")])
    assert paths(tree) == ["a", "a/d"]


def test_a_directory_without_an_entry_is_implied() -> None:
    tree = Tree([layer("usr/", "usr/lib/a"), layer("opt/b"), layer("opt/")])
    implied = {path: node.implied for path in ("", "usr", "usr/lib", "usr/lib/a", "opt") if (node := tree.get(path)) is not None}
    assert implied == {"": True, "usr": False, "usr/lib": True, "usr/lib/a": False, "opt": False}
