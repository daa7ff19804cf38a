"""What this home knows of Kubo nodes, kept as notes of its trust store.

For each node, by its URL: the snapshot and record that were put there. And the node that archives moved to (`catalog.own.moving`).
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass

from sqlalchemy import Connection

from catalog.home.home import Home
from catalog.ipns.name import IpnsName
from catalog.trust.store import confirm_target, get_note, is_confirmed, put_note

Consent = Callable[[str], bool]
"""Called with the URL of a Kubo node before anything becomes public through it; True permits it, for good."""

_MOVED = "moved"


@dataclass(frozen=True, slots=True)
class KuboState:
    """The snapshot that a node pins, the sequence of the record that was last put through it, and when.

    ``substitute`` is what it pins in place of a snapshot of which blocks are lost (`catalog.own.incomplete`).
    """

    root: str = ""
    sequence: int = -1
    offered: str = ""
    substitute: str = ""


@dataclass(frozen=True, slots=True)
class ArchivePlace:
    """The node that archives moved to (empty: none did), and the snapshot up to which they did (empty: not certain)."""

    url: str = ""
    root: str = ""


def pin_name(name: IpnsName) -> str:
    """Return the name of the one pin that a catalogue has in a node."""
    return f"dcat {name}"


def kubo_state(home: Home, url: str) -> KuboState:
    """Return the state of the node at ``url``; an empty one where nothing was put there yet."""
    with home.trust.read() as connection:
        text = get_note(connection, _key(url))
    return KuboState(**json.loads(text)) if text else KuboState()


def remember_state(home: Home, url: str, state: KuboState) -> None:
    """Remember the state of the node at ``url``."""
    with home.trust.write() as connection:
        _put(connection, _key(url), state)


def moved_to(home: Home) -> ArchivePlace:
    """Return the node that this home's archives moved to."""
    with home.trust.read() as connection:
        text = get_note(connection, _MOVED)
    return ArchivePlace(**json.loads(text)) if text else ArchivePlace()


def remember_place(home: Home, place: ArchivePlace) -> None:
    """Remember the node that this home's archives moved to."""
    with home.trust.write() as connection:
        _put(connection, _MOVED, place)


def distrust(home: Home, url: str) -> None:
    """Note that the node at ``url`` lost blocks: everything is sent there again, and until then nothing counts as moved."""
    with home.trust.write() as connection:
        _put(connection, _key(url), KuboState())
        text = get_note(connection, _MOVED)
        if text and json.loads(text)["url"] == url:
            _put(connection, _MOVED, ArchivePlace(url))


def has_consent(home: Home, url: str, consent: Consent | None) -> bool:
    """Return whether the own catalogue may become public through the node at ``url`` (docs/safety.md, A16).

    ``consent`` is asked unless it was given before; the trust store remembers it.
    """
    with home.trust.read() as connection:
        if is_confirmed(connection, url):
            return True
    if consent is None or not consent(url):
        return False
    with home.trust.write() as connection:
        confirm_target(connection, url, home.time)
    return True


def _put(connection: Connection, key: str, value: KuboState | ArchivePlace) -> None:
    put_note(connection, key, json.dumps(asdict(value)))


def _key(url: str) -> str:
    return f"kubo {url}"
