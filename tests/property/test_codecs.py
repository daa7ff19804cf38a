"""Damaged blocks, CIDs, CARs and UnixFS nodes are refused by their parsers' own errors, and strict codecs accept nothing twice."""

import io

import pytest

from catalog.blockstores.memory import MemoryBlockstore
from catalog.errors import BlockMismatchError, CidError, CodecError
from catalog.ipld import dag_cbor, multibase
from catalog.ipld.block import Block
from catalog.ipld.car import CarReader, encode_car
from catalog.ipld.cid import DAG_PB, cid_of, decode_cid, parse_cid
from catalog.ipld.dag_pb import PBLink, decode_node, encode_node
from catalog.ipld.varint import decode_varint, encode_varint
from catalog.unixfs.directory import build_directory, list_directory
from catalog.unixfs.file import decode_file_node, file_node, raw_leaf
from catalog.unixfs.hamt import Entry, build_shards
from catalog.unixfs.node import UnixFSData, UnixFSType, decode_data, encode_data
from tests.property.mutate import CBOR_TOKENS, PROTOBUF_TOKENS, Target, check_memory, check_target

CID = cid_of(b"x")
CIDV0 = parse_cid("QmdfTbBqBPQ7VNxZEYEj14VmRuZBkqFbiwReogJgS1zR1n")
LEAVES = [raw_leaf(bytes([number]) * number)[1] for number in range(1, 5)]
BLOCKS: list[Block] = []
build_directory([Entry(name, CID, 1) for name in ("a", "b.txt", "ü")], BLOCKS.append)
build_shards([Entry(f"{number}", CID, 1) for number in range(5)], BLOCKS.append)
NODES = [
    file_node(LEAVES)[0].data,
    *(block.data for block in BLOCKS[-1:]),
    BLOCKS[0].data,
    encode_node([PBLink(CIDV0, b"old", None), PBLink(CID, None, 1 << 40)], None),
    b"",
]

VALUES: list[object] = [{"a": [1, -2, None, True, 1.5], "bb": b"x", "c": {"d": CID}}, [[[]]], 2**64 - 1, "text"]


def _read_car(data: bytes) -> None:
    for _ in CarReader(io.BytesIO(data)):
        pass


def _list(data: bytes) -> None:
    cid = cid_of(data, DAG_PB)
    for _ in list_directory(cid, MemoryBlockstore([Block(cid, data)])):
        pass


TARGETS = [
    Target(
        "varint",
        lambda data: decode_varint(data, max_bytes=10),
        CodecError,
        [encode_varint(value) for value in (0, 1, 127, 128, 300, 1 << 35, (1 << 64) - 1)],
        [b"\x80", b"\xff" * 9, b"\x00", b"\x01"],
    ),
    Target(
        "cid",
        decode_cid,
        CidError,
        [CID.binary, CIDV0.binary, cid_of(b"", DAG_PB).binary],
        [b"\x01\x55", b"\x12\x20"],
        lambda cid: cid.binary,
    ),
    Target(
        "cid text",
        lambda data: parse_cid(data.decode("latin-1")),
        CidError,
        [str(CID).encode(), str(CIDV0).encode(), multibase.encode_base36(CID.binary).encode()],
        [b"b", b"k", b"z", b"Qm", b"=", b"0", b"l", b"\xff", b"bafkqaaa"],
    ),
    Target("dag-pb", decode_node, CodecError, NODES, PROTOBUF_TOKENS),
    Target(
        "dag-cbor",
        dag_cbor.decode,
        CodecError,
        list(map(dag_cbor.encode, VALUES)),
        CBOR_TOKENS,
        dag_cbor.encode,
    ),
    Target(
        "car",
        _read_car,
        (CodecError, BlockMismatchError),
        [
            b"".join(encode_car([CID], [Block(CID, b"x")])),
            b"".join(encode_car([], [Block(cid_of(data), data) for data in (b"", b"ab", b"cd")])),
        ],
        (*CBOR_TOKENS, b"\x00", b"\x80\x80\x80\x01"),
    ),
    Target(
        "unixfs data",
        decode_data,
        CodecError,
        [
            encode_data(UnixFSData(UnixFSType.FILE, data=b"abc", filesize=3)),
            encode_data(UnixFSData(UnixFSType.FILE, filesize=300, blocksizes=(100, 200))),
            encode_data(UnixFSData(UnixFSType.HAMT_SHARD, data=b"\x01\x02", hash_type=0x22, fanout=256)),
            b"\x08\x01\x38\xa4\x03\x42\x0b\x08" + encode_varint(1_700_000_000) + b"\x15\xc8\x01\x00\x00",
        ],
        PROTOBUF_TOKENS,
    ),
    Target("file node", lambda data: decode_file_node(cid_of(b"", DAG_PB), data), CodecError, NODES[:1], PROTOBUF_TOKENS),
    Target("directory", _list, CodecError, [NODES[1], NODES[2]], (*PROTOBUF_TOKENS, b"..", b"/", b"\0", b"00", b"FF")),
]


@pytest.mark.parametrize("target", TARGETS, ids=str)
def test_damaged_input_is_refused_by_the_parsers_own_error(target: Target) -> None:
    outcome = check_target(target, 25_000)
    assert outcome.refused > 1000


@pytest.mark.long
@pytest.mark.parametrize("target", TARGETS, ids=str)
def test_a_million_damaged_inputs_in_bounded_memory(target: Target) -> None:
    check_memory(__name__, target.name, 1_000_000)
