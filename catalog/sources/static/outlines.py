"""Outlines that were read, and what they say of where blocks stand."""

import threading
from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from catalog import limits
from catalog.clients.http import HttpClient
from catalog.clients.response import WEB_PAGES
from catalog.ipld.block import Block
from catalog.ipld.cid import DAG_PB, RAW, Cid, convert_to_v1
from catalog.sources.static.answers import ABSENT
from catalog.static.layout import blob_path, delta_path, outline_path, pack_index_path, pack_path
from catalog.static.outline import Outline, PackEntry, read_outline
from catalog.static.pack import decode_index
from catalog.static.spans import Span, locate_leaves

_MAX_EXPECTED: Final = 16
_COST_OF_PLACE: Final = 256  # bytes of memory


class HeldFile(NamedTuple):
    """A file that joins the leaves of a DAG."""

    path: str
    size: int


class _Place(NamedTuple):
    """Where a block stands."""

    file: HeldFile
    span: Span


@dataclass(frozen=True, slots=True)
class Located:
    """Wanted blocks that are in outlines, and by file where the others stand."""

    small: list[Block] = field(default_factory=list)
    placed: dict[HeldFile, list[Span]] = field(default_factory=dict)


@dataclass(slots=True)
class _Opened:
    """An outline that was read: its blocks, where others stand, and what else may have to be read to find them."""

    outline: Outline
    size: int
    blocks: dict[Cid, bytes]
    small: dict[bytes, bytes]
    places: dict[bytes, _Place] = field(default_factory=dict)
    layers: dict[Cid, HeldFile] = field(default_factory=dict)
    pending: deque[Cid | PackEntry] = field(default_factory=deque)

    def place(self, held: HeldFile, spans: Iterable[Span]) -> None:
        for span in spans:
            self.places.setdefault(span.cid.digest, _Place(held, span))
            self.size += _COST_OF_PLACE


class Outlines:
    """The outlines of one static catalogue, read as they are needed, the last ones kept. Thread-safe."""

    def __init__(self, client: HttpClient) -> None:
        self._client = client
        self._lock = threading.Lock()
        self._expected: OrderedDict[Cid, None] = OrderedDict()
        self._opened: OrderedDict[Cid, _Opened] = OrderedDict()
        self._absent: set[Cid] = set()

    def expect(self, roots: Iterable[Cid]) -> None:
        """Note which DAGs are wanted next, the last ones first; nothing is asked for yet."""
        with self._lock:
            for root in map(convert_to_v1, roots):
                self._expected[root] = None
                self._expected.move_to_end(root)
            while len(self._expected) > _MAX_EXPECTED:
                self._expected.popitem(last=False)

    def locate(self, wanted: dict[bytes, Cid]) -> Located:
        """Find the wanted blocks, which are by their digests.

        Outlines are read until every block is found or there is no other one to read.
        """
        located = Located()
        unknown = dict(wanted)
        with self._lock:
            fresh = list(reversed(self._opened.values()))
            while True:
                for opened in fresh:
                    _find_in(opened, unknown, located)
                if not unknown:
                    return located
                found = self._open_next(unknown)
                if found is None:
                    return located
                fresh = found

    def _open_next(self, unknown: dict[bytes, Cid]) -> list[_Opened] | None:
        """Read one more outline or index that may help; return what has to be looked through again, None if nothing is left."""
        for root in self._candidates([convert_to_v1(cid) for cid in unknown.values()]):
            if root not in self._opened and root not in self._absent:
                return self._open(root)
        for opened in reversed(self._opened.values()):
            while opened.pending:
                place = opened.pending.popleft()
                if isinstance(place, PackEntry):
                    return self._open_pack(opened, place)
                if place not in self._opened and place not in self._absent:
                    return self._open(place)
        return None

    def _candidates(self, keys: list[Cid]) -> Iterator[Cid]:
        """Yield the roots whose outlines may help, the likeliest first."""
        layers = {link for opened in self._opened.values() for link in opened.layers if link.codec == DAG_PB}
        yield from (key for key in keys if key in layers)
        yield from list(reversed(self._expected))
        if len(keys) == 1 and keys[0].codec == DAG_PB:
            yield keys[0]

    def _open(self, root: Cid) -> list[_Opened]:
        with self._client.open("GET", f"/{outline_path(root)}", answers=(200, *ABSENT)) as response:
            if response.status != 200 or response.media_type in WEB_PAGES:
                self._absent.add(root)
                self._expected.pop(root, None)
                return []
            response.start_reading(limits.MAX_OUTLINE_SIZE)
            outline = read_outline(root, response)
        blocks = {block.cid: block.data for block in outline.blocks}
        small = {block.cid.digest: block.data for block in outline.blocks}
        opened = _Opened(outline, sum(map(len, blocks.values())), blocks, small)
        for blob in outline.blobs if outline.repository else ():
            if blob.link != root:  # what a layer's own outline says is for writers: the file may have got another name since
                opened.layers[blob.link] = HeldFile(f"/{blob_path(outline.repository, blob.digest)}", blob.size)
        opened.pending += [*opened.layers, *outline.before, *outline.packs]
        self._keep(root, opened)
        changed = [opened]
        if outline.size:
            opened.place(HeldFile(f"/{delta_path(root)}", outline.size), locate_leaves(root, outline.size, blocks))
        for link, held in opened.layers.items():
            layer = self._opened.get(link)
            if link.codec == RAW or layer is not None:
                target = layer or opened
                target.place(held, locate_leaves(link, held.size, target.blocks))
                changed.append(target)
        for other in list(self._opened.values()):
            if root in other.layers:
                opened.place(other.layers[root], locate_leaves(root, other.layers[root].size, blocks))
        return changed

    def _open_pack(self, opened: _Opened, pack: PackEntry) -> list[_Opened]:
        with self._client.open("GET", f"/{pack_index_path(pack.digest)}", answers=(200, *ABSENT)) as response:
            if response.status != 200 or response.media_type in WEB_PAGES:
                return []
            index = response.read_all(pack.index_size)
        opened.place(HeldFile(f"/{pack_path(pack.digest)}", pack.size), decode_index(index, pack.size))
        return [opened]

    def _keep(self, root: Cid, opened: _Opened) -> None:
        self._opened[root] = opened
        self._expected.pop(root, None)
        while len(self._opened) > 1 and sum(other.size for other in self._opened.values()) > limits.MAX_HELD_OUTLINES:
            self._opened.popitem(last=False)


def _find_in(opened: _Opened, unknown: dict[bytes, Cid], located: Located) -> None:
    """Take out of ``unknown`` what one outline tells of."""
    for digest in [digest for digest in unknown if digest in opened.small]:
        located.small.append(Block(unknown.pop(digest), opened.small[digest]))
    for digest in [digest for digest in unknown if digest in opened.places]:
        place = opened.places[digest]
        located.placed.setdefault(place.file, []).append(place.span)
        del unknown[digest]
