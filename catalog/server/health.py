"""``/health`` and ``/metrics``, for monitoring."""

from collections.abc import Callable, Mapping

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from catalog.server.counters import Counters
from catalog.server.response.address import prefix_of


class HealthRoutes:
    """The handlers of both; ``gauges`` returns current values by name, ``is_full`` whether the disk of the home is full."""

    def __init__(self, counters: Counters, gauges: Callable[[], Mapping[str, int]], is_full: Callable[[], bool]) -> None:
        self._counters = counters
        self._gauges = gauges
        self._is_full = is_full

    def routes(self) -> list[Route]:
        return [Route("/health", self.health, methods=["GET"]), Route("/metrics", self.metrics, methods=["GET"])]

    async def health(self, request: Request) -> Response:
        """Report that the server runs, whether it found a corrupt block since it started, and whether its disk is full."""
        if "text/html" in request.headers.get("accept", ""):  # a person: the page behind this needs the token, where there is one
            return RedirectResponse(f"{prefix_of(request.headers)}/status", 303, {"cache-control": "no-store", "vary": "Accept"})
        corrupt = self._counters.value("corrupt_blocks_total")
        return JSONResponse(
            {"schema": "dcat/health/v1", "status": "corrupt" if corrupt else "full" if self._is_full() else "ok"},
            headers={"cache-control": "no-store", "vary": "Accept"},
        )

    async def metrics(self, request: Request) -> Response:  # noqa: ARG002  # a handler's signature
        text = self._counters.format(self._gauges())
        return PlainTextResponse(text, media_type="text/plain; version=0.0.4", headers={"cache-control": "no-store"})
