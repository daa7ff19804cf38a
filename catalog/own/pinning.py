"""Copies of the own catalogue at pinning services: each is asked for the newest snapshot, and keeps the one before until it has it.

A service is no place that archives move to: what it says of itself cannot be checked, so nothing is deleted here for it. Whatever a
service refuses is a warning, and the next share asks again. A crash leaves at most one request too many, which is found by its CID.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from time import monotonic, sleep
from typing import Final

from catalog.clients.kubo import KuboClient
from catalog.clients.pinning import FAILED, PINNED, PinningClient, ServicePin
from catalog.errors import UnavailableError
from catalog.home.home import Home
from catalog.ipld.cid import Cid
from catalog.ipns.record import Record
from catalog.own.nodes import pin_name
from catalog.progress import Progress, Step
from catalog.trust.store import get_note, put_note

_FIRST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 2.0
_CONNECTED: Final = 3  # delegates of a service that the node connects with


@dataclass(frozen=True, slots=True)
class ServiceState:
    """What a service has of the own catalogue, as it was when it was last ``checked``.

    ``root`` is the snapshot that it was last asked for, by ``request``, and ``state`` its state in the service's words;
    ``problem`` says what the service refused or why it cannot be asked. ``pinned`` is the snapshot that it keeps for certain, and
    ``left`` are earlier requests, to be deleted once it keeps a newer one.
    """

    name: str
    url: str
    root: str = ""
    request: str = ""
    state: str = ""
    problem: str = ""
    checked: str = ""
    pinned: str = ""
    left: tuple[str, ...] = ()


def share_to_services(
    home: Home, services: Iterable[PinningClient], node: KuboClient, root: Cid, record: Record, progress: Progress
) -> list[ServiceState]:
    """Ask each service to keep the snapshot under ``root``, which ``node`` has; return what each says. Nothing is raised."""
    found = []
    for client in services:
        progress(Step("phase", f"Asking the pinning service {client.name}"))
        try:
            state = _Service(home, client, node, pin_name(record.name)).keep(root)
        except UnavailableError as error:
            words = f"{error.message}: {error.why}" if error.why else error.message
            state = replace(service_state(home, client.name, client.url), problem=words, checked=home.time)
            _remember(home, state)
        found.append(state)
    return found


def service_state(home: Home, name: str, url: str) -> ServiceState:
    """Return what is known of a service; an empty state where it was never asked, or had another URL then."""
    with home.trust.read() as connection:
        text = get_note(connection, _key(name))
    if text:
        found = json.loads(text)
        if found["url"] == url:
            return ServiceState(**(found | {"left": tuple(found["left"])}))
    return ServiceState(name, url)


class _Service:
    def __init__(self, home: Home, client: PinningClient, node: KuboClient, pin: str) -> None:
        self._home = home
        self._client = client
        self._node = node
        self._pin = pin
        self._state = service_state(home, client.name, client.url)

    def keep(self, root: Cid) -> ServiceState:
        """Ask for ``root`` unless that was done, wait a little, and delete what was kept before once it is pinned."""
        pin = self._wait(self._find(root) or self._ask_for(root))
        self._note(pin)
        if pin.state == PINNED:
            self._release()
        return self._state

    def _find(self, root: Cid) -> ServicePin | None:
        """Return the request for ``root`` that was made before, unless it failed or is gone."""
        if self._state.root != str(root):
            return None
        pin = self._client.look(self._state.request) if self._state.request else self._client.find(root)
        if pin is not None and pin.state == FAILED:
            self._client.delete(pin.request)
            return None
        return pin

    def _ask_for(self, root: Cid) -> ServicePin:
        left = [*self._state.left, *([self._state.request] if self._state.request and self._state.root != str(root) else [])]
        self._put(replace(self._state, root=str(root), request="", state="", left=tuple(dict.fromkeys(left))))  # found if killed
        pin = self._client.add(root, self._pin, self._node.list_addresses())
        self._put(replace(self._state, request=pin.request, left=tuple(one for one in left if one != pin.request)))
        for address in pin.delegates[:_CONNECTED] if pin.state != PINNED else ():
            self._node.connect_peer(address)
        return pin

    def _wait(self, pin: ServicePin) -> ServicePin:
        end = monotonic() + self._client.timeouts.service
        pause = _FIRST_PAUSE
        while pin.state not in {PINNED, FAILED} and monotonic() < end:
            sleep(min(pause, max(0.0, end - monotonic())))
            pause = min(pause * 1.5, _LONGEST_PAUSE)
            pin = self._client.look(pin.request) or pin
        return pin

    def _note(self, pin: ServicePin) -> None:
        words = pin.words if pin.state == FAILED else ""
        known = replace(self._state, state=pin.state, problem=words, checked=self._home.time)
        self._put(replace(known, pinned=known.root) if pin.state == PINNED else known)

    def _release(self) -> None:
        for request in self._state.left:
            self._client.delete(request)
            self._put(replace(self._state, left=tuple(one for one in self._state.left if one != request)))

    def _put(self, state: ServiceState) -> None:
        self._state = state
        _remember(self._home, state)


def _remember(home: Home, state: ServiceState) -> None:
    with home.trust.write() as connection:
        put_note(connection, _key(state.name), json.dumps(asdict(state)))


def _key(name: str) -> str:
    return f"pinning {name}"
