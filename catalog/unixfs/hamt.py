"""Sharded UnixFS directories (HAMT): hashing, single shards, building, updating, walking.

A name's place is its murmur3-x64-64 hash, read as eight bytes from the most significant one: the first picks the bucket in the
root, the next one in the shard below, and so on (fan-out 256; other powers of two up to 1024 are read). A bucket holds one entry,
or a shard with all that fall into it. The shape depends on the set of names only. A link's name is the bucket in upper-case hex
and, for an entry, its name. The bitfield is one big-endian number without leading zero bytes.

Read strictly, because the buckets are only claimed by the publisher: links ascend by bucket and match the bitfield, no shard below
the root is empty, and each entry lies where its hash puts it. So no shard can stand in two places, and a walk is bounded by what it
yields (CVE-2023-23625). Source: ipfs/specs, src/unixfs.md ("HAMT"), and boxo's ipld/unixfs/hamt where the text is silent or wrong.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

from catalog.errors import CodecError
from catalog.ipld.block import Block, Put
from catalog.ipld.cid import DAG_PB, Cid, cid_of
from catalog.ipld.dag_pb import PBLink, PBNode, encode_node
from catalog.limits import MAX_FANOUT
from catalog.unixfs.murmur3 import hash_name
from catalog.unixfs.node import MURMUR3_X64_64, UnixFSData, UnixFSType, encode_data

FANOUT: Final = 256
_WIDTH: Final = 2
_BATCH = 64  # shards fetched in one request


class Entry(NamedTuple):
    """An entry of a directory; ``dag_size`` is the size of the whole DAG under it (Tsize)."""

    name: str
    cid: Cid
    dag_size: int


class DirectoryLink(NamedTuple):
    """A directory's DAG: its root and its size (Tsize)."""

    cid: Cid
    dag_size: int


@dataclass(frozen=True, slots=True)
class SubShard:
    """A shard in a bucket: two or more names fall into it."""

    cid: Cid
    dag_size: int


Slot: TypeAlias = Entry | SubShard


class Shard(NamedTuple):
    """One block of a sharded directory: the bits of its fan-out, and the contents of its used buckets."""

    bits: int
    slots: dict[int, Slot]


def build_shards(entries: Iterable[Entry], put: Put) -> DirectoryLink:
    """Store the shards of a directory with these entries, names unique."""
    return _build([(hash_name(entry.name.encode()), entry) for entry in entries], 0, put)


def decode_shard(cid: Cid, node: PBNode, message: UnixFSData) -> Shard:
    """Read one shard; raise `CodecError` if it contradicts itself."""
    fanout = message.fanout or 0
    if not 8 <= fanout <= MAX_FANOUT or fanout & (fanout - 1):
        raise CodecError(f"directory shard {cid} has a fan-out of {fanout}", why=f"powers of two up to {MAX_FANOUT} are read")
    if message.hash_type != MURMUR3_X64_64:
        raise CodecError(f"directory shard {cid} is hashed by a function other than murmur3-x64-64")
    width = len(f"{fanout - 1:X}")
    slots: dict[int, Slot] = {}
    bitfield = 0
    previous = -1
    for link in node.links:
        name = decode_name(cid, link.name)
        bucket = _parse_bucket(cid, name[:width], width)
        if not previous < bucket < fanout:
            raise CodecError(f"directory shard {cid} has its buckets out of order")
        previous = bucket
        bitfield |= 1 << bucket
        size = link.tsize or 0
        slots[bucket] = Entry(check_entry_name(cid, name[width:]), link.cid, size) if name[width:] else SubShard(link.cid, size)
    if int.from_bytes(message.data or b"") != bitfield:
        raise CodecError(f"directory shard {cid} has a bitfield that contradicts its links")
    return Shard(fanout.bit_length() - 1, slots)


def find_entry(root: Shard, name: str, load: Callable[[Cid], Shard]) -> Entry | None:
    """Look up one name; ``load`` reads a shard below."""
    hashed = hash_name(name.encode())
    shard, used = root, 0
    while True:
        used += shard.bits
        slot = shard.slots.get(_bucket(hashed, used, shard.bits)) if used <= 64 else None
        if not isinstance(slot, SubShard):
            return slot if slot is not None and slot.name == name else None
        below = load(slot.cid)
        if below.bits != shard.bits:
            raise CodecError(f"directory shard {slot.cid} has another fan-out than the one above it")
        shard = below


def iterate_shards(root_cid: Cid, root: Shard, load_many: Callable[[list[Cid]], Mapping[Cid, Shard]]) -> Iterator[Entry]:
    """Yield all entries in the order of the buckets, fetching the shards of a node in batches."""
    stack = [_Level(root_cid, root, 0)]
    while stack:
        level = stack[-1]
        if not level.pending:
            stack.pop()
            continue
        bucket, slot = level.pending.pop(0)
        path = level.path << root.bits | bucket
        used = root.bits * len(stack)
        if isinstance(slot, Entry):
            if hash_name(slot.name.encode()) >> 64 - used != path:
                raise CodecError(f'directory shard {level.cid} holds "{slot.name[:100]}" in the wrong bucket')
            yield slot
            continue
        if used + root.bits > 64:
            raise CodecError(f"directory {root_cid} is deeper than its hash")
        if slot.cid not in level.loaded:
            level.loaded = dict(load_many(level.next_shards(slot.cid)))
        below = level.loaded[slot.cid]
        if below.bits != root.bits or not below.slots:
            raise CodecError(f"directory shard {slot.cid} is empty or has another fan-out than the one above it")
        stack.append(_Level(slot.cid, below, path))


