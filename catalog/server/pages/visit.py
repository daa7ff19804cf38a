"""What one request for a page reads from: the home at this moment, what may be shown of it, and what was typed."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, NamedTuple, TypeVar

from catalog.errors import CatalogueNotFoundError, InvalidInputError
from catalog.home.home import Home
from catalog.index.catalogue import CatalogueRow
from catalog.limits import KIB, MAX_PAGES_MEMORY
from catalog.lookup.view import View
from catalog.model.reference import nearest
from catalog.server.feeding.feeder import Feeder
from catalog.server.registry.pulls import Pulls
from catalog.server.site.site import HeldBlocks

T = TypeVar("T")
PERIOD = 300  # seconds after which ages are written anew
MAX_ROWS = 1000  # of one page, whatever was asked for
ROOM = 40_000  # bytes of the rows of a page, so that it has at most 50 kB
_SMALL = 64 * KIB  # of an answer that nobody estimates


class Kept(NamedTuple):
    """A value, and the state of the home for which it was made."""

    state: object
    value: Any
    size: int


class Memory:
    """Answers that are expensive to compute, kept until the home changes, the last used ones. Thread-safe."""

    def __init__(self, most_bytes: int = MAX_PAGES_MEMORY) -> None:
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._kept: OrderedDict[Hashable, Kept] = OrderedDict()
        self.bytes = 0

    def get(self, key: Hashable, state: object, make: Callable[[], T], size: Callable[[T], int]) -> T:
        """Return what was made for ``key`` in this state of the home, or make it; ``size`` estimates its bytes."""
        known = self.find(key, state)
        if known is not None:
            return known.value  # type: ignore[no-any-return]
        made = make()
        self.keep(key, state, made, size(made))
        return made

    def find(self, key: Hashable, state: object) -> Kept | None:
        """Return what is kept for ``key`` in this state of the home."""
        with self._lock:
            known = self._kept.get(key)
            if known is None or known.state != state:
                return None
            self._kept.move_to_end(key)
            return known

    def keep(self, key: Hashable, state: object, value: object, size: int) -> None:
        """Keep a value of ``size`` bytes, in place of what was kept longest without being used."""
        with self._lock:
            self._drop(key)
            self._kept[key] = Kept(state, value, size)
            self.bytes += self._kept[key].size
            while self.bytes > self._most_bytes and len(self._kept) > 1:
                self._drop(next(iter(self._kept)))

    def _drop(self, key: Hashable) -> None:
        kept = self._kept.pop(key, None)
        if kept is not None:
            self.bytes -= kept.size


def _small(_: object) -> int:
    return _SMALL


@dataclass(frozen=True)
class Visit:
    """One request. ``server`` is this server's address as the client wrote it, with ``prefix``, the path that a proxy put in front
    (or nothing); ``state`` differs whenever the home changed.

    ``registry`` says that engines find ``/v2/`` there, ``token`` that a token guards the server; ``pulls`` is what they asked for.
    ``feeder`` fetches images where that was allowed. ``as_json`` is whether the JSON twin is made, which has as many rows as the
    query's ``n`` says; a page has no more than usual, and no more than it has room for.
    """

    home: Home
    blocks: HeldBlocks
    view: View
    query: Mapping[str, str]
    server: str
    prefix: str
    state: object
    memory: Memory
    registry: bool
    token: bool
    pulls: Pulls
    stopped: Callable[[], bool]
    feeder: Feeder | None = None
    as_json: bool = False

    @property
    def counts(self) -> bool:
        """Whether rows are counted, since a twin was asked for ``n`` of them; else they are measured."""
        return self.as_json and bool(self.query.get("n"))

    @property
    def now(self) -> datetime:
        return self.home.now

    @property
    def period(self) -> int:
        """A number that changes every few minutes: what is said of ages is made anew then, also where the home stays as it is."""
        return int(self.now.timestamp()) // PERIOD

    def remember(self, key: Hashable, make: Callable[[], T], size: Callable[[T], int] = _small) -> T:
        """Return ``make()``, made once for each state of the home; ``size`` estimates the bytes of what can be large."""
        return self.memory.get(key, self.state, make, size)

    def catalogue(self, label: str) -> CatalogueRow:
        """Return the catalogue that a label means: ``mine``, an alias, or an IPNS name; raise `CatalogueNotFoundError`."""
        rows = self.view.catalogues()
        meant = dict(self.view.aliases()).get(label)
        for row in rows:
            if label in (row.label, row.catalogue) or row.catalogue == meant:
                return row
        labels = [row.label for row in rows]
        near = nearest(label, labels)
        raise CatalogueNotFoundError(
            f'no catalogue "{label[:200]}"', why="there are " + (", ".join(labels) or "none yet"), nearest=near
        )

    def fit(self, rows: Iterable[T], most: int, size: Callable[[T], int], room: int = ROOM) -> list[T]:
        """Return the first ``most`` of ``rows``, or as many of them as one page has room for, at least one; all if counted.

        ``size`` is about how many bytes a row takes in HTML, ``room`` how many the rows may take together.
        """
        found: list[T] = []
        used = 0
        for row in islice(rows, most):
            used += size(row)
            if found and used > room and not self.counts:
                break
            found.append(row)
        return found

    def rows(self, default: int) -> int:
        """Return how many rows one page may have, by ``n``; raise `InvalidInputError` for what is not a number from 1 to 1,000."""
        text = self.query.get("n", "")
        if not text:
            return default
        if not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= MAX_ROWS:
            raise InvalidInputError(f"n is a number from 1 to {MAX_ROWS}")
        return int(text) if self.as_json else min(int(text), default)
