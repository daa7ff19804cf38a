"""What this home knows of Kubo nodes: notes of its trust store.

For each node, by its URL, what it was given; and which node this home's archives moved to (`catalog.own.moving`).
"""

import json
from dataclasses import asdict, dataclass

from sqlalchemy import Connection

from catalog.home.home import Home
from catalog.trust.store import get_note, put_note

_MOVED = "moved"


@dataclass(frozen=True, slots=True)
class KuboState:
    """What a node was given: the snapshot that it pins, and the sequence of the record that it offered last, and when."""

    root: str = ""
    sequence: int = -1
    offered: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """The node that archives moved to, empty where none did, and the snapshot up to which they did; empty where that is unsure."""

    url: str = ""
    root: str = ""


def kubo_state(home: Home, url: str) -> KuboState:
    """Give what the node at ``url`` was given; nothing yet is an empty state."""
    with home.trust.read() as connection:
        text = get_note(connection, _key(url))
    return KuboState(**json.loads(text)) if text else KuboState()


def remember_state(home: Home, url: str, state: KuboState) -> None:
    """Keep what the node at ``url`` was given."""
    with home.trust.write() as connection:
        _put(connection, _key(url), state)


def moved_to(home: Home) -> Place:
    """Give where this home's archives moved to."""
    with home.trust.read() as connection:
        text = get_note(connection, _MOVED)
    return Place(**json.loads(text)) if text else Place()


def remember_place(home: Home, place: Place) -> None:
    """Keep where this home's archives moved to."""
    with home.trust.write() as connection:
        _put(connection, _MOVED, place)


def distrust(home: Home, url: str) -> None:
    """Note that the node at ``url`` misses something: all that is here goes there again, and until then nothing counts as moved."""
    with home.trust.write() as connection:
        _put(connection, _key(url), KuboState())
        text = get_note(connection, _MOVED)
        if text and json.loads(text)["url"] == url:
            _put(connection, _MOVED, Place(url))


def _put(connection: Connection, key: str, value: KuboState | Place) -> None:
    put_note(connection, key, json.dumps(asdict(value)))


def _key(url: str) -> str:
    return f"kubo {url}"
