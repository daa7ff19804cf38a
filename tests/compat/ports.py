"""Ports of loopback for programs that cannot be told to take any free one, or that need theirs again after a restart."""

import os
import random
import socket
from contextlib import suppress

_LOWEST, _HIGHEST = 15_000, 32_000  # below the ports that the system gives to connections
_PROCESSES = 16  # of a parallel run that draw from ports of their own
_given: set[int] = set()


def free_port() -> int:
    """Return a port of loopback that nobody uses, below those that the system gives to connections: nothing takes it meanwhile."""
    return free_ports(1)[0]


def free_ports(count: int) -> list[int]:
    """Return as many different ones. None is returned twice, and none that another process of a parallel run may return."""
    chance = random.SystemRandom()  # another run must not draw the same
    size = (_HIGHEST - _LOWEST) // _PROCESSES
    first = _LOWEST + size * (int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % _PROCESSES)
    found: list[int] = []
    while len(found) < count:
        port = chance.randrange(first, first + size)
        with socket.socket() as one, suppress(OSError):
            one.bind(("127.0.0.1", port))
            if port not in _given:
                _given.add(port)
                found.append(port)
    return found
