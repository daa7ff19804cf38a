"""The conformance suites of the OCI distribution specification, against `dcat serve`: the newest, and that of version 1.1."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from catalog.home.home import open_home
from tests.compat.tools import find_tool
from tests.factory.times import NOW
from tests.server.registry.conftest import RegistryServer, registry_home, serving_registry

__all__ = ["registry_home"]


@pytest.fixture
def registry(registry_home: Path) -> Iterator[RegistryServer]:
    with open_home(registry_home, now=NOW) as home, serving_registry(home) as served:
        yield served


def run_suite(name: str, folder: Path, settings: dict[str, str]) -> str:
    """Run a suite and return what it printed."""
    environment = {f"OCI_{variable}": value for variable, value in settings.items()}
    done = subprocess.run(
        [find_tool(name, "conformance")], env=environment, cwd=folder, capture_output=True, text=True, check=False, timeout=600
    )
    return done.stdout


def test_the_newest_suite(registry: RegistryServer, tmp_path: Path) -> None:
    """Its groups of pull and discovery; this version panics after its verdict, while it writes a report."""
    view = registry.view("tool@1.0")
    settings = {
        "REGISTRY": f"localhost:{registry.port}",
        "TLS": "disabled",
        "REPO1": "tool",
        "API_PUSH": "false",
        "API_BLOBS_DELETE": "false",
        "API_MANIFESTS_DELETE": "false",
        "API_TAGS_DELETE": "false",
        "API_BLOBS_DIGEST_HEADER": "false",
        "API_MANIFESTS_DIGEST_HEADER": "false",
        "RO_DATA_TAGS": "1.0",
        "RO_DATA_MANIFESTS": str(view.manifest_digest),
        "RO_DATA_BLOBS": str(view.layers[-1].diff_id),
        "RO_DATA_REFERRERS": str(view.manifest_digest),
    }
    printed = run_suite("conformance", tmp_path, settings)
    assert "OCI Conformance Result: Pass" in printed
    assert re.search(r"^  FAIL\.+: +0$", printed, re.MULTILINE)
    assert re.search(r"^  Error\.+: +0$", printed, re.MULTILINE)


def test_the_suite_of_version_1_1(registry: RegistryServer, tmp_path: Path) -> None:
    """Its group of pull."""
    view = registry.view("tool@1.0")
    settings = {
        "ROOT_URL": f"http://localhost:{registry.port}",
        "NAMESPACE": "tool",
        "TEST_PULL": "1",
        "TAG_NAME": "1.0",
        "MANIFEST_DIGEST": str(view.manifest_digest),
        "BLOB_DIGEST": str(view.layers[-1].diff_id),
        "REPORT_DIR": "none",
    }
    printed = re.sub(r"\x1b\[[0-9;]*m", "", run_suite("conformance-2023", tmp_path, settings))
    assert re.search(r"\b14 Passed\b", printed), printed[-2000:]
    assert re.search(r"\b0 Failed\b", printed)
