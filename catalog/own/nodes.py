"""What this home knows of the places that it shares its catalogue through, kept as notes of its trust store.

For each place, by its key (`catalog.own.places`): the snapshot and record that were put there; of a cluster also the replicas that
were found (`catalog.own.cluster`). And the place that archives moved to (`catalog.own.moving`).
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
    """The snapshot that a place keeps, the sequence of the record that was last put through it, and when.

    ``substitute`` is what it pins in place of a snapshot of which blocks are lost (`catalog.own.incomplete`).
    """

    root: str = ""
    sequence: int = -1
    offered: str = ""
    substitute: str = ""


@dataclass(frozen=True, slots=True)
class ReplicaState:
    """The replicas of the own catalogue in a cluster, as they were found when it was last ``checked`` (empty: never).

    ``root`` is what was counted, ``pinned`` in how many nodes, ``least`` and ``most`` how many were wanted, ``problem`` what kept
    the cluster from having enough. ``left`` are roots that were pinned before, or in vain: they are unpinned once a newer one has
    enough replicas. ``batching`` says that the cluster records pins in batches, None where that was not seen yet.
    """

    root: str = ""
    pinned: int = 0
    least: int = 0
    most: int = 0
    checked: str = ""
    problem: str = ""
    left: tuple[str, ...] = ()
    batching: bool | None = None


@dataclass(frozen=True, slots=True)
class ArchivePlace:
    """The place that archives moved to, by its key (empty: none did), and the snapshot up to which (empty: not certain)."""

    url: str = ""
    root: str = ""


def pin_name(name: IpnsName) -> str:
    """Return the name of the one pin that a catalogue has in a node."""
    return f"dcat {name}"


def kubo_state(home: Home, place: str) -> KuboState:
    """Return the state of a place; an empty one where nothing was put there yet."""
    with home.trust.read() as connection:
        text = get_note(connection, _key(place))
    return KuboState(**json.loads(text)) if text else KuboState()


def remember_state(home: Home, place: str, state: KuboState) -> None:
    """Remember the state of a place."""
    with home.trust.write() as connection:
        _put(connection, _key(place), state)


def replica_state(home: Home, place: str) -> ReplicaState:
    """Return what is known of the replicas in a cluster; an empty state where none were counted yet."""
    with home.trust.read() as connection:
        text = get_note(connection, _replicas_key(place))
    if not text:
        return ReplicaState()
    found = json.loads(text)
    return ReplicaState(**(found | {"left": tuple(found["left"])}))


def remember_replicas(home: Home, place: str, state: ReplicaState) -> None:
    """Remember the replicas in a cluster."""
    with home.trust.write() as connection:
        _put(connection, _replicas_key(place), state)


def moved_to(home: Home) -> ArchivePlace:
    """Return the place that this home's archives moved to."""
    with home.trust.read() as connection:
        text = get_note(connection, _MOVED)
    return ArchivePlace(**json.loads(text)) if text else ArchivePlace()


def remember_place(home: Home, place: ArchivePlace) -> None:
    """Remember the place that this home's archives moved to."""
    with home.trust.write() as connection:
        _put(connection, _MOVED, place)


def distrust(home: Home, place: str) -> None:
    """Note that a place lost blocks: everything is sent there again, and until then nothing counts as moved."""
    with home.trust.write() as connection:
        _put(connection, _key(place), KuboState())
        text = get_note(connection, _MOVED)
        if text and json.loads(text)["url"] == place:
            _put(connection, _MOVED, ArchivePlace(place))


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


def _put(connection: Connection, key: str, value: KuboState | ReplicaState | ArchivePlace) -> None:
    put_note(connection, key, json.dumps(asdict(value)))


def _key(place: str) -> str:
    return f"kubo {place}"


def _replicas_key(place: str) -> str:
    return f"replicas {place}"
