"""What engines asked this registry for, since the server started: for "is it working?" (``dcat mirror status``, ``/metrics``).

A hit is a manifest that was sent, a miss one that is not here: the engine then goes on to the registry itself. Clients are told
apart by address and program; the least recent ones are forgotten, and so are all but the last requests. Addresses, and the names
that were asked for, are shown to clients on this machine only: on pages and in `/metrics` stand sums for each program.
"""

from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from threading import Lock
from typing import TypeVar

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from catalog.ipld.cid import Cid
from catalog.limits import MAX_PULLING_CLIENTS, MAX_RECENT_PULLS
from catalog.model.release import format_time
from catalog.server.counters import Counters
from catalog.server.response.address import is_near
from catalog.server.response.answers import refuse
from catalog.sources.protocol import PULLS_PATH, PULLS_SCHEMA

_PROGRAMS = {
    "docker": "docker",
    "containerd": "containerd",
    "buildkit": "buildkit",
    "libpod": "podman",
    "podman": "podman",
    "buildah": "buildah",
    "cri-o": "cri-o",
    "skopeo": "skopeo",
    "containers": "podman",
    "crane": "crane",
    "go-containerregistry": "crane",
    "regclient": "regctl",
    "oras": "oras",
    "k3s": "k3s",
}
OTHER = "other"
T = TypeVar("T")
_ONE_PULL = timedelta(minutes=1)
_MAX_ARCHIVES = 4096  # of which it is remembered who asked first


@dataclass(frozen=True, slots=True)
class Puller:
    """What one client asked for: manifests that were sent and that are not here, and bytes of layers as they are stored.

    ``fetched`` are the bytes that travelled for images that it was the first to ask for.
    """

    address: str
    program: str
    hits: int = 0
    misses: int = 0
    delivered: int = 0
    fetched: int = 0
    last: str = ""

    @property
    def saved(self) -> int:
        """The bytes that it received less those that travelled for it."""
        return max(0, self.delivered - self.fetched)


@dataclass(frozen=True, slots=True)
class RecentPull:
    """A request for a manifest."""

    time: str
    address: str
    program: str
    image: str
    status: int


@dataclass(frozen=True, slots=True)
class _Asked:
    """The request of a client for a manifest."""

    name: str
    method: str
    is_hit: bool
    moment: datetime

    def continues(self, before: "_Asked | None", *, by_digest: bool) -> bool:
        """Return whether this belongs to the pull that ``before``, the same client's, began."""
        return (
            before is not None
            and (self.name, self.is_hit) == (before.name, before.is_hit)
            and self.moment - before.moment < _ONE_PULL
            and (by_digest or (before.method, self.method) == ("HEAD", "GET"))
        )


