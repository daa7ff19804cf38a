"""A static catalogue as blocks."""

import json
from collections.abc import Iterable, Iterator
from typing import Final

from catalog.clients.http import HttpClient
from catalog.clients.response import WEB_PAGES
from catalog.ipld.block import Block
from catalog.ipld.cid import Cid
from catalog.sources.static.answers import ABSENT
from catalog.sources.static.outlines import Outlines
from catalog.sources.static.reading import FileReader
from catalog.static.layout import SCHEMA, STATIC_PATH

_NO_STATIC: Final = (400, 405, 406, 501)
_MAX_POINTER: Final = 4096


def find_static(client: HttpClient) -> bool:
    """Return whether a server says that it holds a static catalogue."""
    with client.open("GET", f"/{STATIC_PATH}", accept="application/json", answers=(200, *ABSENT, *_NO_STATIC)) as response:
        if response.status != 200 or response.media_type in WEB_PAGES:
            return False
        data = response.read_all(_MAX_POINTER)
    try:
        return bool(json.loads(data)["schema"] == SCHEMA)
    except (ValueError, KeyError, TypeError, RecursionError):
        return False


class StaticFiles:
    """The blocks of one static catalogue. Thread-safe; close it."""

    def __init__(self, client: HttpClient) -> None:
        self._outlines = Outlines(client)
        self._reader = FileReader(client)

    def expect(self, roots: Iterable[Cid]) -> None:
        """Note which DAGs are wanted next, the last ones first; nothing is asked for yet."""
        self._outlines.expect(roots)

    def get_many(self, cids: Iterable[Cid]) -> Iterator[Block]:
        """Yield the blocks that the files hold, verified: small ones first, then those of each file in their order."""
        wanted = {cid.digest: cid for cid in cids}
        located = self._outlines.locate(wanted)
        yield from located.small
        for held, spans in located.placed.items():
            for span, data in self._reader.read(held, spans):
                yield Block(wanted[span.cid.digest], data)

    def close(self) -> None:
        """Delete temporary files."""
        self._reader.close()
