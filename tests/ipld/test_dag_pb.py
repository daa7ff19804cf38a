"""dag-pb: the IPLD project's fixtures, strictness, and what other implementations make of the same bytes."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.errors import CodecError
from catalog.ipld.cid import DAG_CBOR, DAG_PB, RAW, cid_of, parse_cid
from catalog.ipld.dag_pb import PBLink, PBNode, decode_node, encode_link, encode_node
from catalog.ipld.varint import encode_varint
from tests.needs import vectors

LEAF = cid_of(b"leaf")

cids = st.builds(cid_of, st.binary(max_size=8), st.sampled_from([RAW, DAG_PB, DAG_CBOR]))
links = st.builds(PBLink, cids, st.none() | st.binary(max_size=200), st.none() | st.integers(0, 2**64 - 1))


def test_fixtures_come_out_as_they_went_in() -> None:
    blocks = sorted(vectors("codec-fixtures").glob("*/*.dag-pb"))
    assert len(blocks) > 15
    foreign = set()
    for path in blocks:
        block = path.read_bytes()
        assert cid_of(block, DAG_PB) == parse_cid(path.stem)
        try:
            node = decode_node(block)
        except CodecError as error:
            foreign.add((path.parent.name, error.message))
        else:
            assert encode_node(*node) == block, path
    # Identity CIDs are refused wherever they stand; nothing else is.
    assert all("identity" in message for _, message in foreign), foreign
    assert len(foreign) < len(blocks) / 2


def test_negative_fixtures_are_refused() -> None:
    cases = json.loads((vectors("codec-fixtures") / "negative-fixtures/dag-pb/decode/edges.json").read_text())
    assert cases
    for case in cases:
        with pytest.raises(CodecError):
            decode_node(bytes.fromhex(case["hex"]))


@given(st.lists(links, max_size=20), st.none() | st.binary(max_size=300))
def test_a_node_comes_out_with_its_links_sorted_by_name(found: list[PBLink], data: bytes | None) -> None:
    node = decode_node(encode_node(found, data))
    assert node == PBNode(tuple(sorted(found, key=lambda link: link.name or b"")), data)


@given(st.lists(links, max_size=5), st.binary(max_size=30))
def test_data_may_stand_before_the_links(found: list[PBLink], data: bytes) -> None:
    """Older encoders wrote the fields in the order of their numbers."""
    body = b"".join(map(encode_link, found))
    block = b"\x0a" + encode_varint(len(data)) + data + body
    assert decode_node(block) == PBNode(tuple(found), data)


def test_absent_and_empty_are_not_the_same() -> None:
    assert decode_node(b"") == PBNode((), None)
    assert decode_node(b"\x0a\x00") == PBNode((), b"")
    assert encode_link(PBLink(LEAF, b"")) != encode_link(PBLink(LEAF, None))


LINK = b"\x0a\x24" + LEAF.binary


@pytest.mark.parametrize(
    ("what", "link"),
    [
        ("Hash twice", LINK + LINK),
        ("Name before Hash", b"\x12\x01a" + LINK),
        ("Tsize before Name", LINK + b"\x18\x01\x12\x01a"),
        ("Tsize twice", LINK + b"\x18\x01\x18\x01"),
        ("unknown field", LINK + b"\x20\x01"),
        ("wrong wire type", LINK + b"\x1a\x01a"),
        ("Tsize not minimal", LINK + b"\x18\x81\x00"),
        ("Tsize above 64 bits", LINK + b"\x18" + b"\xff" * 9 + b"\x7f"),
        ("a CID of another hash", b"\x0a\x24\x01\x55\x13\x20" + LEAF.digest),
        ("bytes behind the CID", b"\x0a\x25" + LEAF.binary + b"\0"),
        ("a name longer than the link", LINK + b"\x12\x05a"),
    ],
)
def test_malformed_links_are_refused(what: str, link: bytes) -> None:
    with pytest.raises(CodecError):
        decode_node(b"\x12" + encode_varint(len(link)) + link)


@pytest.mark.parametrize(
    "block", [b"\x0a\x00\x0a\x00", b"\x1a\x00", b"\x08\x01", b"\x0a\x05abc", b"\x12", b"\x0a\x80\x00", b"\x12\x81\x00\x00"]
)
def test_malformed_nodes_are_refused(block: bytes) -> None:
    with pytest.raises(CodecError):
        decode_node(block)


def test_worked_bytes() -> None:
    """A directory with one raw entry of 31 bytes, as Kubo writes it."""
    raw = parse_cid("bafkreihhpc5y2pqvl5rbe5uuyhqjouybfs3rvlmisccgzue2kkt5zq6upq")
    block = encode_node([PBLink(raw, b"ascii.txt", 31)], b"\x08\x01")
    assert str(cid_of(block, DAG_PB)) == "bafybeifaqksygmsbnqe76kwvxoqxtkzcwssq5jkhuo65ldtqiunr3bxlra"
