"""Which path is answered by what, and the guard around it.

A further part of the server (the registry's ``/v2``, the pages for people) is a class with ``routes()``, named in `create_app`.
"""

from collections.abc import Callable
from typing import Protocol

from starlette.routing import Route, Router

from catalog.server.catalogue import CatalogueRoutes
from catalog.server.counters import Counters
from catalog.server.deltas import DeltaRoutes
from catalog.server.gateway import Gateway
from catalog.server.guard import Guard
from catalog.server.health import HealthRoutes
from catalog.server.hosts import HostList
from catalog.server.routing import RecordRoutes
from catalog.server.settings import ServerSettings
from catalog.server.site import Site
from catalog.server.slots import Places
from catalog.server.streaming import Workers


class Part(Protocol):
    """What answers some paths."""

    def routes(self) -> list[Route]: ...


def create_app(
    site: Site, settings: ServerSettings, workers: Workers, counters: Counters, hosts: HostList, log: Callable[[str], None]
) -> Guard:
    """Build the ASGI application of one server."""
    places = Places(settings.limits)
    parts: list[Part] = [
        Gateway(site, workers, counters),
        RecordRoutes(site, workers, counters),
        CatalogueRoutes(site, workers, counters),
        HealthRoutes(counters, lambda: {"requests_in_flight": places.in_flight}),
    ]
    if site.deltas is not None:
        parts.append(DeltaRoutes(site.deltas, workers, counters))
    router = Router([route for part in parts for route in part.routes()], redirect_slashes=False)
    return Guard(
        router,
        hosts=hosts,
        token=settings.token,
        limits=settings.limits,
        places=places,
        counters=counters,
        log=log,
        now=site.now,
    )
