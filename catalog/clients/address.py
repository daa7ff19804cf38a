"""Which addresses a host may have: each connection resolves a name, checks the address, and connects to the checked one.

A source is not trusted, and neither are its redirects: a public host may not lead to the user's machine or network (server-side
request forgery), not even by a name whose address changes between two look-ups. If an IPv6 address embeds an IPv4 one (mapped,
compatible, NAT64, 6to4, Teredo), the embedded one is checked.
Sources: RFC 1918, 4193, 6598, 6052, 3056, 4380; docs/safety.md B6.
"""

import ipaddress
import re
import socket
import threading
from collections.abc import Callable
from typing import Literal, NamedTuple

from catalog.errors import UnavailableError

AddressKind = Literal["public", "private", "loopback", "link-local", "unspecified", "multicast"]

_NOISE = re.compile(r"\[SSL[^\[\]]*\] | ?\(_ssl\.c:[0-9]{1,9}\)")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_LOCAL_NAT64 = ipaddress.IPv6Network("64:ff9b:1::/48")
_SITE_LOCAL = ipaddress.IPv6Network("fec0::/10")


class Address(NamedTuple):
    """The address of a socket."""

    family: int
    sockaddr: tuple[str, int] | tuple[str, int, int, int] | str

    @property
    def text(self) -> str:
        return self.sockaddr if isinstance(self.sockaddr, str) else self.sockaddr[0]


LookUp = Callable[[str, int], list[Address]]


def classify_address(text: str) -> AddressKind:
    """Return the kind of an IP address; raise ``ValueError`` if it is not one."""
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


def explain(error: BaseException) -> str:
    """Return what an exception of the system or of TLS says, without its numbers and places in code."""
    text = str(getattr(error, "verify_message", "") or getattr(error, "strerror", "") or error)
    text = text.rpartition("object at 0x")[2].partition(">: ")[2] or text
    return _NOISE.sub("", text) or type(error).__name__


def look_up(host: str, port: int) -> list[Address]:
    """Resolve a host by the system's resolver; names below ``localhost`` are this machine (RFC 6761)."""
    if host.lower().rstrip(".").endswith(".localhost"):
        return [Address(int(socket.AF_INET), ("127.0.0.1", port)), Address(int(socket.AF_INET6), ("::1", port, 0, 0))]
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [Address(int(family), sockaddr) for family, _, _, _, sockaddr in found]  # type: ignore[arg-type]


def resolve_host(host: str, port: int, timeout: float, look_up_host: LookUp = look_up) -> list[Address]:
    """Return the addresses of a host; raise `UnavailableError` if there are none, or none within ``timeout`` seconds.

    The system's resolver cannot be interrupted, so it runs in a thread of its own, which is abandoned after ``timeout``.
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
            raise UnavailableError(f"{host} could not be resolved", why=f"the name server did not answer within {timeout:g} s")
    if not found:
        raise UnavailableError(f"{host} has no address", why=explain(failure[0]) if failure else "the name server knows none")
    return found


class AddressRule:
    """The addresses that one configured host, and the hosts that it redirects to, may have.

    Public ones are always allowed. Of other kinds, those are allowed that the configured host had at the first look-up, provided
    that none of its addresses was public then.
    """

    def __init__(self, host: str, *, look_up_host: LookUp = look_up) -> None:
        self._host = host.lower()
        self._look_up = look_up_host
        self._allowed: frozenset[AddressKind] | None = None
        self._lock = threading.Lock()

    def resolve(self, host: str, port: int, timeout: float) -> list[Address]:
        """Return the allowed addresses of ``host``; raise `UnavailableError` if there are none."""
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
        """Raise `UnavailableError` if ``host`` resolves here to an address that is not allowed; it may not resolve here at all."""
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
    """The rule of a client of one Unix socket: every host resolves to that socket."""

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
