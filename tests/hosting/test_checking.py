"""What `check_host` says of hosts of plain files."""

import shutil
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from catalog.clients.http import HttpClient
from catalog.clients.timeouts import Timeouts
from catalog.hosting.checking import HostFinding, check_host
from catalog.image.canonical import MANIFEST_TYPE
from tests.factory.static_files import make_version
from tests.fakes.static_host import StaticHost
from tests.hosting.conftest import Publisher

Serve = Callable[..., StaticHost]


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Publisher:
    publisher = Publisher(tmp_path_factory.mktemp("published"))
    publisher.publish("web", "1.0", make_version("1.0"))
    publisher.export()
    return publisher


@pytest.fixture
def check(published: Publisher) -> Callable[..., dict[str, HostFinding]]:
    def ask(host: StaticHost, *, path: str = "", days: int = 0) -> dict[str, HostFinding]:
        with closing(HttpClient(host.url + path, timeouts=Timeouts(retry=0.01))) as client:
            return {found.subject: found for found in check_host(client, published.now + timedelta(days=days))}

    return ask


Check = Callable[..., dict[str, HostFinding]]


def test_a_host_that_knows_types_serves_everybody(published: Publisher, serve: Serve, check: Check) -> None:
    host = serve(published.folder)
    host.types["/manifests/"] = MANIFEST_TYPE
    found = check(host)
    assert {subject: finding.state for subject, finding in found.items()} == dict.fromkeys(
        ("static", "record", "index", "ranges", "dcat", "engines"), "ok"
    )
    assert "web:1.0" in found["engines"].text


def test_a_host_that_cannot_be_told_types_serves_dcat(published: Publisher, serve: Serve, check: Check) -> None:
    found = check(serve(published.folder))
    assert found["dcat"].state == "ok"
    assert found["engines"].state == "note"
    assert "application/octet-stream" in found["engines"].text


def test_indexes_that_are_served_as_manifests(serve: Serve, tmp_path: Path) -> None:
    """A host whose rules have no room for a release of several platforms."""
    publisher = Publisher(tmp_path)
    publisher.publish("web", "1.0", make_version("1.0"))
    publisher.publish_for_all("zoo", "2.0")
    publisher.export()
    host = serve(publisher.folder)
    host.types["/manifests/"] = MANIFEST_TYPE
    with closing(HttpClient(host.url)) as client:
        problems = [finding for finding in check_host(client, publisher.now) if finding.state != "ok"]
    (problem,) = problems
    assert problem.subject == "engines"
    assert "releases for several platforms: v2/zoo/manifests/2.0" in problem.text


def test_a_host_without_ranges(published: Publisher, serve: Serve, check: Check) -> None:
    found = check(serve(published.folder, "no-ranges"))
    assert (found["ranges"].state, found["dcat"].state) == ("note", "ok")


def test_an_old_record_is_named(published: Publisher, serve: Serve, check: Check) -> None:
    assert check(serve(published.folder), days=40)["record"].state == "failed"


@pytest.mark.parametrize("missing", ["routing", "outlines", "dcat/v1/static", "v2/web/blobs"])
def test_half_a_folder(published: Publisher, serve: Serve, check: Check, tmp_path: Path, missing: str) -> None:
    folder = tmp_path / "files"
    shutil.copytree(published.folder, folder)
    gone = folder / missing
    shutil.rmtree(gone) if gone.is_dir() else gone.unlink()
    failed = [finding for finding in check(serve(folder)).values() if finding.state == "failed"]
    assert len(failed) == 1
    assert failed[0].error is not None
    assert failed[0].hint


def test_what_is_no_static_catalogue(tmp_path: Path, serve: Serve, check: Check) -> None:
    (tmp_path / "index.html").write_text("<h1>Welcome</h1>")
    found = check(serve(tmp_path, "listing"))
    assert list(found) == ["dcat"]
    assert found["dcat"].state == "failed"
