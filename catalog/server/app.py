"""The table of routes, and the guard around it.

A further part of the server is a class with ``routes()``, named in `create_app`.
"""

from collections.abc import Callable
from typing import Protocol

from starlette.routing import Route, Router
from starlette.types import ASGIApp

from catalog.home.reserve import is_full
from catalog.server.catalogue import CatalogueRoutes
from catalog.server.counters import Counters
from catalog.server.deltas import DeltaRoutes
from catalog.server.gateway.names import NameRoutes
from catalog.server.gateway.routes import Gateway
from catalog.server.guard.guard import Guard
from catalog.server.guard.hosts import HostList
from catalog.server.guard.slots import Slots
from catalog.server.health import HealthRoutes
from catalog.server.pages.routes import PageRoutes
from catalog.server.registry.names import HomeReleases
from catalog.server.registry.pulls import PullRoutes, Pulls
from catalog.server.registry.routes import RegistryRoutes
from catalog.server.response.streaming import Workers
from catalog.server.routing.providers import ProviderRoutes
from catalog.server.routing.records import RecordRoutes
from catalog.server.settings import ServerSettings
from catalog.server.site.site import Site


class Part(Protocol):
    """A part of the server that answers some paths."""

    def routes(self) -> list[Route]: ...


def create_app(
    site: Site,
    settings: ServerSettings,
    workers: Workers,
    counters: Counters,
    hosts: HostList,
    log: Callable[[str], None],
    make_room: Callable[[], bool] = lambda: False,
) -> Guard:
    """Return the ASGI application of one server; ``make_room`` is that of `Slots`."""
    slots = Slots(settings.limits, make_room)
    gateway, records = Gateway(site, workers, counters), RecordRoutes(site, workers, counters)
    parts: list[Part] = [
        gateway,
        NameRoutes(site, workers, gateway, records),
        records,
        ProviderRoutes(site, workers),
        CatalogueRoutes(site, workers, counters),
        HealthRoutes(
            counters,
            lambda: {"requests_in_flight": slots.in_flight},
            lambda: site.home is not None and is_full(site.home.path),
        ),
    ]
    unknown: ASGIApp | None = None
    if site.deltas is not None:
        parts.append(DeltaRoutes(site.deltas, workers, counters))
    if site.home is not None:
        releases = HomeReleases(site.home.path, site.now)
        feeder = site.feeder
        pulls = Pulls(site.now, counters)
        if feeder is not None:
            feeder.listen(pulls.note_fetched)
        parts.append(
            RegistryRoutes(
                releases,
                site.blocks,
                workers,
                pulls,
                compress=settings.compress,
                state=site.state,
                feeder=feeder,
                publisher=site.publisher,
                idle=settings.limits.idle_timeout,
            )
        )
        parts.append(PullRoutes(pulls))
        registry = any(route.path.startswith("/v2/") for part in parts for route in part.routes())
        pages = PageRoutes(site, site.home, workers, log, pulls, registry=registry, token=settings.token is not None)
        parts.append(pages)
        unknown = pages.send_unknown
    router = Router([route for part in parts for route in part.routes()], redirect_slashes=False, default=unknown)
    return Guard(
        router,
        hosts=hosts,
        token=settings.token,
        takes_pushes=site.publisher is not None,
        limits=settings.limits,
        slots=slots,
        counters=counters,
        log=log,
        now=site.now,
    )
