"""Hold the bytes of releases, and let go of them."""

from catalog.home.home import Home
from catalog.operations.pin import pin
from catalog.operations.pull import pull
from catalog.operations.unpin import unpin
from catalog.sources.network import Network
from catalog.trust.store import list_pins
from tests.factory.images import BASE, make_image
from tests.factory.platforms import HOST
from tests.operations.conftest import Publish

NOWHERE = Network()


def held(home: Home) -> list[str]:
    with home.trust.read() as connection:
        return [f"{entry.name}@{entry.version} {entry.reason}" for entry in list_pins(connection)]


def test_pins_hold_and_let_go(home: Home, put: Publish) -> None:
    put("web", "1.0")
    put("web", "1.1", make_image([BASE]))
    pin(home, "web@1.0", platform=HOST, network=NOWHERE)
    pull(home, "web@1.1", platform=HOST, engine=None, network=NOWHERE)
    assert sorted(held(home)) == ["web@1.0 pinned", "web@1.1 pulled"]
    assert len(unpin(home, "web@1.0").pins) == 1
    assert unpin(home, "web@1.0").pins == ()
    assert held(home) == ["web@1.1 pulled"]
