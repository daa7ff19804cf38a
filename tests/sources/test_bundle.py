"""Bundles: what is written is read again, and what is damaged is refused."""

import io
import random
from pathlib import Path

import pytest

from catalog.blockstores.memory import MemoryBlockstore
from catalog.errors import BlockMismatchError, BlockNotFoundError, CodecError, UnavailableError, VerificationError
from catalog.ipld import dag_cbor
from catalog.ipld.block import Block
from catalog.ipld.car import CarReader, write_car
from catalog.ipld.cid import DAG_CBOR, Cid, cid_of
from catalog.ipns.key import create_key
from catalog.sources.bundle import BundleSource, write_bundle
from catalog.sources.store import FetchingBlockstore
from tests.fakes.dags import make_dag, make_leaves

ROOT, BLOCKS = make_dag(make_leaves(60), width=20)
NAME = str(create_key().name)
RECORD = b"a record's bytes"
LARGE = make_leaves(1, size=30_000)[0]


def bundle_of(folder: Path, **options: object) -> Path:
    path = folder / "share.car"
    with path.open("wb") as out:
        size = write_bundle(out, [ROOT.cid], BLOCKS, records={NAME: RECORD}, **options)  # type: ignore[arg-type]
    assert size == path.stat().st_size
    return path


def car_of(folder: Path, roots: list[Cid], blocks: list[Block]) -> Path:
    path = folder / "share.car"
    with path.open("wb") as out:
        write_car(out, roots, blocks)
    return path


def test_a_bundle_is_a_source(tmp_path: Path) -> None:
    since = cid_of(b"an older root")
    with BundleSource(bundle_of(tmp_path, since=[since, since])) as bundle:
        assert bundle.manifest.roots == (ROOT.cid,)
        assert bundle.manifest.since == (since,)
        assert bundle.records == {NAME: RECORD}
        assert len(bundle) == len(BLOCKS) + 2
        local = MemoryBlockstore()
        fetched = FetchingBlockstore(local, [bundle]).fetch_dag([ROOT.cid])
        assert fetched.blocks == len(BLOCKS)
        assert list(bundle.get_many(reversed([block.cid for block in BLOCKS]))) == BLOCKS  # as they stand in the file
        with pytest.raises(BlockNotFoundError):
            bundle.get(cid_of(b"absent"))
    with pytest.raises(UnavailableError):
        bundle.get(ROOT.cid)


def test_any_reader_of_cars_reads_it(tmp_path: Path) -> None:
    reader = CarReader(io.BytesIO(bundle_of(tmp_path).read_bytes()))
    blocks = list(reader)
    assert reader.roots == (blocks[0].cid,)
    assert blocks[1].data == RECORD
    assert blocks[2:] == BLOCKS


def test_equal_content_gives_equal_bytes(tmp_path: Path) -> None:
    assert bundle_of(tmp_path).read_bytes() == bundle_of(tmp_path).read_bytes()


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="cannot be read"):
        BundleSource(tmp_path / "absent.car")
    with pytest.raises((UnavailableError, CodecError)):
        BundleSource(tmp_path)


@pytest.mark.parametrize("content", [b"", b"\x00", b"no bundle at all", b"\xff" * 100, bytes(1000)])
def test_no_car(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "share.car"
    path.write_bytes(content)
    with pytest.raises(CodecError, match="is not a bundle"):
        BundleSource(path)


def manifest_of(**changes: object) -> Block:
    fields: dict[str, object] = {"format": "dcat-bundle/1", "records": {}, "roots": [ROOT.cid], "since": []} | changes
    data = dag_cbor.encode({key: value for key, value in fields.items() if value is not ...})
    return Block(cid_of(data, DAG_CBOR), data)


@pytest.mark.parametrize(
    "changes",
    [
        {"format": "dcat-bundle/2"},
        {"format": ...},
        {"since": ...},
        {"more": 1},
        {"roots": "none"},
        {"roots": [ROOT.cid, ROOT.cid]},
        {"roots": [1]},
        {"since": {}},
        {"records": []},
        {"records": {"bob": cid_of(RECORD)}},
        {"records": {NAME: "text"}},
        {"records": {NAME.upper(): cid_of(RECORD)}},
        {"records": {"/ipns/" + NAME: cid_of(RECORD)}},
        {"records": {NAME: cid_of(b"a record that is not there")}},
        {"records": {NAME: LARGE.cid}},
    ],
)
def test_manifests_that_are_none(tmp_path: Path, changes: dict[str, object]) -> None:
    manifest = manifest_of(**changes)
    with pytest.raises(CodecError, match="is not a bundle"):
        BundleSource(car_of(tmp_path, [manifest.cid], [manifest, ROOT, LARGE, Block(cid_of(RECORD), RECORD)]))


def test_other_cars(tmp_path: Path) -> None:
    manifest = manifest_of()
    for roots, blocks in (
        ([ROOT.cid], BLOCKS),
        ([manifest.cid], [*BLOCKS, manifest]),
        ([manifest.cid, ROOT.cid], [manifest]),
        ([], [manifest]),
        ([manifest.cid], []),
        ([manifest.cid], [Block(manifest.cid, b"other bytes")]),
    ):
        with pytest.raises(VerificationError):
            BundleSource(car_of(tmp_path, roots, blocks))


def test_each_cut_is_noticed_or_leaves_whole_blocks(tmp_path: Path) -> None:
    whole = bundle_of(tmp_path).read_bytes()
    path = tmp_path / "cut.car"
    for end in range(0, len(whole), 97):
        path.write_bytes(whole[:end])
        try:
            with BundleSource(path) as bundle:
                assert list(bundle.get_many(block.cid for block in BLOCKS)) == BLOCKS[: len(bundle) - 2]
        except CodecError:
            continue


@pytest.mark.parametrize("seed", range(4))
def test_each_flipped_bit_is_noticed(tmp_path: Path, seed: int) -> None:
    """Nothing but the right bytes or a declared error comes out."""
    whole = bundle_of(tmp_path).read_bytes()
    path = tmp_path / "flipped.car"
    chance = random.Random(seed)
    by_cid = dict(BLOCKS)
    for _ in range(100):
        changed = bytearray(whole)
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
        path.write_bytes(changed)
        try:
            with BundleSource(path) as bundle:
                for block in BLOCKS:
                    try:
                        assert bundle.get(block.cid) == by_cid[block.cid]
                    except (BlockNotFoundError, BlockMismatchError):
                        continue
        except (CodecError, BlockMismatchError):
            continue


def test_a_block_that_rotted_comes_from_elsewhere(tmp_path: Path) -> None:
    path = bundle_of(tmp_path)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    good = tmp_path / "good.car"
    with good.open("wb") as out:
        write_bundle(out, [ROOT.cid], BLOCKS, records={})
    local = MemoryBlockstore()
    with BundleSource(path) as bundle, BundleSource(good) as other:
        fetched = FetchingBlockstore(local, [bundle, other]).fetch_dag([ROOT.cid])
    assert fetched.blocks == len(BLOCKS)
