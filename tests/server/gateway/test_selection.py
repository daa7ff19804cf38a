"""Which blocks a CAR holds, beyond what gateway-conformance asks: bounds, odd DAGs, paths through DAG-CBOR."""

import random

import pytest

from catalog.errors import BlockNotFoundError, CodecError
from catalog.ipld import dag_cbor
from catalog.ipld.block import Block
from catalog.ipld.cid import DAG_CBOR, DAG_PB, Cid, cid_of
from catalog.ipld.dag_pb import PBLink, encode_node
from catalog.limits import MAX_DAG_DEPTH
from catalog.server.gateway import selection
from catalog.server.gateway.selection import ByteRange, PathNotFoundError, Scope, Target, follow, select
from catalog.unixfs.file import FileLink, raw_leaf
from tests.server.dags import add_directory, add_file, keep
from tests.server.serving import Blocks


def add_cbor(blocks: Blocks, value: dag_cbor.Value) -> Cid:
    data = dag_cbor.encode(value)
    cid = cid_of(data, DAG_CBOR)
    blocks.kept[cid.binary] = data
    return cid


def chosen(
    blocks: Blocks, target: Target, scope: Scope = "all", byte_range: ByteRange | None = None, duplicates: bool = False
) -> list[Cid]:
    return [block.cid for block in select(target, blocks, scope, byte_range, duplicates)]


def test_paths_lead_through_maps_lists_and_links() -> None:
    blocks = Blocks()
    leaf = blocks.add(b"leaf")
    other = blocks.add(b"other")
    inner = add_cbor(blocks, {"list": [1, leaf, {"deep": other}], "none": None})
    root = add_cbor(blocks, {"inner": inner, "text": "a"})
    assert follow(root, ["inner", "list", "1"], blocks) == Target(leaf, (root, inner))
    assert follow(root, ["inner", "list", "2", "deep"], blocks).cid == other
    within = follow(root, ["inner", "list", "2"], blocks)
    assert (within.cid, within.path) == (inner, (root,))
    assert chosen(blocks, within) == [root, inner, other]
    assert chosen(blocks, Target(root, ())) == [root, inner, leaf, other]
    assert chosen(blocks, Target(root, ()), "entity") == [root]
    for path in ("nothing", "text/b", "inner/list/3", "inner/list/-1", "inner/list/٠", "inner/list/1/x"):
        with pytest.raises(PathNotFoundError):
            follow(root, path.split("/"), blocks)
    with pytest.raises(PathNotFoundError):
        follow(root, ["inner"] * (MAX_DAG_DEPTH + 1), blocks)


def test_ranges_read_no_more_than_they_need() -> None:
    blocks = Blocks()
    content = random.Random(1).randbytes(30_000)
    root = add_file(blocks, content, leaf=1000).cid
    for start, last in ((0, 0), (999, 1000), (12_345, 23_456), (29_999, 50_000), (-1, None), (-5000, -4000)):
        cids = chosen(blocks, Target(root, ()), "entity", ByteRange(start, last))
        held = Blocks(Block(cid, blocks.get(cid)) for cid in cids)
        assert chosen(held, Target(root, ()), "entity", ByteRange(start, last)) == cids
        begin, stop = ByteRange(start, last).clamp(len(content))
        leaves = {cid_of(content[at : at + 1000]) for at in range(begin // 1000 * 1000, stop, 1000)}
        assert {cid for cid in cids if cid.codec != DAG_PB} == leaves
    for outside in (ByteRange(30_000, None), ByteRange(5, 4), ByteRange(-1, -5), ByteRange(10**18, 10**18)):
        assert chosen(blocks, Target(root, ()), "entity", outside) == [root]


def test_a_sharded_directory_is_all_of_its_shards() -> None:
    blocks = Blocks()
    file = add_file(blocks, b"content", leaf=100)
    root = add_directory(blocks, {f"name-{number:05}{'x' * 50}": file for number in range(5000)})
    shards = chosen(blocks, Target(root, ()), "entity")
    assert len(shards) > 100
    assert file.cid not in shards
    assert set(chosen(blocks, Target(root, ()))) == {*shards, file.cid}
    target = follow(root, ["name-00001" + "x" * 50], blocks)
    assert target.cid == file.cid
    assert target.path[0] == root
    assert chosen(blocks, target) == [*target.path, file.cid]


def test_duplicates_are_told_apart_only_where_asked() -> None:
    blocks = Blocks()
    block, leaf = raw_leaf(b"same")
    keep(blocks, block)
    root = add_directory(blocks, {"a": leaf, "b": leaf})
    assert chosen(blocks, Target(root, ())) == [root, leaf.cid]
    assert chosen(blocks, Target(root, ()), duplicates=True) == [root, leaf.cid, leaf.cid]


def doubled(blocks: Blocks, levels: int) -> Cid:
    """Return a DAG of few blocks that unfolds to 2^levels leaves."""
    cid = blocks.add(b"bomb")
    for _ in range(levels):
        data = encode_node([PBLink(cid, b"", 1), PBLink(cid, b"", 1)], None)
        cid = cid_of(data, DAG_PB)
        blocks.kept[cid.binary] = data
    return cid


def test_a_bomb_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = Blocks()
    root = doubled(blocks, 40)
    assert len(chosen(blocks, Target(root, ()))) == 41
    monkeypatch.setattr(selection, "MAX_CAR_BLOCKS", 1000)
    with pytest.raises(CodecError, match="at most 1000 blocks"):
        chosen(blocks, Target(root, ()), duplicates=True)
    deep = doubled(blocks, MAX_DAG_DEPTH + 1)
    with pytest.raises(CodecError, match="deeper"):
        chosen(blocks, Target(deep, ()))


def test_a_node_that_is_no_unixfs_is_an_entity_of_one_block() -> None:
    blocks = Blocks()
    for data in (b"", encode_node([PBLink(blocks.add(b"x"))], b"no UnixFS"), encode_node([], None)):
        cid = cid_of(data, DAG_PB)
        blocks.kept[cid.binary] = data
        assert chosen(blocks, Target(cid, ()), "entity") == [cid]
        with pytest.raises(PathNotFoundError):
            follow(cid, ["a"], blocks)


def test_what_is_absent_is_told() -> None:
    blocks = Blocks()
    lost = FileLink(cid_of(b"lost"), 4, 4)
    root = add_directory(blocks, {"lost": lost})
    assert chosen(blocks, Target(root, ()), "block") == [root]
    with pytest.raises(BlockNotFoundError):
        chosen(blocks, Target(root, ()))
    with pytest.raises(BlockNotFoundError):
        chosen(blocks, follow(root, ["lost"], blocks))
