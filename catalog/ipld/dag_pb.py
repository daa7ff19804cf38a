"""dag-pb: the codec of UnixFS nodes.

A node is a list of links and optional data. Written: all links first, sorted by name as bytes (stable, so that equal names, as in
files, keep their order), then the data, against the field numbers. Read strictly: only the fields of the schema, none twice, a
link's fields in their order, minimal varints, CIDs of the kinds that dcat reads; data before or after the links, never between
them. An absent name or data is ``None`` and is not the same bytes as an empty one: file links carry the empty name, as Kubo
writes them.
Source: ipld/specs, codecs/dag-pb/spec.md.
"""

from collections.abc import Sequence
from typing import NamedTuple

from catalog.errors import CidError, CodecError
from catalog.ipld.cid import Cid, decode_cid
from catalog.ipld.varint import decode_varint, encode_varint

_LINKS = 0x12  # field 2, length-delimited
_DATA = 0x0A  # field 1, length-delimited
_HASH = 0x0A
_NAME = 0x12
_TSIZE = 0x18
_VARINT_BYTES = 10


class PBLink(NamedTuple):
    """A link: the CID of the child, its name, and Tsize, the size of the whole DAG under it."""

    cid: Cid
    name: bytes | None = None
    tsize: int | None = None


class PBNode(NamedTuple):
    """A dag-pb block, decoded. Links stand in the order in which they were found."""

    links: tuple[PBLink, ...] = ()
    data: bytes | None = None


def encode_link(link: PBLink) -> bytes:
    """Return the link as it stands in a node, its field tag and length included."""
    cid, name, tsize = link
    body = b"\x0a" + bytes((len(cid.binary),)) + cid.binary
    if name is not None:
        body += b"\x12" + encode_varint(len(name)) + name
    if tsize is not None:
        if tsize >= 1 << 64:
            raise CodecError("Tsize is above 64 bits")
        body += b"\x18" + encode_varint(tsize)
    return b"\x12" + encode_varint(len(body)) + body


def encode_node(links: Sequence[PBLink], data: bytes | None) -> bytes:
    """Return the canonical bytes of a node; links are sorted by name."""
    parts = [encode_link(link) for link in sorted(links, key=_name_of)]
    if data is not None:
        parts.append(b"\x0a" + encode_varint(len(data)) + data)
    return b"".join(parts)


def decode_node(block: bytes) -> PBNode:
    """Read a node; raise `CodecError` for anything that is not one, whatever the bytes."""
    links: list[PBLink] = []
    data: bytes | None = None
    sealed = False  # links, then data, then links again is refused
    offset, end = 0, len(block)
    while offset < end:
        tag = block[offset]
        if tag == _LINKS:
            if sealed:
                raise CodecError("dag-pb: links stand on both sides of the data")
            length, start = _decode_length(block, offset + 1, end)
            offset = start + length
            links.append(_decode_link(block, start, offset))
        elif tag == _DATA:
            if data is not None:
                raise CodecError("dag-pb: two Data fields")
            length, start = _decode_length(block, offset + 1, end)
            offset = start + length
            data = block[start:offset]
            sealed = bool(links)
        else:
            raise CodecError(f"dag-pb: a node has no field with tag 0x{tag:02x}")
    return PBNode(tuple(links), data)


def _decode_link(block: bytes, offset: int, end: int) -> PBLink:
    if offset >= end or block[offset] != _HASH:
        raise CodecError("dag-pb: a link without a Hash")
    length, start = _decode_length(block, offset + 1, end)
    offset = start + length
    try:
        cid = decode_cid(block[start:offset])
    except CidError as error:
        raise CodecError(f"dag-pb: a link's Hash is {error.message}") from error
    name: bytes | None = None
    tsize: int | None = None
    if offset < end and block[offset] == _NAME:
        length, start = _decode_length(block, offset + 1, end)
        offset = start + length
        name = block[start:offset]
    if offset < end and block[offset] == _TSIZE:
        tsize, offset = decode_varint(block, offset + 1, max_bytes=_VARINT_BYTES)
    if offset != end:
        raise CodecError("dag-pb: a link with an unknown, repeated or misplaced field")
    return PBLink(cid, name, tsize)


def _decode_length(block: bytes, offset: int, end: int) -> tuple[int, int]:
    """Read a length that must fit before ``end``; return it and the offset after it."""
    if offset < end and block[offset] < 0x80:  # nearly always
        length, start = block[offset], offset + 1
    else:
        length, start = decode_varint(block, offset, max_bytes=_VARINT_BYTES)
    if length > end - start:
        raise CodecError("dag-pb: a field is longer than what holds it")
    return length, start


def _name_of(link: PBLink) -> bytes:
    return link.name or b""
