"""What a Kubo node says of itself and of the own catalogue, for a diagnosis."""

from dataclasses import dataclass
from typing import Final

from catalog.clients.kubo import KuboClient, parse_version
from catalog.clients.kubo_config import announces_nothing, list_third_parties
from catalog.errors import UnavailableError
from catalog.home.home import Home
from catalog.own.nodes import kubo_state, pin_name
from catalog.own.signing import own_name

LISTS_PINS_BLOCKING: Final = (0, 42, 0)  # before it, `pin ls` waits for every other pin operation


@dataclass(frozen=True, slots=True)
class NodeReport:
    """A Kubo node: its version, and whether that is so old that it lists pins slowly.

    ``root`` is what it was given of the own catalogue, empty for nothing; ``pinned`` says whether it still pins that, ``partial``
    that archives of it lost blocks. ``third_parties`` are hosts of others that the node uses, None if it hides its configuration.
    ``silent`` says that it announces no blocks.
    """

    version: str
    slow: bool
    root: str
    pinned: bool
    partial: bool
    third_parties: tuple[str, ...] | None
    silent: bool


def inspect_node(home: Home, client: KuboClient) -> NodeReport:
    """Ask the node; raise `UnavailableError` where it is down, closed, too old, or the proxy of a cluster."""
    version = client.version()
    state = kubo_state(home, client.url)
    root = state.substitute or state.root
    name = own_name(home)
    pins = client.find_pins(pin_name(name) if name is not None else "dcat")  # refused by the proxy of a cluster
    try:
        config = client.read_config()
    except UnavailableError:
        config = None
    return NodeReport(
        version=version,
        slow=parse_version(version) < LISTS_PINS_BLOCKING,
        root=root,
        pinned=root in pins,
        partial=bool(state.substitute),
        third_parties=None if config is None else tuple(list_third_parties(config)),
        silent=config is not None and announces_nothing(config),
    )
