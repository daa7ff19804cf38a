"""What engines asked for is counted by pulls, for each client, in bounded memory, and shown to this machine only."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from catalog.home.home import open_home
from tests.factory.times import NOW
from tests.server.registry.conftest import RegistryServer, serving_registry

DOCKER = {"user-agent": "docker/29.0.0 go/go1.26"}


@pytest.fixture
def fresh(registry_home: Path) -> Iterator[RegistryServer]:
    with open_home(registry_home, now=NOW) as home, serving_registry(home) as served:
        yield served


def pulls(served: RegistryServer) -> dict[str, object]:
    found = json.loads(served.ask("/dcat/v1/pulls").body)
    assert isinstance(found, dict)
    return found


def test_a_pull_is_counted_once_however_an_engine_asks(fresh: RegistryServer) -> None:
    digest = str(fresh.view("tool@1.0").manifest_digest)
    fresh.ask("/v2/tool/manifests/1.0", "HEAD", **DOCKER)
    fresh.ask(f"/v2/tool/manifests/{digest}", **DOCKER)
    fresh.ask("/v2/nothing/manifests/1.0", "HEAD", **DOCKER)
    fresh.ask("/v2/nothing/manifests/1.0", **DOCKER)
    fresh.ask(f"/v2/tool/manifests/{digest}", **{"user-agent": "libpod/4.3"})
    found = pulls(fresh)
    assert (found["hits"], found["misses"], found["delivered"], found["saved"]) == (2, 1, 0, 0)
    assert [(row["program"], row["hits"], row["misses"]) for row in found["clients"]] == [("podman", 1, 0), ("docker", 1, 1)]  # type: ignore[attr-defined]
    assert [row["image"] for row in found["recent"]] == [f"tool@{digest}", "nothing:1.0", "tool:1.0"]  # type: ignore[attr-defined]
    metrics = fresh.ask("/metrics").body.decode()
    assert 'dcat_registry_manifests_total{client="docker",result="miss"} 1' in metrics
    assert 'dcat_registry_manifests_total{client="podman",result="hit"} 1' in metrics


@pytest.mark.parametrize(
    ("headers", "share"),
    [
        ({"accept-encoding": "zstd"}, 1.0),
        ({}, 1.0),
        ({"accept-encoding": "gzip", "via": "1.1 x"}, 1.0),
        ({"range": "bytes=512-"}, 0.9),
    ],
)
def test_what_is_delivered_counts_as_it_is_stored(fresh: RegistryServer, headers: dict[str, str], share: float) -> None:
    view = fresh.view("tool@1.0")
    layer = max(view.layers, key=lambda entry: entry.size)
    fresh.ask(f"/v2/tool/manifests/{view.manifest_digest}", **DOCKER)
    assert fresh.ask(f"/v2/tool/blobs/{layer.diff_id}", **DOCKER, **headers).status in (200, 206)
    delivered = pulls(fresh)["delivered"]
    assert isinstance(delivered, int)
    assert share * layer.stored_size <= delivered <= layer.stored_size


def test_others_do_not_see_who_pulled_what(fresh: RegistryServer) -> None:
    fresh.ask("/v2/tool/manifests/1.0", **DOCKER)
    assert fresh.ask("/dcat/v1/pulls", **{"x-forwarded-for": "10.0.0.1"}).status == 403
    page = fresh.ask("/status.json").body
    assert b'"program":"docker"' in page
    assert b"127.0.0.1" not in page
    shown = fresh.ask("/status")
    assert b"Engines that pull here" in shown.body
    fresh.ask("/v2/tool/manifests/1.1", **DOCKER)
    assert fresh.ask("/status", **{"if-none-match": shown.headers["etag"]}).status == 200  # not the page of before


def test_a_flood_of_clients_is_bounded(fresh: RegistryServer) -> None:
    for number in range(60):
        fresh.ask(f"/v2/nothing-{number}/manifests/1.0", **{"user-agent": f"engine-{number}/1"})
    found = pulls(fresh)
    assert len(found["recent"]) == 50  # type: ignore[arg-type]
    assert [row["program"] for row in found["clients"]] == ["other"]  # type: ignore[attr-defined]
