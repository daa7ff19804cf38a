"""Outlines: what is written is read, and nothing else is."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.errors import CodecError, VerificationError
from catalog.ipld import dag_cbor
from catalog.ipld.block import Block
from catalog.ipld.car import encode_car
from catalog.ipld.cid import DAG_CBOR, DAG_PB, RAW, Cid, cid_of
from catalog.static.outline import Blob, Outline, PackEntry, decode_outline, encode_outline

ROOT = cid_of(b"root", DAG_PB)
LEAF = Block(cid_of(b"leaf"), b"leaf")
FULL = Outline(
    ROOT,
    (LEAF,),
    (Blob(LEAF.cid, bytes(32), 7),),
    "acme/web",
    9,
    (cid_of(b"before", DAG_PB),),
    (PackEntry(b"\1" * 32, 10, 11),),
)


@pytest.mark.parametrize("outline", [Outline(ROOT), FULL, Outline(LEAF.cid, size=4)])
def test_what_is_written_is_read(outline: Outline) -> None:
    assert decode_outline(outline.root, encode_outline(outline)) == outline


def test_an_outline_is_that_of_its_own_root() -> None:
    with pytest.raises(CodecError):
        decode_outline(LEAF.cid, encode_outline(FULL))


def manifest(**fields: object) -> bytes:
    """Return an outline whose manifest has other fields."""
    full: dict[str, object] = {
        "before": [],
        "blobs": [[LEAF.cid, bytes(32), 7]],
        "format": "dcat-static/1",
        "packs": [],
        "repository": "web",
        "root": ROOT,
        "size": 0,
    }
    data = dag_cbor.encode({key: value for key, value in (full | fields).items() if value is not ...})
    first = Block(cid_of(data, DAG_CBOR), data)
    return b"".join(encode_car([first.cid], [first]))


def test_the_manifest_of_these_tests_is_one() -> None:
    decode_outline(ROOT, manifest())


@pytest.mark.parametrize(
    "fields",
    [
        {"format": "dcat-static/2"},
        {"further": 1},
        {"size": ...},
        {"size": -1},
        {"size": True},
        {"size": 2**62},
        {"repository": "../../etc"},
        {"repository": "https://evil.example/x"},
        {"repository": "UPPER"},
        {"repository": 1},
        {"blobs": [[LEAF.cid, bytes(31), 7]]},
        {"blobs": [[LEAF.cid, bytes(32), -7]]},
        {"blobs": [[LEAF.cid, bytes(32), 2**40]]},
        {"blobs": [["text", bytes(32), 7]]},
        {"blobs": [[LEAF.cid, bytes(32)]]},
        {"blobs": {}},
        {"blobs": [[LEAF.cid, bytes(32), 7]] * 512},
        {"before": ["text"]},
        {"before": [ROOT] * 65},
        {"before": None},
        {"packs": [[bytes(32), 1]]},
        {"packs": [[bytes(32), 1, 2**40]]},
        {"packs": [[bytes(32), 1, 1]] * 65},
    ],
    ids=str,
)
def test_a_manifest_that_is_another_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(CodecError):
        decode_outline(ROOT, manifest(**fields))


def test_a_car_without_a_manifest_is_refused() -> None:
    for blocks, roots in (([], [ROOT]), ([LEAF], [LEAF.cid]), ([LEAF], [ROOT])):
        with pytest.raises(CodecError):
            decode_outline(ROOT, b"".join(encode_car(roots, blocks)))


@given(st.data())
def test_damage_is_noticed_or_changes_nothing_that_is_trusted(data: st.DataObject) -> None:
    encoded = bytearray(encode_outline(FULL))
    place = data.draw(st.integers(0, len(encoded) - 1))
    encoded[place] ^= data.draw(st.integers(1, 255))
    try:
        decoded = decode_outline(ROOT, bytes(encoded))
    except VerificationError:
        return
    assert replace(decoded, blocks=()) == replace(FULL, blocks=())


@given(st.binary(max_size=200))
def test_noise_is_refused(noise: bytes) -> None:
    with pytest.raises(VerificationError):
        decode_outline(Cid(ROOT.binary), noise)


def test_an_outline_is_a_car_that_others_read() -> None:
    assert encode_outline(Outline(cid_of(b"", RAW))).startswith(b"\x3a\xa2\x65roots")
