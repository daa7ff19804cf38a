"""Which requests go through which proxy, by values that the caller read from the environment.

The variables are those of curl: ``http_proxy``, ``https_proxy``, ``all_proxy`` and ``no_proxy``, lower case before upper case.
``no_proxy`` is read as curl and Go read it: ``*``, host names with everything below them, addresses and networks, each with an
optional port, separated by commas or blanks. This machine is never asked through a proxy.
Source: curl(1), "Environment"; golang.org/x/net/http/httpproxy.
"""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self
from urllib.parse import unquote, urlsplit

from catalog.errors import InvalidConfigError

_SCHEMES: Final = ("http", "https", "socks5", "socks5h")
_PORTS: Final = {"http": 1080, "https": 443, "socks5": 1080, "socks5h": 1080}  # curl's


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy by its URL; ``name`` is its host and port, for messages."""

    url: str
    name: str
    scheme: str
    host: str
    port: int
    user: str = ""
    password: str = ""

    @property
    def is_socks(self) -> bool:
        return self.scheme.startswith("socks")


@dataclass(frozen=True, slots=True)
class Proxies:
    """What the environment says about proxies."""

    http: str | None = None
    https: str | None = None
    all: str | None = None
    no_proxy: str = ""

    @classmethod
    def of_variables(cls, variables: Mapping[str, str]) -> Self:
        """Return what the variables of an environment say."""
        http, https, everything, no_proxy = (
            variables.get(name) or variables.get(name.upper()) or ""
            for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
        )
        return cls(http, https, everything, no_proxy)

    def find(self, scheme: str, host: str, port: int) -> Proxy | None:
        """Return the proxy for a request, or None if there is none; raise `InvalidConfigError` if its URL is malformed."""
        url = (self.https if scheme == "https" else self.http) or self.all
        if not url or is_this_machine(host):
            return None
        if any(_matches(entry, host.lower(), port) for entry in re.split(r"[\s,]+", self.no_proxy.lower()) if entry):
            return None
        return parse_proxy(url)


def parse_proxy(text: str) -> Proxy:
    """Return the proxy of a URL; without a scheme it is an HTTP proxy. Raise `InvalidConfigError`; the error hides passwords."""
    url = text.strip() if "://" in text else f"http://{text.strip()}"
    shown = re.sub(r"//[^/]*@", "//", url)[:200]
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise InvalidConfigError(f'the proxy "{shown}" is not a URL', why=str(error)) from error
    if parts.scheme not in _SCHEMES:
        raise InvalidConfigError(f'proxies of the kind "{parts.scheme}" are not supported', why=f"the proxy is {shown}", hint=_HINT)
    if not parts.hostname or port == 0:
        raise InvalidConfigError(f'the proxy "{shown}" has no host', hint=_HINT)
    port = port or _PORTS[parts.scheme]
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    login = f"{parts.netloc.rpartition('@')[0]}@" if "@" in parts.netloc else ""
    return Proxy(
        f"{parts.scheme}://{login}{host}:{port}",
        f"{host}:{port}",
        parts.scheme,
        parts.hostname,
        port,
        unquote(parts.username or ""),
        unquote(parts.password or ""),
    )


_HINT: Final = "a proxy reads http://host:port, https://host:port, socks5://host:port or socks5h://host:port"


def is_this_machine(host: str) -> bool:
    """Return whether a host is this machine by its name or address: ``localhost``, names below it (RFC 6761), loopback."""
    address = _parse_address(host)
    name = host.lower().rstrip(".")
    return name == "localhost" or name.endswith(".localhost") if address is None else address.is_loopback


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
    entry = entry.removeprefix("*").strip(".")
    return bool(entry) and (host == entry or host.endswith(f".{entry}"))


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
