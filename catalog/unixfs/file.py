"""The nodes of UnixFS files: one block, encoded from its links or decoded, and all its claims compared with each other.

Written: leaves are raw blocks; a node links at most 1024 children, with empty names and exact Tsize, and holds no bytes of its own
(profile unixfs-v1-2025 of IPIP-499, which Kubo follows).

Read: the nodes of any UnixFS file, also those of older tools (CIDv0, leaves that are dag-pb nodes). A node with both links and
bytes of its own is refused: existing readers disagree on its content.
Sources: ipfs/specs, src/unixfs.md ("File"); ipip-0499.
"""

from collections.abc import Sequence
from typing import NamedTuple

from catalog.errors import CodecError
from catalog.ipld.block import Block
from catalog.ipld.cid import DAG_PB, RAW, Cid, cid_of
from catalog.ipld.dag_pb import PBLink, decode_node, encode_node
from catalog.limits import MAX_FANOUT
from catalog.unixfs.node import UnixFSData, UnixFSType, decode_data, encode_data


class FileLink(NamedTuple):
    """A file's DAG: its root, the file's size, and the size of the DAG (Tsize: all its blocks, each as often as it is linked)."""

    cid: Cid
    file_size: int
    dag_size: int


class FileNode(NamedTuple):
    """One block of a file, decoded: either ``data`` or ``links``, and the file's size. A link's ``dag_size`` is as claimed."""

    links: tuple[FileLink, ...]
    data: bytes
    file_size: int


def raw_leaf(data: bytes) -> tuple[Block, FileLink]:
    """Return a leaf."""
    cid = cid_of(data, RAW)
    return Block(cid, data), FileLink(cid, len(data), len(data))


def file_node(children: Sequence[FileLink]) -> tuple[Block, FileLink]:
    """Return a node over ``children``, in their order."""
    if not 1 <= len(children) <= MAX_FANOUT:
        raise ValueError(f"a file's node has 1 to {MAX_FANOUT} children")
    sizes = tuple(child.file_size for child in children)
    message = UnixFSData(UnixFSType.FILE, filesize=sum(sizes), blocksizes=sizes)
    data = encode_node([PBLink(child.cid, b"", child.dag_size) for child in children], encode_data(message))
    cid = cid_of(data, DAG_PB)
    return Block(cid, data), FileLink(cid, sum(sizes), len(data) + sum(child.dag_size for child in children))


def decode_file_node(cid: Cid, block: bytes) -> FileNode:
    """Read one block of a file; raise `CodecError` for a block that is not one, or contradicts itself."""
    if cid.codec == RAW:
        return FileNode((), block, len(block))
    if cid.codec != DAG_PB:
        raise CodecError(f"{cid} is not a UnixFS file")
    links, data = decode_node(block)
    if data is None:
        raise CodecError(f"{cid} is not a UnixFS node")
    message = decode_data(data)
    if message.type not in (UnixFSType.FILE, UnixFSType.RAW):
        raise CodecError(f"{cid} is not a file", why=f"it is a UnixFS {message.type.name.lower().replace('_', ' ')}")
    content = message.data or b""
    if len(links) != len(message.blocksizes):
        raise CodecError(f"file node {cid} has {len(links)} links and {len(message.blocksizes)} block sizes")
    if len(links) > MAX_FANOUT:
        raise CodecError(f"file node {cid} has {len(links)} links", why=f"at most {MAX_FANOUT} are read")
    if links and content:
        raise CodecError(f"file node {cid} has both links and bytes of its own")
    size = len(content) + sum(message.blocksizes)
    if message.filesize is not None and message.filesize != size:
        raise CodecError(f"file node {cid} claims {message.filesize} bytes and holds {size}")
    return FileNode(tuple(_check_link(cid, *pair) for pair in zip(links, message.blocksizes, strict=True)), content, size)


def _check_link(parent: Cid, link: PBLink, size: int) -> FileLink:
    if link.name:
        raise CodecError(f"file node {parent} has a link with a name")
    if link.cid.codec == RAW and link.tsize is not None and link.tsize != size:
        raise CodecError(f"file node {parent} says {size} and {link.tsize} bytes of one leaf")
    return FileLink(link.cid, size, link.tsize or 0)
