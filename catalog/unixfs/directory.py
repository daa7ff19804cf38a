"""UnixFS directories: built, updated, looked up and listed, plain or sharded.

Written exactly as Kubo writes them with profile unixfs-v1-2025: one node while its block has at most 262,144 bytes, else a HAMT. So
the CID depends on the entries only, not on the order of edits. An update reads and rewrites only the shards on the path of each
changed name, except when a sharded directory shrinks: then its size decides whether it becomes a plain one.

Read: names are compared byte by byte, the first of two equal ones counts; names that are empty, ``.``, ``..``, not UTF-8, or hold
``/`` or NUL are refused.
Sources: ipfs/specs, src/unixfs.md ("Directory"); ipip-0499; boxo, ipld/unixfs/io/directory.go (the threshold).
"""

from collections.abc import Iterable, Iterator, Mapping

from catalog.errors import CodecError
from catalog.ipld.block import Block, BlockSource, Put
from catalog.ipld.cid import DAG_PB, Cid, cid_of
from catalog.ipld.dag_pb import PBLink, PBNode, decode_node, encode_node
from catalog.limits import MAX_DIRECTORY_BLOCK_SIZE
from catalog.unixfs import hamt
from catalog.unixfs.hamt import DirectoryLink, Entry, Shard, check_entry_name, decode_name
from catalog.unixfs.node import UnixFSData, UnixFSType, decode_data, encode_data

_MESSAGE = encode_data(UnixFSData(UnixFSType.DIRECTORY))
_EMPTY_SIZE = len(encode_node((), _MESSAGE))


def build_directory(entries: Iterable[Entry], put: Put) -> DirectoryLink:
    """Store a directory; names are unique, their order does not matter."""
    listed = list(entries)
    if len({entry.name for entry in listed}) != len(listed):
        raise ValueError("two entries of one name")
    if _EMPTY_SIZE + sum(map(_entry_size, listed)) > MAX_DIRECTORY_BLOCK_SIZE:
        return hamt.build_shards(listed, put)
    data = encode_node([PBLink(entry.cid, entry.name.encode(), entry.dag_size) for entry in listed], _MESSAGE)
    cid = cid_of(data, DAG_PB)
    put(Block(cid, data))
    return DirectoryLink(cid, len(data) + sum(entry.dag_size for entry in listed))


def update_directory(root: Cid, changes: Mapping[str, Entry | None], source: BlockSource, put: Put) -> DirectoryLink:
    """Store the directory that ``root`` becomes by ``changes``: a new entry for a name, or ``None`` to remove it.

    Return the same link as `build_directory` for the same entries. Unchanged blocks are not put again.
    """
    node, message = _load(root, source)
    if message.type is UnixFSType.HAMT_SHARD and message.fanout == hamt.FANOUT:
        return _update_sharded(root, hamt.decode_shard(root, node, message), changes, source, put)
    entries = {entry.name: entry for entry in list_directory(root, source)}
    _change(entries, changes)
    return build_directory(entries.values(), put)


def list_directory(root: Cid, source: BlockSource) -> Iterator[Entry]:
    """Yield the entries as they come, shards fetched as needed; a plain directory's in its order, a sharded one's by hash."""
    node, message = _load(root, source)
    if message.type is UnixFSType.DIRECTORY:
        yield from _plain_entries(root, node).values()
        return

    def load_many(cids: list[Cid]) -> dict[Cid, Shard]:
        blocks = dict(source.get_many(cids)) if len(cids) > 1 else {}
        return {cid: _decode_shard(cid, blocks[cid] if cid in blocks else source.get(cid)) for cid in cids}

    yield from hamt.iterate_shards(root, hamt.decode_shard(root, node, message), load_many)


def find_entry(root: Cid, name: str, source: BlockSource) -> Entry | None:
    """Look up one name, reading only the blocks on its path."""
    return find_entries(root, (name,), source).get(name)


