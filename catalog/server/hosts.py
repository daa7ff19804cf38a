"""Which values of the Host header are answered: the guard against DNS rebinding.

A page from anywhere can point its own name at this machine and then read, as its own origin, whatever answers there. So a name that
is not this machine's is refused on every route, reads included. Considered: to look only at writes, as many do; but here the reads
are what is private.
"""

import ipaddress
import re

from catalog.server.settings import ServerSettings

_HOST = re.compile(r"(\[[0-9a-fA-F:.]{2,45}\]|[A-Za-z0-9._-]{1,255})(?::[0-9]{1,5})?", re.ASCII)
_ALWAYS = frozenset({"localhost", "127.0.0.1", "::1", "host.docker.internal"})
# Suffixes that nobody can register: a name under them is one that the local network gave.
_LOCAL_SUFFIXES = ("local", "lan", "home.arpa", "internal")


class HostList:
    """The Host values that a server answers to. ``own_names`` are this machine's; they count only where it is public."""

    def __init__(self, settings: ServerSettings, own_names: tuple[str, ...] = ()) -> None:
        names = set(_ALWAYS)
        names.update(filter(None, map(_normalise, settings.allowed_hosts)))
        if settings.public:
            for name in filter(None, map(_normalise, own_names)):
                label = name.split(".")[0]
                names.update((name, label, *(f"{label}.{suffix}" for suffix in _LOCAL_SUFFIXES)))
        self._names = frozenset(names)
        self._public = settings.public

    def allows(self, host: str, local_address: str | None) -> bool:
        """Tell whether ``host``, the header's value, names this server.

        ``local_address`` is the address that the connection came in on: on a public server that literal is this host's by itself.
        """
        match = _HOST.fullmatch(host)
        if match is None:
            return False
        name = _normalise(match[1])
        return name in self._names or (self._public and local_address is not None and name == _normalise(local_address))


def _normalise(host: str) -> str:
    """Give one spelling of a name or address: lower case, no brackets, no final dot, IPv4 as IPv4."""
    text = host.strip("[]").split("%")[0].lower()
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return text.removesuffix(".")
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)
