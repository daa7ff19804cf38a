"""``doctor`` says what is wrong."""

from collections.abc import Callable

import pytest

from catalog.errors import EngineUnavailableError
from catalog.home.home import BLOCKS_FILE, Home
from catalog.ipld.cid import cid_of
from catalog.operations.doctor import diagnose
from catalog.own.nodes import KuboState, remember_state
from catalog.sources.network import ClusterSetting, KuboSetting, Network, PinningSetting, SourceSetting, open_network
from tests.fakes.rest import scripted_api
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


@pytest.mark.parametrize(("version", "slow"), [("0.41.0", True), ("0.42.0", False)])
def test_doctor_on_a_node_that_lists_pins_slowly(home: Home, put: Publish, version: str, *, slow: bool) -> None:
    """It says so beside what it found, and does not keep back that the node lost the catalogue's pin."""
    put("web", "1.0")
    with scripted_api() as api:
        api.set("POST /api/v0/version", {"Version": version})
        api.answers["POST /api/v0/pin/ls"] = lambda asked: (
            (500, b'{"Message":"not pinned"}') if "arg=" in asked.query else (200, b"{}")
        )
        remember_state(home, api.url, KuboState(root=str(cid_of(b"a snapshot"))))
        with open_network([], KuboSetting(api.url, public=True)) as network:
            found = [check for check in diagnose(home, unreachable, network) if check.subject == "kubo"]  # type: ignore[arg-type]
    assert [(check.state, "does not pin" in check.text) for check in found[:1]] == [("failed", True)]
    assert any("listing pins waits" in check.text and "0.42" in check.hint for check in found) is slow


def test_doctor_asks_every_source_on_request(home: Home, put: Publish) -> None:
    put("web", "1.0")
    with open_network([SourceSetting("http://127.0.0.1:1")]) as network:
        assert "source" not in {check.subject for check in diagnose(home, unreachable, network)}  # type: ignore[arg-type]
        checks = diagnose(home, unreachable, network, ask=True)  # type: ignore[arg-type]
    found = [check for check in checks if check.subject == "source"]
    assert [(check.state, check.text) for check in found] == [("failed", "127.0.0.1:1 cannot be reached")]
    assert found[0].error is not None
    assert found[0].error.why


def test_doctor_says_which_key_is_damaged_and_what_helps(home: Home, put: Publish) -> None:
    put("web", "1.0")
    home.key_path.write_bytes(b"no key")
    check = next(check for check in diagnose(home, unreachable, Network()) if check.subject == "key")  # type: ignore[arg-type]
    assert (check.state, check.text) == ("failed", f"the key {home.key_path} cannot be used")
    assert "import the key from its backup" in check.hint