class _Level:
    """The state of a walk in one shard."""

    def __init__(self, cid: Cid, shard: Shard, path: int) -> None:
        self.cid = cid
        self.path = path
        self.pending = list(shard.slots.items())
        self.loaded: dict[Cid, Shard] = {}

    def next_shards(self, first: Cid) -> list[Cid]:
        following = [slot.cid for _, slot in self.pending if isinstance(slot, SubShard)]
        return list(dict.fromkeys([first, *following[: _BATCH - 1]]))


def update_shards(
    root: Shard, changes: Mapping[str, Entry | None], load: Callable[[Cid], Shard], put: Put
) -> tuple[DirectoryLink, list[Entry]]:
    """Store the shards that differ when ``changes`` are made: a new entry, or ``None`` to remove the name.

    Return the new root and the entries that were replaced or removed. The caller ensures that the directory stays sharded.
    """
    hashed = [(hash_name(name.encode()), name, entry) for name, entry in changes.items()]
    replaced: list[Entry] = []
    slots = _apply(root, hashed, 0, load, put, replaced)
    return _put_shard(slots, put), replaced


_Change: TypeAlias = tuple[int, str, Entry | None]


def _apply(
    shard: Shard, changes: list[_Change], depth: int, load: Callable[[Cid], Shard], put: Put, replaced: list[Entry]
) -> dict[int, Slot]:
    """Return the contents of a shard's buckets after ``changes``; recursion ends with the hash, eight levels down."""
    slots = dict(shard.slots)
    by_bucket: dict[int, list[_Change]] = {}
    for change in changes:
        by_bucket.setdefault(_bucket_256(change[0], depth), []).append(change)
    for bucket, here in by_bucket.items():
        slot = slots.pop(bucket, None)
        if isinstance(slot, SubShard):
            if depth == 7:
                raise CodecError(f"directory shard {slot.cid} is deeper than its hash")
            new = _close(_apply(load(slot.cid), here, depth + 1, load, put, replaced), put)
        else:
            new = _apply_to_entry(slot, here, depth, put, replaced)
        if new is not None:
            slots[bucket] = new
    return slots


def _apply_to_entry(slot: Entry | None, changes: list[_Change], depth: int, put: Put, replaced: list[Entry]) -> Slot | None:
    entries = {} if slot is None else {slot.name: (hash_name(slot.name.encode()), slot)}
    for hashed, name, entry in changes:
        before = entries.pop(name, None)
        if before is not None:
            replaced.append(before[1])
        if entry is not None:
            entries[name] = (hashed, entry)
    return _slot_for(list(entries.values()), depth, put) if entries else None


def _close(slots: dict[int, Slot], put: Put) -> Slot | None:
    """Return what the bucket above a lower shard holds: a single entry moves up."""
    if not slots:
        return None
    if len(slots) == 1:
        (slot,) = slots.values()
        if isinstance(slot, Entry):
            return slot
    return SubShard(*_put_shard(slots, put))


def _build(entries: list[tuple[int, Entry]], depth: int, put: Put) -> DirectoryLink:
    by_bucket: dict[int, list[tuple[int, Entry]]] = {}
    for pair in entries:
        by_bucket.setdefault(_bucket_256(pair[0], depth), []).append(pair)
    return _put_shard({bucket: _slot_for(here, depth, put) for bucket, here in by_bucket.items()}, put)


def _slot_for(entries: list[tuple[int, Entry]], depth: int, put: Put) -> Slot:
    if len(entries) == 1:
        return entries[0][1]
    if depth == 7:
        raise ValueError("two names with one hash cannot be in one directory")
    return SubShard(*_build(entries, depth + 1, put))


def _put_shard(slots: Mapping[int, Slot], put: Put) -> DirectoryLink:
    links = []
    bitfield = size = 0
    for bucket, slot in sorted(slots.items()):
        name = slot.name if isinstance(slot, Entry) else ""
        links.append(PBLink(slot.cid, f"{bucket:0{_WIDTH}X}{name}".encode(), slot.dag_size))
        bitfield |= 1 << bucket
        size += slot.dag_size
    field = bitfield.to_bytes((bitfield.bit_length() + 7) // 8)
    message = UnixFSData(UnixFSType.HAMT_SHARD, data=field, hash_type=MURMUR3_X64_64, fanout=FANOUT)
    data = encode_node(links, encode_data(message))
    cid = cid_of(data, DAG_PB)
    put(Block(cid, data))
    return DirectoryLink(cid, len(data) + size)


def decode_name(cid: Cid, name: bytes | None) -> str:
    """Return a link's name as text."""
    try:
        return (name or b"").decode()
    except UnicodeDecodeError as error:
        raise CodecError(f"directory {cid} has a name that is not UTF-8") from error


def check_entry_name(cid: Cid, name: str) -> str:
    """Return ``name`` if it is a valid name of an entry."""
    if not name or name in (".", "..") or "/" in name or "\0" in name:
        raise CodecError(f'directory {cid} has an entry named "{name[:100]}"')
    return name


def _parse_bucket(cid: Cid, text: str, width: int) -> int:
    if len(text) != width or not set(text) <= set("0123456789ABCDEF"):
        raise CodecError(f"directory shard {cid} has a link without a bucket")
    return int(text, 16)


def _bucket(hashed: int, used: int, bits: int) -> int:
    return hashed >> 64 - used & (1 << bits) - 1


def _bucket_256(hashed: int, depth: int) -> int:
    return hashed >> 56 - 8 * depth & 0xFF
