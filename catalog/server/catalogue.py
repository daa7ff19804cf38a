"""``/dcat/v1``: the name of the home's own catalogue, and blocks by list.

A list of CIDs in one request makes an upgrade cheap on a line with high latency: the client knows from the inner nodes which leaves
it lacks, which no gateway selector can express.
"""

from collections.abc import Iterator

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from catalog.errors import BlockMismatchError, CidError, UnavailableError
from catalog.ipld.block import Block
from catalog.ipld.car import encode_car
from catalog.ipld.cid import Cid, parse_cid
from catalog.limits import MAX_BLOCKS_A_REQUEST
from catalog.server.counters import Counters
from catalog.server.response.answers import refuse
from catalog.server.response.headers import content_headers
from catalog.server.response.streaming import StreamedResponse, Workers
from catalog.server.site.site import Site
from catalog.sources.protocol import BLOCKS_PATH, CAR_TYPE, CATALOGUE_PATH, CATALOGUE_SCHEMA


class CatalogueRoutes:
    """The handlers of ``/dcat/v1``."""

    def __init__(self, site: Site, workers: Workers, counters: Counters) -> None:
        self._site = site
        self._workers = workers
        self._counters = counters

    def routes(self) -> list[Route]:
        return [
            Route(CATALOGUE_PATH, self.show, methods=["GET"]),
            Route(BLOCKS_PATH, self.send_blocks, methods=["POST"]),
        ]

    async def show(self, request: Request) -> Response:  # noqa: ARG002  # a handler's signature
        """Return the name of the home's own catalogue: what subscribing to this server's URL means."""
        name = await self._workers.run(self._site.catalogue)
        if name is None:
            return refuse(404, "this home has published nothing yet")
        return JSONResponse(
            {"name": str(name), "schema": CATALOGUE_SCHEMA},
            headers={"cache-control": "no-cache", "x-content-type-options": "nosniff"},
        )

    async def send_blocks(self, request: Request) -> Response:
        """Return the blocks that the body lists, one CID a line, as one CARv1 without roots: in that order, each once.

        Blocks that are not held or are corrupt are left out.
        """
        try:
            cids = await self._workers.run(_parse_list, await request.body())
        except (CidError, ValueError):
            return refuse(400, f"the body must be a list of at most {MAX_BLOCKS_A_REQUEST} CIDs, one a line")
        headers = content_headers(f"{CAR_TYPE}; version=1; order=unk; dups=n", "blocks.car", None)
        return StreamedResponse(self._workers, encode_car([], self._read(cids)), 200, headers)

    def _read(self, cids: list[Cid]) -> Iterator[Block]:
        for cid in cids:
            try:
                yield Block(cid, self._site.blocks.get(cid))
            except UnavailableError:
                continue
            except BlockMismatchError:
                self._counters.add("corrupt_blocks_total")


def _parse_list(body: bytes) -> list[Cid]:
    lines = body.decode("ascii").split("\n", MAX_BLOCKS_A_REQUEST + 1)
    texts = [line.strip() for line in lines]
    if texts and not texts[-1]:
        texts.pop()
    if len(texts) > MAX_BLOCKS_A_REQUEST:
        raise ValueError("too many CIDs")
    return list(dict.fromkeys(map(parse_cid, texts)))
