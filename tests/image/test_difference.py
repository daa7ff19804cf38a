"""What two images differ in."""

import json

import pytest

from catalog.blockstores.memory import MemoryBlockstore
from catalog.errors import ArchiveError, BlockNotFoundError
from catalog.image.canonical import lay_out_archive
from catalog.image.config import parse_config
from catalog.image.difference import BlockChange, ConfigChange, compare_blocks, compare_configs, compare_layers
from catalog.image.reader import ArchivedLayer, ArchiveView
from catalog.ipld.cid import cid_of
from catalog.model.digest import ConfigDigest, DiffID, ManifestDigest
from catalog.unixfs.file import FileLink, file_node, raw_leaf


def make_config(runtime: dict[str, object], **more: object) -> bytes:
    rootfs = {"type": "layers", "diff_ids": []}
    return json.dumps({"os": "linux", "architecture": "amd64", "rootfs": rootfs, "config": runtime, **more}).encode()


def make_view(names: str) -> ArchiveView:
    layers = tuple(ArchivedLayer(DiffID.of(name.encode()), 1, cid_of(name.encode()), 1) for name in names)
    config = make_config({})
    frame = lay_out_archive(config, (), {})
    manifest = ManifestDigest.of(b"")
    return ArchiveView(cid_of(b""), config, ConfigDigest.of(config), b"", manifest, parse_config(config), layers, 0, 0, frame, ())


@pytest.mark.parametrize(
    ("before", "after", "changes"),
    [
        ("abc", "abc", "=a =b =c"),
        ("abc", "axc", "=a +x -b =c"),
        ("abc", "ab", "=a =b -c"),
        ("ab", "abc", "=a =b +c"),
        ("abc", "xyz", "+x +y +z -a -b -c"),
        ("abc", "cab", "=c =a =b"),
        ("", "a", "+a"),
        ("a", "", "-a"),
    ],
)
def test_layers(before: str, after: str, changes: str) -> None:
    sign = {"same": "=", "added": "+", "removed": "-"}
    names = {DiffID.of(name.encode()): name for name in before + after}
    found = compare_layers(make_view(before), make_view(after))
    assert " ".join(sign[change.kind] + names[change.layer.diff_id] for change in found) == changes


def test_configs() -> None:
    created = "2026-01-01T00:00:00Z"
    old = {"Env": ["PATH=/bin", "A=1", "B=2"], "Cmd": ["run"], "Labels": {"x": "1"}, "User": ""}
    new = {"Env": ["PATH=/bin", "A=2"], "Cmd": ["run", "-v"], "Labels": {"x": "1", "y": "ü"}, "User": "app"}
    before, after = make_config(dict(old), created=created), make_config(dict(new))
    assert compare_configs(before, after) == (
        ConfigChange("Cmd", '["run"]', '["run", "-v"]'),
        ConfigChange("Env A", "1", "2"),
        ConfigChange("Env B", "2", None),
        ConfigChange("Labels y", None, "ü"),
        ConfigChange("User", None, "app"),
        ConfigChange("created", created, None),
    )
    assert compare_configs(before, before) == ()
    with pytest.raises(ArchiveError):
        compare_configs(before, b"[]")


def put_file(store: MemoryBlockstore, children: list[FileLink]) -> FileLink:
    block, link = file_node(children)
    store.put(block.cid, block.data)
    return link


def test_blocks_are_compared_without_reading_leaves() -> None:
    store = MemoryBlockstore()
    one, two, old, new = (raw_leaf(content)[1] for content in (b"one", b"two", b"old", b"newer"))
    shared = put_file(store, [one, two])
    before = put_file(store, [shared, put_file(store, [old])])
    after = put_file(store, [shared, put_file(store, [new, new])])
    assert compare_blocks(before.cid, after.cid, store) == BlockChange(2, 6, 1, 5)
    assert compare_blocks(after.cid, after.cid, store) == BlockChange(3, 11, 0, 0)
    store.delete([shared.cid])
    with pytest.raises(BlockNotFoundError):
        compare_blocks(before.cid, after.cid, store)