class Pulls:
    """The clients and the last requests of one server. Thread-safe."""

    def __init__(self, now: Callable[[], datetime], counters: Counters) -> None:
        self._now = now
        self._counters = counters
        self._lock = Lock()
        self._first: OrderedDict[Cid, tuple[str, str]] = OrderedDict()  # who asked first for an archive
        self._unclaimed: OrderedDict[Cid, int] = OrderedDict()  # fetched before it was noted for whom
        self._clients: OrderedDict[tuple[str, str], Puller] = OrderedDict()
        self._asked: dict[tuple[str, str], _Asked] = {}  # by each client, last
        self._recent: deque[RecentPull] = deque(maxlen=MAX_RECENT_PULLS)
        self._since = format_time(now())
        self.version = 0

    def note_manifest(self, request: Request, name: str, reference: str, status: int) -> None:
        """Count a manifest that was asked for, unless the request continues the one before.

        Engines look for a tag (HEAD), then get its digest; of several platforms they get an index, then the manifest of one.
        """
        is_hit = status in (200, 304)
        if not is_hit and status != 404:
            return
        client, moment = client_of(request), self._now()
        asked = _Asked(name, request.method, is_hit, moment)
        with self._lock:
            known = self._clients.pop(client, None) or Puller(*client)
            continues = asked.continues(self._asked.get(client), by_digest=":" in reference)
            if continues:
                found = known
            else:
                found = replace(known, hits=known.hits + is_hit, misses=known.misses + (not is_hit), last=format_time(moment))
                image = f"{name}{'@' if ':' in reference else ':'}{reference}"
                self._recent.append(RecentPull(found.last, *client, image, status))
            self._asked[client] = asked
            self._clients[client] = found
            if len(self._clients) > MAX_PULLING_CLIENTS:
                self._asked.pop(self._clients.popitem(last=False)[0], None)
            self.version += 1
        if not continues:
            self._counters.add(
                "registry_manifests_total", 1, f'{{client="{found.program}",result="{"hit" if is_hit else "miss"}"}}'
            )

    def note_archive(self, request: Request, archive_cid: Cid) -> None:
        """Remember who was the first to ask for an image: what is fetched of it is counted for that client."""
        client = client_of(request)
        with self._lock:
            if archive_cid in self._first:
                return
            self._first[archive_cid] = client
            if len(self._first) > _MAX_ARCHIVES:
                self._first.popitem(last=False)
            self._add_fetched(client, self._unclaimed.pop(archive_cid, 0))

    def note_fetched(self, archive_cid: Cid, size: int) -> None:
        """Count the bytes that travelled for an image."""
        self._counters.add("registry_fetched_bytes_total", size)
        with self._lock:
            client = self._first.get(archive_cid)
            if client is not None:
                self._add_fetched(client, size)
                return
            self._unclaimed[archive_cid] = self._unclaimed.get(archive_cid, 0) + size
            if len(self._unclaimed) > _MAX_ARCHIVES:
                self._unclaimed.popitem(last=False)

    def _add_fetched(self, client: tuple[str, str], size: int) -> None:
        if size:
            known = self._clients.get(client, Puller(*client, last=format_time(self._now())))
            self._clients[client] = replace(known, fetched=known.fetched + size)
            self.version += 1

    def count(self, request: Request, pieces: Iterator[T], size: int) -> Iterator[T]:
        """Yield the pieces of a layer, or of a part of it, and count its ``size`` in the store once all of them left."""
        yield from pieces
        address, program = client_of(request)
        with self._lock:
            known = self._clients.get((address, program))
            if known is not None:
                self._clients[address, program] = replace(known, delivered=known.delivered + size)
            self.version += 1
        self._counters.add("registry_delivered_bytes_total", size, f'{{client="{program}"}}')

    @property
    def fetched(self) -> int:
        """The bytes that were fetched for clients."""
        return self._counters.value("registry_fetched_bytes_total")

    def programs(self) -> list[Puller]:
        """Return the sums for each program, without addresses."""
        sums: dict[str, Puller] = {}
        with self._lock:
            for client in self._clients.values():
                known = sums.get(client.program, Puller("", client.program))
                sums[client.program] = Puller(
                    "",
                    client.program,
                    known.hits + client.hits,
                    known.misses + client.misses,
                    known.delivered + client.delivered,
                    known.fetched + client.fetched,
                    max(known.last, client.last),
                )
        return [sums[program] for program in sorted(sums)]

    def describe(self) -> dict[str, object]:
        """Return the document of `PULLS_PATH`."""
        with self._lock:
            clients, recent = list(self._clients.values()), list(self._recent)
        delivered, fetched = self._counters.value("registry_delivered_bytes_total"), self.fetched
        return {
            "schema": PULLS_SCHEMA,
            "since": self._since,
            "hits": sum(client.hits for client in clients),
            "misses": sum(client.misses for client in clients),
            "delivered": delivered,
            "fetched": fetched,
            "saved": max(0, delivered - fetched),
            "clients": [asdict(client) | {"saved": client.saved} for client in reversed(clients)],
            "recent": [asdict(pull) for pull in reversed(recent)],
        }


class PullRoutes:
    """The handler of `PULLS_PATH`."""

    def __init__(self, pulls: Pulls) -> None:
        self._pulls = pulls

    def routes(self) -> list[Route]:
        return [Route(PULLS_PATH, self.show, methods=["GET"])]

    async def show(self, request: Request) -> Response:
        """Return who pulled what, to a client on this machine."""
        if not is_near(request):
            return refuse(403, "shown on this machine only")
        return JSONResponse(self._pulls.describe(), headers={"cache-control": "no-store", "x-content-type-options": "nosniff"})


def client_of(request: Request) -> tuple[str, str]:
    """Return the address and the program of a client."""
    word = request.headers.get("user-agent", "").partition("/")[0].strip().lower()
    return request.client.host if request.client else "local", _PROGRAMS.get(word, OTHER)
