"""What a Kubo node's configuration says of its dealings with others: the third parties that it would ask, what it announces.

Pure. Source: Kubo's documentation of its configuration, 0.42; ``auto`` in a list stands for the hosts that AutoConf's server names.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

_AUTOCONF: Final = "https://conf.ipfs-mainnet.org/autoconf.json"
_AUTOTLS: Final = ("https://registration.libp2p.direct", "libp2p.direct")


def list_third_parties(config: Mapping[str, Any]) -> list[str]:
    """Return the hosts of others that a node with this configuration uses, each with what for."""
    return list(dict.fromkeys(_third_parties(config)))


def announces_nothing(config: Mapping[str, Any]) -> bool:
    """Return whether the node announces no blocks, so that only peers that know it find them (``Provide``, once ``Reprovider``)."""
    provide = _section(config, "Provide")
    if provide.get("Enabled") is False:
        return True
    return str(_section(config, "Reprovider").get("Interval") or "") in {"0", "0s"}


def _third_parties(config: Mapping[str, Any]) -> Iterator[str]:
    autoconf = _section(config, "AutoConf")
    automatic = autoconf.get("Enabled") is not False
    if automatic and _uses_auto(config):
        yield f"{_host(autoconf.get('URL') or _AUTOCONF)} (AutoConf)"
    tls = _section(config, "AutoTLS")
    if tls.get("Enabled") is not False:
        yield f"{_host(tls.get('RegistrationEndpoint') or _AUTOTLS[0])} (AutoTLS)"
        yield f"{tls.get('DomainSuffix') or _AUTOTLS[1]} (AutoTLS)"
    routing = _section(config, "Routing")
    for use, urls in (
        ("delegated routing", routing.get("DelegatedRouters")),
        ("delegated publishing", _section(config, "Ipns").get("DelegatedPublishers")),
        ("DNS", list(_section(_section(config, "DNS"), "Resolvers").values())),
    ):
        for url in _texts(urls):
            if url != "auto":
                yield f"{_host(url)} ({use})"


def _uses_auto(config: Mapping[str, Any]) -> bool:
    lists = (
        config.get("Bootstrap"),
        _section(config, "Routing").get("DelegatedRouters"),
        _section(config, "Ipns").get("DelegatedPublishers"),
        list(_section(_section(config, "DNS"), "Resolvers").values()),
    )
    return any("auto" in _texts(values) for values in lists)


def _section(config: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = config.get(name)
    return found if isinstance(found, Mapping) else {}


def _texts(values: object) -> list[str]:
    return [value for value in values if isinstance(value, str)] if isinstance(values, Sequence) else []


def _host(url: object) -> str:
    text = str(url)
    try:
        return urlsplit(text).hostname or text
    except ValueError:
        return text
