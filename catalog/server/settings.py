"""The settings of a server: where it listens, whom it answers, and its limits as values that tests scale down."""

import ipaddress
from dataclasses import dataclass, field
from typing import Literal

from catalog import limits
from catalog.errors import InvalidConfigError

DEFAULT_PORT = 5078
MAX_PORT = 65535
LOOPBACK = "127.0.0.1"
EVERYWHERE = "0.0.0.0"  # noqa: S104  # only ever with `public`


Compress = Literal["auto", "always", "never"]


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """The limits of one server; the defaults are those of `catalog.limits`."""

    header_timeout: float = limits.HEADER_TIMEOUT
    body_timeout: float = limits.BODY_TIMEOUT
    idle_timeout: float = limits.IDLE_TIMEOUT
    shutdown_timeout: float = limits.SHUTDOWN_TIMEOUT
    download_timeout: float = limits.DOWNLOAD_TIMEOUT
    header_size: int = limits.MAX_HEADER_SIZE
    body_size: int = limits.MAX_WRITE_BODY
    buffered_bodies: int = limits.MAX_BUFFERED_BODIES
    stalled_bytes: int = limits.MAX_STALLED_BYTES
    stall_grace: float = limits.STALL_GRACE
    connections: int = limits.MAX_CONNECTIONS
    in_flight: int = limits.MAX_REQUESTS_IN_FLIGHT
    per_client: int = limits.MAX_REQUESTS_PER_CLIENT


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """Where a server listens and whom it answers.

    Without ``public`` it listens on a loopback address only; with it and no ``host``, on every address. ``allowed_hosts`` are
    further values of the Host header, without a port. ``token`` guards everything but ``/health``. Port 0 takes a free one.
    ``compress`` says when the registry encodes layers: ``auto`` makes no gzip for clients on this machine. With ``push``
    clients may publish; a server that others reach takes pushes only with a token.
    """

    host: str | None = None
    port: int = DEFAULT_PORT
    public: bool = False
    allowed_hosts: tuple[str, ...] = ()
    token: str | None = field(default=None, repr=False)
    compress: Compress = "auto"
    push: bool = False
    limits: ServerLimits = ServerLimits()

    def __post_init__(self) -> None:
        if not 0 <= self.port <= MAX_PORT:
            raise InvalidConfigError(f"cannot listen on port {self.port}", why=f"ports go from 0 to {MAX_PORT}")
        if self.push and self.public and self.token is None:
            raise InvalidConfigError(
                "pushes are not taken from everybody",
                why="whoever reaches this server could publish in your name",
                hint="require a token, or serve this machine only",
            )

    @property
    def listening_host(self) -> str:
        """Return the address to bind; raise `InvalidConfigError` where others can reach it and ``public`` is not set."""
        host = (self.host or (EVERYWHERE if self.public else LOOPBACK)).removeprefix("[").removesuffix("]")
        if not self.public and not is_loopback(host):
            raise InvalidConfigError(
                f'"{host}" can be reached from outside this machine',
                why="a server listens on loopback only, unless told to be public",
                hint="say that it is public, or listen on 127.0.0.1",
            )
        return host


def is_loopback(host: str) -> bool:
    """Return whether an address (or ``localhost``) is a loopback one."""
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback
