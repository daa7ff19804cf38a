"""Where a host name may lead: every connection resolves, checks and then connects to the address that was checked.

A source is not trusted, so neither is where it redirects to: a public host may not lead into the machine or the network of the user
(server-side request forgery), also not by a name whose address changes between two look-ups. Kinds are those of the *embedded*
address where an IPv6 form wraps an IPv4 one (mapped, compatible, NAT64, 6to4, Teredo).
Sources: RFC 1918, 4193, 6598, 6052, 3056, 4380; safety.md row B6.
"""

import ipaddress
import socket
import threading
from collections.abc import Callable
from typing import Literal, NamedTuple

from catalog.errors import UnavailableError

AddressKind = Literal["public", "private", "loopback", "link-local", "unspecified", "multicast"]

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_LOCAL_NAT64 = ipaddress.IPv6Network("64:ff9b:1::/48")
_SITE_LOCAL = ipaddress.IPv6Network("fec0::/10")


class Address(NamedTuple):
    """What a socket connects to."""

    family: int
    sockaddr: tuple[str, int] | tuple[str, int, int, int] | str

    @property
    def text(self) -> str:
        return self.sockaddr if isinstance(self.sockaddr, str) else self.sockaddr[0]


LookUp = Callable[[str, int], list[Address]]


def classify_address(text: str) -> AddressKind:
    """Tell the kind of an IP address; raise ``ValueError`` for what is none."""
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address) and (embedded := _embedded_ipv4(address)) is not None:
        address = embedded
    if address.is_multicast or address == ipaddress.IPv4Address("255.255.255.255"):
        return "multicast"
    if address.is_unspecified:
        return "unspecified"
    if address.is_loopback:
        return "loopback"
    if address.is_link_local:
        return "link-local"
    if not address.is_global or address in _SITE_LOCAL or address in _LOCAL_NAT64:
        return "private"
    return "public"


def look_up(host: str, port: int) -> list[Address]:
    """Ask the system's resolver."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [Address(int(family), sockaddr) for family, _, _, _, sockaddr in found]  # type: ignore[arg-type]


def resolve_host(host: str, port: int, timeout: float, look_up_host: LookUp = look_up) -> list[Address]:
    """Give the addresses of a host within ``timeout`` seconds; raise `UnavailableError` where there are none.

    The system's resolver cannot be interrupted, so it runs aside: a dead name server costs the time that was allowed and no more.
    """
    found: list[Address] = []
    failure: list[Exception] = []

    def run() -> None:
        try:
            found.extend(look_up_host(host, port))
        except (OSError, UnicodeError) as error:
            failure.append(error)

    if _is_literal(host):
        run()
    else:
        thread = threading.Thread(target=run, name="resolve", daemon=True)
        thread.start()
        thread.join(timeout)
        if thread.is_alive():
            raise UnavailableError(f"{host} has no address yet", why=f"the name server did not answer within {timeout:g} s")
    if not found:
        raise UnavailableError(f"{host} has no address", why=str(failure[0]) if failure else "the name server knows none")
    return found


class AddressRule:
    """Which addresses one configured host, and whatever it redirects to, may have.

    Public ones always; others only of the kinds that the configured host itself had when it was first looked up, and none where
    any of its addresses was public then.
    """

    def __init__(self, host: str, *, look_up_host: LookUp = look_up) -> None:
        self._host = host.lower()
        self._look_up = look_up_host
        self._allowed: frozenset[AddressKind] | None = None
        self._lock = threading.Lock()

    def resolve(self, host: str, port: int, timeout: float) -> list[Address]:
        """Give those addresses of ``host`` that may be connected to; raise `UnavailableError` where there is none."""
        return self._check(host, resolve_host(host, port, timeout, self._look_up))

    def _check(self, host: str, addresses: list[Address]) -> list[Address]:
        kinds = [classify_address(address.text) for address in addresses]
        allowed = self._kinds_allowed(host, kinds)
        checked = [address for address, kind in zip(addresses, kinds, strict=True) if kind in allowed]
        if not checked:
            raise UnavailableError(
                f"{host} was not asked: {addresses[0].text} is a {kinds[0]} address",
                why=f"{self._host} may not lead there",
            )
        return checked

    def check_behind_proxy(self, host: str, port: int, timeout: float) -> None:
        """Refuse a host that is known here to lead elsewhere than allowed; one that only the proxy can resolve passes."""
        try:
            addresses = resolve_host(host, port, timeout, self._look_up)
        except UnavailableError:
            return
        self._check(host, addresses)

    def _kinds_allowed(self, host: str, kinds: list[AddressKind]) -> frozenset[AddressKind]:
        with self._lock:
            if self._allowed is None:
                if host.lower() != self._host:
                    return frozenset({"public"})
                seen: set[AddressKind] = set(kinds)
                self._allowed = frozenset({"public"} if "public" in seen else seen - {"multicast"} | {"public"})
            return self._allowed


class SocketRule(AddressRule):
    """All requests go to one Unix socket, whatever their host."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost")
        self._path = path

    def resolve(self, host: str, port: int, timeout: float) -> list[Address]:  # noqa: ARG002
        return [Address(int(socket.AF_UNIX), self._path)]


def _embedded_ipv4(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    value = int(address)
    if address in _NAT64 or 1 < value < 1 << 32:  # NAT64, IPv4-compatible
        return ipaddress.IPv4Address(value & 0xFFFFFFFF)
    return None


def _is_literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True
