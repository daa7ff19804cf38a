"""Which requests go through a proxy, from values that the caller read from the environment.

``no_proxy`` is read as curl and Go read it: ``*``, host names with all that is under them, addresses, networks, each with an
optional port. This machine itself is never reached through a proxy.
"""

import ipaddress
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Proxies:
    """The proxy settings of the environment, passed in as values."""

    http: str | None = None
    https: str | None = None
    no_proxy: tuple[str, ...] = ()

    def find(self, scheme: str, host: str, port: int) -> str | None:
        """Return the proxy for a request, or None if it needs none."""
        proxy = self.https if scheme == "https" else self.http
        if not proxy or _is_here(host) or any(_matches(entry.strip().lower(), host.lower(), port) for entry in self.no_proxy):
            return None
        return proxy if "://" in proxy else f"http://{proxy}"


def _is_here(host: str) -> bool:
    address = _parse_address(host)
    return host.lower() == "localhost" if address is None else address.is_loopback


def _matches(entry: str, host: str, port: int) -> bool:
    if entry == "*":
        return True
    name, port_text = _split_port(entry)
    if port_text is not None and int(port_text) != port:
        return False
    entry = name
    if not entry:
        return False
    address = _parse_address(host)
    if address is not None:
        try:
            return address in ipaddress.ip_network(entry, strict=False)
        except ValueError:
            return False
    entry = entry.removeprefix("*").lstrip(".")
    return host == entry or host.endswith(f".{entry}")


def _split_port(entry: str) -> tuple[str, str | None]:
    if entry.startswith("["):
        name, _, rest = entry[1:].partition("]")
        return name, rest[1:] if rest[:1] == ":" and rest[1:].isdecimal() else None
    name, _, number = entry.partition(":")
    return (name, number) if number.isdecimal() else (entry, None)


def _parse_address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return None
