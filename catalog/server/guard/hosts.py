"""The Host header values that a server answers to: the defence against DNS rebinding.

Any web page can point its own host name at this machine and then read, as its own origin, what answers there. So a name that is not
this machine's is refused on every route. Considered: checking only writes, as many servers do; but here reads are what is private.
"""

import ipaddress
import re

from catalog.errors import InvalidConfigError
from catalog.server.settings import ServerSettings

_HOST = re.compile(r"(\[[0-9a-fA-F:.]{2,45}\]|[A-Za-z0-9._-]{1,255})(?::[0-9]{1,5})?", re.ASCII)
_ALWAYS = frozenset({"localhost", "127.0.0.1", "::1", "host.docker.internal"})
# Suffixes that cannot be registered: the local network assigned a name under them.
_LOCAL_SUFFIXES = ("local", "lan", "home.arpa", "internal")


class HostList:
    """The Host values of one server. ``own_names`` are those of this machine; they count only on a public server."""

    def __init__(self, settings: ServerSettings, own_names: tuple[str, ...] = ()) -> None:
        names = set(_ALWAYS)
        names.update(map(_read_allowed, settings.allowed_hosts))
        if settings.public:
            for name in filter(None, map(_normalise, own_names)):
                label = name.split(".")[0]
                names.update((name, label, *(f"{label}.{suffix}" for suffix in _LOCAL_SUFFIXES)))
        self._names = frozenset(names)
        self._public = settings.public

    def allows(self, host: str, local_address: str | None) -> bool:
        """Return whether the header value ``host`` names this server.

        ``local_address`` is the address on which the connection arrived: a public server answers to that literal too.
        """
        match = _HOST.fullmatch(host)
        if match is None:
            return False
        name = _normalise(match[1])
        return name in self._names or (self._public and local_address is not None and name == _normalise(local_address))


def _read_allowed(text: str) -> str:
    """Return the name in ``NAME``, ``NAME:PORT`` or a URL; raise `InvalidConfigError` for what no Host can be, as a wildcard."""
    match = _HOST.fullmatch(re.sub(r"\Ahttps?://|/.*\Z", "", text.strip(), flags=re.IGNORECASE))
    if match is None:
        raise InvalidConfigError(
            f'"{text[:200]}" cannot be an allowed host',
            why="a Host is a name or an address",
            hint="--allowed-host dcat.example.org",
        )
    return _normalise(match[1])


def _normalise(host: str) -> str:
    """Return the one spelling of a name or address: lower case, no brackets, no final dot, mapped IPv4 as IPv4."""
    text = host.strip("[]").split("%")[0].lower()
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return text.removesuffix(".")
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)
