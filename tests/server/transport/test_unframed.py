"""Responses without a length to HTTP 1.0: no chunks, and no end that could be mistaken."""

import socket

import pytest

from catalog.ipld.cid import DAG_PB, Cid, cid_of
from catalog.ipld.dag_pb import PBLink, encode_node
from tests.server.serving import Answer, Blocks, Served, serving


def ask(served: Served, path: str, method: str = "GET") -> tuple[bytes, bytes]:
    received = served.converse(f"{method} {path} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
    head, _, body = received.partition(b"\r\n\r\n")
    return head.lower(), body


def add_pair(blocks: Blocks) -> tuple[Cid, Cid]:
    """Store a node over two leaves; return it and the second leaf."""
    first, second = blocks.add(b"a" * 300_000), blocks.add(b"b" * 300_000)
    data = encode_node([PBLink(first, b"", 300_000), PBLink(second, b"", 300_000)], None)
    root = cid_of(data, DAG_PB)
    blocks.kept[root.binary] = data
    return root, second


def test_a_car_has_no_chunks() -> None:
    blocks = Blocks()
    root, _ = add_pair(blocks)
    with serving(blocks) as served:
        head, body = ask(served, f"/ipfs/{root}?format=car")
        assert b"transfer-encoding" not in head
        assert b"content-length" not in head
        assert b"connection: close" in head
        assert len(Answer(200, {}, body).blocks()) == 3
        head, body = ask(served, f"/ipfs/{root}?format=raw")
        assert (b"content-length: " in head, body) == (True, blocks.get(root))
        assert ask(served, f"/ipfs/{root}?format=car", "HEAD")[1] == b""


def test_what_cannot_be_completed_is_reset() -> None:
    blocks = Blocks()
    root, second = add_pair(blocks)
    blocks.spoil(second)
    with serving(blocks) as served, socket.create_connection(("127.0.0.1", served.port), timeout=60) as connection:
        connection.sendall(f"GET /ipfs/{root}?format=car HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
        stream = connection.makefile("rb")
        with pytest.raises(ConnectionResetError):
            stream.read()
