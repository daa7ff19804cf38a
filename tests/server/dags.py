"""DAGs for tests of the gateway: files, directories, sharded ones, and the blocks that hold them."""

import io

from catalog.ipld.block import Block
from catalog.ipld.cid import Cid
from catalog.unixfs.directory import build_directory
from catalog.unixfs.file import FileLink, raw_leaf
from catalog.unixfs.file_writer import FileTree
from catalog.unixfs.hamt import Entry
from tests.server.serving import Blocks


def add_file(blocks: Blocks, content: bytes, *, leaf: int, links: int = 3) -> FileLink:
    """Store a file of leaves of ``leaf`` bytes."""
    tree = FileTree(lambda block: keep(blocks, block), max_links=links)
    stream = io.BytesIO(content)
    while piece := stream.read(leaf):
        block, link = raw_leaf(piece)
        keep(blocks, block)
        tree.add(link)
    return tree.finish()


def add_directory(blocks: Blocks, entries: dict[str, FileLink]) -> Cid:
    listed = [Entry(name, link.cid, link.dag_size) for name, link in entries.items()]
    return build_directory(listed, lambda block: keep(blocks, block)).cid


def keep(blocks: Blocks, block: Block) -> None:
    blocks.kept[block.cid.binary] = block.data
