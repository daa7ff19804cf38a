"""``/dcat/v1``: which catalogue this home publishes, and its blocks by the list.

A list of CIDs in one request is what makes an upgrade cheap on a long line: the one who asks knows from the nodes which leaves it
lacks, and no selection of a gateway can say "these".
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
from catalog.server.answers import refuse
from catalog.server.counters import Counters
from catalog.server.headers import content_headers
from catalog.server.negotiation import CAR_TYPE
from catalog.server.site import Site
from catalog.server.streaming import StreamedResponse, Workers

SCHEMA = "dcat/catalogue/v1"


class CatalogueRoutes:
    """The handlers of ``/dcat/v1``."""

    def __init__(self, site: Site, workers: Workers, counters: Counters) -> None:
        self._site = site
        self._workers = workers
        self._counters = counters

    def routes(self) -> list[Route]:
        return [
            Route("/dcat/v1/catalogue", self.show, methods=["GET"]),
            Route("/dcat/v1/blocks", self.give_blocks, methods=["POST"]),
        ]

    async def show(self, request: Request) -> Response:  # noqa: ARG002  # a handler's signature
        """Name the home's own catalogue: what subscribing to this server's URL means."""
        name = await self._workers.run(self._site.catalogue)
        if name is None:
            return refuse(404, "this home has published nothing yet")
        return JSONResponse(
            {"name": str(name), "schema": SCHEMA}, headers={"cache-control": "no-cache", "x-content-type-options": "nosniff"}
        )

    async def give_blocks(self, request: Request) -> Response:
        """Give the blocks that the body names, one CID a line, as one CARv1 without roots: in that order, each once.

        What is not held is left out, and so is what turns out to be corrupt.
        """
        try:
            cids = await self._workers.run(_parse_list, await request.body())
        except (CidError, ValueError):
            return refuse(400, f"the body is a list of at most {MAX_BLOCKS_A_REQUEST} CIDs, one a line")
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
