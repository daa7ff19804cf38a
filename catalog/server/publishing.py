"""Releases of what clients pushed (``serve --push``): durable first, then signed and shared, then answered.

Many clients may push at once. Each release is made by itself; signing and sharing is done for all that wait, one round after the
other, so that twenty pushes need few records. A round that takes long, or fails, does not make a push fail: the release is durable,
and the next round shares it.
"""

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

from catalog.errors import DcatError
from catalog.home.home import Home
from catalog.intake.inbox import Inbox, PushedManifest
from catalog.intake.intake import Wanted
from catalog.intake.received import HeldImages, PushedSource
from catalog.limits import SHARE_PATIENCE
from catalog.model.platform import Platform
from catalog.model.reference import check_name, check_publishable
from catalog.operations.publish import publish
from catalog.own.share import Sharing, share_change
from catalog.sources.network import Network
from catalog.trust.ownership import check_own_name


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
        self._wanted = Wanted(host, all_platforms=True)
        self._rounds = _Rounds(self._share)

    def check_name(self, name: str) -> None:
        """Raise where nothing can be published under a name, before anything is sent."""
        check_name(name)
        with self._open_home() as home, home.trust.read() as connection:
            check_own_name(connection, name)

    def publish(self, name: str, version: str, manifest: PushedManifest, held: HeldImages, pusher: Pusher) -> None:
        """Publish the image or images that a manifest names; return once the release is durable, and mostly shared.

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
        self._rounds.join(SHARE_PATIENCE)

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
    """Calls a function for many that wait: whoever joins waits for a call that began afterwards."""

    def __init__(self, call: Callable[[], None]) -> None:
        self._call = call
        self._changed = threading.Condition()
        self._wanted = 0
        self._done = 0
        self._is_running = False

    def join(self, seconds: float) -> bool:
        """Return whether such a call ended within ``seconds``; it goes on otherwise."""
        with self._changed:
            self._wanted += 1
            mine = self._wanted
            if not self._is_running:
                self._is_running = True
                threading.Thread(target=self._run, name="dcat-share").start()
            return self._changed.wait_for(lambda: self._done >= mine, seconds)

    def _run(self) -> None:
        while True:
            with self._changed:
                if self._done == self._wanted:
                    self._is_running = False
                    return
                target = self._wanted
            try:
                self._call()
            finally:
                with self._changed:
                    self._done = target
                    self._changed.notify_all()
