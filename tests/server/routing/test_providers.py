"""``/routing/v1/providers`` and ``peers``: this server, of what it holds."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from catalog.ipld.cid import Cid, cid_of
from catalog.ipns.name import parse_ipns_name
from catalog.server.settings import ServerSettings
from tests.server.serving import Served, serving

OTHER = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"


@pytest.fixture(scope="module")
def holding() -> Iterator[tuple[Served, Cid]]:
    with serving(settings=ServerSettings(port=0, allowed_hosts=("cat.example",))) as served:
        yield served, served.blocks.add(b"held")


def providers(served: Served, cid: Cid | str, query: str = "", **headers: str) -> list[dict[str, Any]]:
    answer = served.ask(f"/routing/v1/providers/{cid}{query}", "GET", None, **headers)
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    found: list[dict[str, Any]] = json.loads(answer.body)["Providers"]
    return found


def test_of_what_is_held_this_server_is_the_provider(holding: tuple[Served, Cid]) -> None:
    served, cid = holding
    (peer,) = providers(served, cid)
    assert peer["Schema"] == "peer"
    assert peer["Protocols"] == ["transport-ipfs-gateway-http"]
    assert peer["Addrs"] == [f"/ip4/127.0.0.1/tcp/{served.port}/http"]
    assert parse_ipns_name(peer["ID"]).peer_id == peer["ID"]
    assert served.ask(f"/routing/v1/providers/{cid}").headers["cache-control"] == "private, max-age=15"
    assert providers(served, cid) == [peer]


def test_of_what_is_not_held_nobody_is(holding: tuple[Served, Cid]) -> None:
    served, _ = holding
    answer = served.ask(f"/routing/v1/providers/{OTHER}")
    assert (answer.status, answer.body, answer.headers["cache-control"]) == (200, b'{"Providers":[]}', "public, max-age=15")
    assert served.ask("/routing/v1/providers/nonsense").status == 400


@pytest.mark.parametrize(
    ("headers", "addresses"),
    [
        ({"Host": "localhost:5078"}, ["/dns/localhost/tcp/5078/http", "/ip4/127.0.0.1/tcp/{port}/http"]),
        ({"Host": "cat.example"}, ["/dns/cat.example/tcp/80/http", "/ip4/127.0.0.1/tcp/{port}/http"]),
        ({"Host": "cat.example", "X_Forwarded_Proto": "https"}, ["/dns/cat.example/tcp/443/tls/http"]),
        ({"Host": "cat.example:8443", "X_Forwarded_Proto": "https"}, ["/dns/cat.example/tcp/8443/tls/http"]),
        ({"Host": "[::1]:99"}, ["/ip6/::1/tcp/99/http"]),
    ],
)
def test_the_address_is_the_one_that_was_used(headers: dict[str, str], addresses: list[str], holding: tuple[Served, Cid]) -> None:
    served, cid = holding
    (peer,) = providers(served, cid, **headers)
    assert peer["Addrs"] == [address.format(port=served.port) for address in addresses]


def test_below_a_path_of_a_proxy_no_address_leads_here(holding: tuple[Served, Cid]) -> None:
    served, cid = holding
    assert providers(served, cid, X_Forwarded_Prefix="/dcat") == []


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("?filter-protocols=transport-bitswap", 0),
        ("?filter-protocols=unknown,transport-bitswap,transport-ipfs-gateway-http", 1),
        ("?filter-protocols=Transport-IPFS-Gateway-HTTP", 1),
        ("?filter-addrs=http", 1),
        ("?filter-addrs=tls,https", 0),
        ("?filter-addrs=!http", 0),
        ("?filter-addrs=!ws", 1),
        ("?filter-addrs=!ws,tcp", 1),
        ("?filter-addrs=unknown", 0),
        ("?filter-addrs=", 1),
    ],
)
def test_filters_leave_it_out(query: str, count: int, holding: tuple[Served, Cid]) -> None:
    served, cid = holding
    assert len(providers(served, cid, query)) == count


def test_lines_are_sent_where_they_are_asked_for(holding: tuple[Served, Cid]) -> None:
    served, cid = holding
    path = f"/routing/v1/providers/{cid}"
    answer = served.ask(path, "GET", None, Accept="application/x-ndjson,application/json")
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert [json.loads(line) for line in answer.body.splitlines()] == providers(served, cid)
    assert served.ask(path, "GET", None, Accept="text/html").status == 406
    assert served.ask(path, "HEAD").body == b""


def test_its_own_peer_id_finds_it_again(holding: tuple[Served, Cid]) -> None:
    served, cid = holding
    (peer,) = providers(served, cid)
    assert json.loads(served.ask(f"/routing/v1/peers/{peer['ID']}").body) == {"Peers": [peer]}
    name = str(parse_ipns_name(peer["ID"]))
    assert json.loads(served.ask(f"/routing/v1/peers/{name}").body) == {"Peers": [peer]}
    stranger = "12D3KooWDpp7U7W9Q8feMZPPEpPP5FKXTUakLgnVLbavfjb9mzrT"
    assert json.loads(served.ask(f"/routing/v1/peers/{stranger}").body) == {"Peers": []}
    assert served.ask(f"/routing/v1/peers/{cid_of(b'x')}").status == 400
