"""Releases of what clients pushed (``serve --push``): durable first, then answered, then signed and shared.

Many clients may push at once. Each release is made by itself; signing and sharing, deltas included, is done for all of them, one
round after the other, so that twenty pushes need few records. A round that fails makes no push fail: the release is durable, and
the next round shares it.
"""

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from time import monotonic
from typing import Final

from catalog.errors import DcatError
from catalog.home.home import Home
from catalog.intake.inbox import Inbox, PushedManifest
from catalog.intake.intake import Wanted
from catalog.intake.received import HeldImages, PushedSource
from catalog.model.platform import Platform
from catalog.model.reference import check_name, check_publishable
from catalog.operations.publish import publish
from catalog.own.share import Sharing, share_change
from catalog.sources.network import Network
from catalog.trust.ownership import check_own_name

_CHECKED_FOR: Final = 5.0  # seconds
_MOST_CHECKED: Final = 256  # names


@dataclass(frozen=True, slots=True)
class Pusher:
    """Who pushes: the user name that came with the token, empty without one, and the address."""

    user: str
    address: str

    def __str__(self) -> str:
        return f"{self.user} at {self.address}" if self.user else self.address

    @property
    def detail(self) -> dict[str, str]:
        """What the history keeps."""
        return ({"by": self.user} if self.user else {}) | {"from": self.address}


class Publisher:
    """Makes releases of what is in ``inbox``.

    ``open_home`` and ``open_network`` open the home and what it may reach, for one release or one round of sharing. ``log`` is
    called with a sentence, and the error where there is one.
    """

    def __init__(
        self,
        inbox: Inbox,
        open_home: Callable[[], AbstractContextManager[Home]],
        open_network: Callable[[Home], AbstractContextManager[Network]],
        log: Callable[[str, Exception | None], None],
        host: Platform,
    ) -> None:
        self.inbox = inbox
        self._open_home = open_home
        self._open_network = open_network
        self._log = log
        self._wanted = Wanted(host, all_platforms=True, max_size=inbox.max_size)
        self._rounds = _Rounds(self._share)
        self._checked: dict[str, float] = {}  # when names were found to be right

    def check_name(self, name: str) -> None:
        """Raise where nothing can be published under a name, before anything is sent.

        It is asked for each blob; what was right a moment ago is so for the next one, and a publish asks again.
        """
        now = monotonic()
        if now - self._checked.get(name, -_CHECKED_FOR) < _CHECKED_FOR:
            return
        check_name(name)
        with self._open_home() as home, home.trust.read() as connection:
            check_own_name(connection, name)
        if len(self._checked) >= _MOST_CHECKED:
            self._checked.clear()
        self._checked[name] = now

    def publish(self, name: str, version: str, manifest: PushedManifest, held: HeldImages, pusher: Pusher) -> None:
        """Publish the image or images that a manifest names; return once the release is durable. Then it is shared.

        Raise `DcatError` where it is refused.
        """
        label = f"push of {name}:{version} by {pusher}"
        try:
            check_publishable(name, version)
            source = PushedSource(self.inbox, name, manifest, held)
            self.inbox.begin()
            try:
                with self._open_home() as home, self._open_network(home) as network:
                    done = publish(
                        home,
                        name,
                        version,
                        source,
                        self._wanted,
                        sharing=Sharing(network),
                        shares=False,
                        by=pusher.detail,
                    )
                self.inbox.mark_taken(source.list_manifests())
            finally:
                self.inbox.end()
        except DcatError as error:
            self._log(f"{label} was refused", error)
            raise
        what = "published" if done.changed else "is published already"
        self._log(f"{label}: {what}, {', '.join(f'{image.archive} for {at}' for at, image in done.release.images.items())}", None)
        for warning in done.warnings:
            self._log(f"{label}: {warning}", None)
        self._rounds.request()

    def wait(self) -> None:
        """Return once everything that was published is shared, or could not be."""
        self._rounds.wait()

    def close(self) -> None:
        """Share what is not shared yet, and forget what was pushed and is not part of a release."""
        self.wait()
        self.inbox.close()

    def _share(self) -> None:
        """Sign and share everything that is published and not shared."""
        try:
            with self._open_home() as home, self._open_network(home) as network:
                shared, error = share_change(home, replace(Sharing(), network=network))
        except DcatError as failure:
            shared, error = None, failure
        if error is not None:
            self._log("sharing what was pushed", error)
        elif shared is not None and shared.pending:
            self._log(f"what was pushed is not shared yet: {shared.pending}", None)


class _Rounds:
    """Calls a function in a thread, after each request for a call at least once; many requests may have one call."""

    def __init__(self, call: Callable[[], None]) -> None:
        self._call = call
        self._changed = threading.Condition()
        self._is_wanted = False
        self._is_running = False

    def request(self) -> None:
        """Have the function called from now on."""
        with self._changed:
            self._is_wanted = True
            if not self._is_running:
                self._is_running = True
                threading.Thread(target=self._run, name="dcat-share").start()

    def wait(self) -> None:
        """Return once no call is wanted or running."""
        with self._changed:
            self._changed.wait_for(lambda: not self._is_running)

    def _run(self) -> None:
        while True:
            with self._changed:
                if not self._is_wanted:
                    self._is_running = False
                    self._changed.notify_all()
                    return
                self._is_wanted = False
            try:
                self._call()
            except Exception:
                with self._changed:
                    self._is_running = False
                    self._changed.notify_all()
                raise
