"""A UnixFS directory as a list of its entries: lines of plain text for people and pipes, or JSON.

The list is written while the directory is read, shard by shard, so that its size needs no memory; entries come in the order of the
directory, for a sharded one by hash. An entry is not looked into: whether it is a file is not told, and its block need not be here.
"""

import json
from collections.abc import Iterator
from typing import Final, Literal

from catalog.ipld.block import BlockSource
from catalog.ipld.cid import Cid
from catalog.model.text import escape
from catalog.unixfs.directory import list_directory
from catalog.unixfs.hamt import Entry

ListingType = Literal["text/plain; charset=utf-8", "application/json"]

TEXT: Final[ListingType] = "text/plain; charset=utf-8"
JSON: Final[ListingType] = "application/json"
SCHEMA: Final = "dcat/directory/v1"


def write_listing(directory: Cid, source: BlockSource, media_type: ListingType) -> Iterator[bytes]:
    """Yield the list of a directory. The first piece is not yielded before the first entry was read.

    A line of text is the CID, the size of the DAG (Tsize) and the escaped name, separated by tabs. Raise `CodecError` for what is
    not a directory, and what the source raises for a shard that is absent.
    """
    entries = list_directory(directory, source)
    yield from _lines(entries) if media_type == TEXT else _document(directory, entries)


def _lines(entries: Iterator[Entry]) -> Iterator[bytes]:
    for entry in entries:
        yield f"{entry.cid}\t{entry.dag_size}\t{escape(entry.name)}\n".encode()


def _document(directory: Cid, entries: Iterator[Entry]) -> Iterator[bytes]:
    opening = f'{{"cid":"{directory}","entries":['
    for entry in entries:
        listed = {"cid": str(entry.cid), "name": entry.name, "size": entry.dag_size}
        yield f"{opening}\n{json.dumps(listed, separators=(',', ':'))}".encode()
        opening = ","
    yield f'{"" if opening == "," else opening}\n],"schema":"{SCHEMA}"}}\n'.encode()