def find_entries(root: Cid, names: Iterable[str], source: BlockSource) -> dict[str, Entry]:
    """Look up many names, reading each block on their paths once; absent names are omitted."""
    node, message = _load(root, source)
    if message.type is UnixFSType.DIRECTORY:
        entries = _plain_entries(root, node)
        return {name: entries[name] for name in names if name in entries}
    shards = {root: hamt.decode_shard(root, node, message)}

    def load(cid: Cid) -> Shard:
        if cid not in shards:
            shards[cid] = _decode_shard(cid, source.get(cid))
        return shards[cid]

    found = ((name, hamt.find_entry(shards[root], name, load)) for name in names)
    return {name: entry for name, entry in found if entry is not None}


def is_directory(cid: Cid, block: bytes) -> bool:
    """Return whether a block is the root of a directory; raise `CodecError` for data that is not UnixFS."""
    return cid.codec == DAG_PB and _decode(cid, block)[1].type in (UnixFSType.DIRECTORY, UnixFSType.HAMT_SHARD)


def _update_sharded(root: Cid, shard: Shard, changes: Mapping[str, Entry | None], source: BlockSource, put: Put) -> DirectoryLink:
    blocks: list[Block] = []
    link, replaced = hamt.update_shards(shard, changes, lambda cid: _decode_shard(cid, source.get(cid)), blocks.append)
    growth = sum(_entry_size(entry) for entry in changes.values() if entry) - sum(map(_entry_size, replaced))
    if growth < 0 and _fits_plain(root, growth, source):
        entries = {entry.name: entry for entry in list_directory(root, source)}
        _change(entries, changes)
        return build_directory(entries.values(), put)
    for block in blocks:
        put(block)
    return link


def _fits_plain(root: Cid, growth: int, source: BlockSource) -> bool:
    size = _EMPTY_SIZE + growth
    for entry in list_directory(root, source):
        size += _entry_size(entry)
        if size > MAX_DIRECTORY_BLOCK_SIZE:
            return False
    return True


def _change(entries: dict[str, Entry], changes: Mapping[str, Entry | None]) -> None:
    for name, entry in changes.items():
        if entry is None:
            entries.pop(name, None)
        else:
            entries[name] = entry


def _entry_size(entry: Entry) -> int:
    """Return the bytes that an entry adds to a plain directory's block."""
    name = len(entry.name.encode())
    body = 2 + len(entry.cid.binary) + 1 + _varint_size(name) + name + 1 + _varint_size(entry.dag_size)
    return 1 + _varint_size(body) + body


def _varint_size(value: int) -> int:
    return max((value.bit_length() + 6) // 7, 1)


def _load(cid: Cid, source: BlockSource) -> tuple[PBNode, UnixFSData]:
    node, message = _decode(cid, source.get(cid))
    if message.type not in (UnixFSType.DIRECTORY, UnixFSType.HAMT_SHARD):
        raise CodecError(f"{cid} is not a directory", why=f"it is a UnixFS {message.type.name.lower()}")
    return node, message


def _decode(cid: Cid, block: bytes) -> tuple[PBNode, UnixFSData]:
    if cid.codec != DAG_PB:
        raise CodecError(f"{cid} is not a directory")
    node = decode_node(block)
    if node.data is None:
        raise CodecError(f"{cid} is not a UnixFS node")
    return node, decode_data(node.data)


def _decode_shard(cid: Cid, block: bytes) -> Shard:
    node, message = _decode(cid, block)
    if message.type is not UnixFSType.HAMT_SHARD:
        raise CodecError(f"{cid} is not a directory shard")
    return hamt.decode_shard(cid, node, message)


def _plain_entries(cid: Cid, node: PBNode) -> dict[str, Entry]:
    entries: dict[str, Entry] = {}
    for link in node.links:
        name = check_entry_name(cid, decode_name(cid, link.name))
        entries.setdefault(name, Entry(name, link.cid, link.tsize or 0))
    return entries
