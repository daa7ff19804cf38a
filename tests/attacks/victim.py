"""A home that follows attackers over HTTP, by the product's own operations."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from catalog.clients.timeouts import Timeouts
from catalog.errors import ReleaseNotFoundError
from catalog.followed.updating import Update
from catalog.home.home import Home, open_home
from catalog.lookup.locate import Resolved, open_lookup
from catalog.model.platform import Platform
from catalog.operations.export import export_releases
from catalog.operations.pin import pin
from catalog.operations.pull import pull
from catalog.operations.save import save
from catalog.operations.show import show
from catalog.operations.subscribe import Subscribed, subscribe
from catalog.operations.sync import Synced, sync
from catalog.operations.trust import Decided, Question, accept, list_questions, refuse
from catalog.operations.unsubscribe import unsubscribe
from catalog.operations.verify import verify
from catalog.sources.network import Network, SourceSetting, open_network
from tests.attacks.publisher import Attacker
from tests.factory.platforms import AMD64
from tests.factory.times import NOW


class Victim:
    """A home at ``path``; each call opens it at ``now``, as a command does."""

    def __init__(self, path: Path, timeouts: Timeouts | None = None) -> None:
        self.path = path
        self.now = NOW
        self._timeouts = timeouts

    def wait(self, time: timedelta) -> None:
        self.now += time

    @contextmanager
    def home(self) -> Iterator[Home]:
        with open_home(self.path, now=self.now) as opened:
            yield opened

    @contextmanager
    def network(self, *attackers: Attacker) -> Iterator[Network]:
        with open_network([SourceSetting(attacker.url) for attacker in attackers], timeouts=self._timeouts) as network:
            yield network

    def subscribe(self, attacker: Attacker, alias: str, *others: Attacker) -> Subscribed:
        with self.home() as home, self.network(attacker, *others) as network:
            return subscribe(home, network, attacker.name, alias)

    def sync_all(self, *attackers: Attacker, aliases: Sequence[str] = ()) -> Synced:
        with self.home() as home, self.network(*attackers) as network:
            return sync(home, network, aliases)

    def sync(self, *attackers: Attacker) -> Update:
        """Sync, and return the update of the first catalogue that is followed."""
        return self.sync_all(*attackers).updates[0]

    def resolve(self, reference: str, **options: Any) -> Resolved:
        with open_lookup(self.path) as lookup:
            return lookup.resolve(reference, now=self.now, platform=options.pop("platform", AMD64), **options)

    def questions(self) -> list[Question]:
        with self.home() as home:
            return list_questions(home)

    def accept(self, item: str) -> Decided:
        with self.home() as home:
            return accept(home, item)

    def refuse(self, item: str) -> Decided:
        with self.home() as home:
            return refuse(home, item)

    def unsubscribe(self, alias: str) -> None:
        with self.home() as home:
            unsubscribe(home, alias)

    def knows(self, reference: str) -> bool:
        try:
            return bool(self.resolve(reference))
        except ReleaseNotFoundError:
            return False


def readers_of(home: Home, network: Network, reference: str, platform: Platform, folder: Path) -> dict[str, Callable[[], object]]:
    """Return the operations that read the image of a release, by the names of their commands; files are written into ``folder``."""
    asked: dict[str, Any] = {"platform": platform, "network": network}
    return {
        "pull": lambda: pull(home, reference, engine=None, **asked),
        "pin": lambda: pin(home, reference, **asked),
        "save": lambda: save(home, reference, folder / "image", **asked),
        "export": lambda: export_releases(home, [reference], folder / "bundle", network=network),
        "show": lambda: show(home, reference),
        "verify": lambda: verify(home, reference),
    }
