"""``doctor`` says what is wrong."""

from collections.abc import Callable

from catalog.errors import EngineUnavailableError
from catalog.home.home import BLOCKS_FILE, Home
from catalog.operations.doctor import diagnose
from catalog.sources.network import ClusterSetting, Network, PinningSetting, open_network
from tests.operations.conftest import Publish


def unreachable() -> Callable[[], object]:
    raise EngineUnavailableError("no engine answers", why="nobody listens", hint="start it")


def test_doctor_before_the_first_publish_and_after(home: Home, put: Publish) -> None:
    checks = {check.subject: check for check in diagnose(home, unreachable, Network())}  # type: ignore[arg-type]
    assert (checks["key"].state, checks["engine"].state, checks["encoder"].state) == ("note", "failed", "ok")
    assert isinstance(checks["engine"].error, EngineUnavailableError)
    put("web", "1.0")
    checks = {check.subject: check for check in diagnose(home, unreachable, Network())}  # type: ignore[arg-type]
    assert [checks[subject].state for subject in ("home", "key", BLOCKS_FILE)] == ["ok", "ok", "ok"]
    home.key_path.chmod(0o644)
    checks = {check.subject: check for check in diagnose(home, unreachable, Network())}  # type: ignore[arg-type]
    assert checks["key"].state == "failed"


def test_doctor_names_clusters_and_services_among_those_that_are_asked(home: Home) -> None:
    cluster = ClusterSetting("http://cluster.invalid:9094")
    service = PinningSetting("one", "https://pinning.invalid/psa")
    with open_network([], cluster=cluster, services=[service]) as network:
        checks = {check.subject: check for check in diagnose(home, unreachable, network)}  # type: ignore[arg-type]
    assert "cluster.invalid:9094 (cluster)" in checks["network"].text
    assert "https://pinning.invalid/psa (pinning service one)" in checks["network"].text
    assert checks["pinning"].text == "one at https://pinning.invalid/psa: nothing was asked of it yet"
    assert "no Kubo node is configured" in checks["cluster"].text
