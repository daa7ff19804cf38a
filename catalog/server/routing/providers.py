"""``/routing/v1/providers`` and ``/routing/v1/peers``: who has a block. Of a block that is held here, this server itself.

A client (Kubo, Helia, a gateway) that asks here then fetches the block over HTTP, by ``/ipfs/<cid>?format=raw``. Who else holds it
is known to the routers of the network.

The protocol wants a peer ID of every provider. This server is no libp2p peer, so its ID is a hash of the address by which the
client reached it: the same for every request, and it tells nothing.
Source: ipfs/specs, http-routing-v1.md; IPIP-484 for filters, IPIP-513 for empty lists.
"""

import hashlib
import json
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from catalog.errors import CidError, InvalidIpnsNameError
from catalog.ipld.cid import parse_cid
from catalog.ipns.name import decode_ipns_name, parse_ipns_name
from catalog.server.response.address import address_of, prefix_of
from catalog.server.response.answers import refuse
from catalog.server.response.streaming import Workers
from catalog.server.site.site import Site
from catalog.sources.protocol import PEERS_PATH, PROVIDERS_PATH

PROTOCOL: Final = "transport-ipfs-gateway-http"
_NDJSON: Final = "application/x-ndjson"
_JSON: Final = "application/json"
_SHA2_256 = b"\x12\x20"

Peer = dict[str, str | list[str]]


class ProviderRoutes:
    """The handlers of providers and peers."""

    def __init__(self, site: Site, workers: Workers) -> None:
        self._site = site
        self._workers = workers

    def routes(self) -> list[Route]:
        return [
            Route(PROVIDERS_PATH, self.list_providers, methods=["GET"]),
            Route(PEERS_PATH, self.list_peers, methods=["GET"]),
        ]

    async def list_providers(self, request: Request) -> Response:
        """Return this server where the block is held, else nobody."""
        try:
            cid = parse_cid(request.path_params["cid"])
        except CidError:
            return refuse(400, "not a CID that is served here")
        held = await self._workers.run(self._site.blocks.has, cid)
        return _answer(request, "Providers", _own_peers(request) if held else [])

    async def list_peers(self, request: Request) -> Response:
        """Return this server where it is asked for by its own peer ID, else nobody."""
        try:
            peer = parse_ipns_name(request.path_params["peer"]).peer_id  # a name is a peer ID
        except InvalidIpnsNameError:
            return refuse(400, "not a peer ID that is served here")
        return _answer(request, "Peers", [own for own in _own_peers(request) if own["ID"] == peer])


def _answer(request: Request, key: str, peers: list[Peer]) -> Response:
    """Return a list as JSON, or as lines where those are asked for. Only an empty one is the same for everybody."""
    accepted = {part.split(";")[0].strip().lower() for part in request.headers.get("accept", "*/*").split(",")}
    if not accepted & {"*/*", "application/*", _JSON, _NDJSON}:
        return refuse(406, f"lists are sent as {_JSON} or {_NDJSON}")
    headers = {"cache-control": "private, max-age=15" if peers else "public, max-age=15", "vary": "Accept"}
    if _NDJSON in accepted:
        return Response("".join(f"{_dump(peer)}\n" for peer in peers), 200, headers, _NDJSON)
    return Response(_dump({key: peers}), 200, headers, _JSON)


def _dump(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


def _own_peers(request: Request) -> list[Peer]:
    """Return this server as a list of one; empty where no address can say where it is, or where filters leave it out."""
    url = address_of(request.headers)
    server = request.scope["server"] or ("", 0)
    addresses = _filter(_addresses(url, server[0], server[1]), _wanted(request, "filter-addrs"))
    protocols = _wanted(request, "filter-protocols")
    if prefix_of(request.headers) or not addresses or (protocols and PROTOCOL not in protocols):
        return []
    peer = decode_ipns_name(_SHA2_256 + hashlib.sha256(f"dcat serve {url}".encode()).digest()).peer_id
    return [{"Schema": "peer", "ID": peer, "Addrs": addresses, "Protocols": [PROTOCOL]}]


def _addresses(url: str, local: str, local_port: int) -> list[str]:
    """Return the multiaddrs of this server: the address that the client used.

    Kubo takes HTTP without TLS only from IP addresses, so for a host name also that on which the connection came in.
    """
    scheme, _, authority = url.partition("://")
    host, port = _split_authority(authority, 443 if scheme == "https" else 80)
    if scheme == "https":
        return [f"{_multiaddr(host)}/tcp/{port}/tls/http"]
    found = [f"{_multiaddr(host)}/tcp/{port}/http"]
    if local and found[0].startswith("/dns/"):
        found.append(f"{_multiaddr(local)}/tcp/{local_port}/http")
    return found


def _split_authority(authority: str, default: int) -> tuple[str, int]:
    host, colon, port = authority.rpartition(":")
    if not colon or not port.isdecimal():
        return authority.strip("[]"), default
    return host.strip("[]"), int(port)


def _multiaddr(host: str) -> str:
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return f"/dns/{host}"
    return f"/ip{address.version}/{address}"


def _wanted(request: Request, parameter: str) -> set[str]:
    return {part.strip().lower() for part in request.query_params.get(parameter, "").split(",") if part.strip()}


def _filter(addresses: list[str], wanted: set[str]) -> list[str]:
    """Return the addresses that have one of the wanted protocols, and none of those with ``!`` (IPIP-484)."""
    refused = {part[1:] for part in wanted if part.startswith("!")}
    needed = {part for part in wanted if not part.startswith("!")} - {"unknown"}
    parts: Mapping[str, set[str]] = {address: set(address.split("/")) for address in addresses}
    return [
        address
        for address in addresses
        if not parts[address] & refused and (not wanted - {f"!{r}" for r in refused} or parts[address] & needed)
    ]
