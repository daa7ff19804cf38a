from typing import Any

import pytest

from catalog.clients.kubo_config import announces_nothing, list_third_parties

CLOSED = {"AutoConf": {"Enabled": False}, "AutoTLS": {"Enabled": False}, "Bootstrap": [], "Routing": {"DelegatedRouters": []}}
FRESH = {
    "AutoConf": {},
    "AutoTLS": {},
    "Bootstrap": ["auto"],
    "DNS": {"Resolvers": {".": "auto"}},
    "Routing": {"DelegatedRouters": ["auto"]},
    "Ipns": {"DelegatedPublishers": ["auto"]},
}


def test_a_fresh_node_asks_third_parties() -> None:
    assert list_third_parties(FRESH) == [
        "conf.ipfs-mainnet.org (AutoConf)",
        "registration.libp2p.direct (AutoTLS)",
        "libp2p.direct (AutoTLS)",
    ]


@pytest.mark.parametrize(
    ("changes", "parties"),
    [
        ({}, []),
        ({"AutoConf": {}}, []),  # nothing in its lists is left to AutoConf
        ({"AutoConf": {"URL": "https://conf.example/a.json"}, "Bootstrap": ["auto"]}, ["conf.example (AutoConf)"]),
        ({"Routing": {"DelegatedRouters": ["https://r.example/routing/v1"]}}, ["r.example (delegated routing)"]),
        ({"Ipns": {"DelegatedPublishers": ["https://p.example"]}}, ["p.example (delegated publishing)"]),
        ({"DNS": {"Resolvers": {"eth.": "https://dns.example/dns-query"}}}, ["dns.example (DNS)"]),
        ({"Routing": None, "DNS": [], "Ipns": {"DelegatedPublishers": 5}, "Bootstrap": {"a": 1}}, []),
        ({"Routing": {"DelegatedRouters": ["http://[::1"]}}, ["http://[::1 (delegated routing)"]),
    ],
)
def test_each_part_is_named(changes: dict[str, Any], parties: list[str]) -> None:
    assert list_third_parties({**CLOSED, **changes}) == parties


@pytest.mark.parametrize(
    ("config", "nothing"),
    [
        ({}, False),
        ({"Provide": {"Enabled": False}}, True),
        ({"Provide": {"DHT": {"Interval": "0"}}}, False),  # since 0.42 that alone does not disable it
        ({"Reprovider": {"Interval": "0"}}, True),
        ({"Reprovider": {"Interval": "12h"}}, False),
    ],
)
def test_a_node_that_announces_nothing(config: dict[str, Any], nothing: bool) -> None:
    assert announces_nothing(config) is nothing
