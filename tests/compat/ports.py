"""Ports of loopback for programs that cannot be told to take any free one, or that need theirs again after a restart."""

import random
import socket
from contextlib import suppress


def free_port() -> int:
    """Return a port of loopback that nobody uses, below those that the system gives to connections: nothing takes it meanwhile."""
    return free_ports(1)[0]


def free_ports(count: int) -> list[int]:
    """Return as many different ones."""
    chance = random.SystemRandom()  # another process of this run must not draw the same
    found: list[int] = []
    while len(found) < count:
        port = chance.randrange(15_000, 32_000)
        with socket.socket() as one, suppress(OSError):
            one.bind(("127.0.0.1", port))
            if port not in found:
                found.append(port)
    return found
