"""``doctor`` says what is wrong."""

from collections.abc import Callable

from catalog.errors import EngineUnavailableError
from catalog.home.home import BLOCKS_FILE, Home
from catalog.operations.doctor import diagnose
from catalog.sources.network import Network
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
