"""Manifests, tags, names, errors: what any client of a registry sees."""

import contextlib
import hashlib
import json
import random
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from catalog.home.home import open_home
from catalog.intake.intake import Wanted
from catalog.operations.fetch_metadata import fetch_metadata
from catalog.operations.gc import collect_garbage
from catalog.operations.lock import lock_release
from catalog.operations.publish import publish
from catalog.operations.pull import pull
from catalog.operations.unpin import unpin
from catalog.operations.yank import yank
from catalog.own.share import Sharing
from catalog.server.settings import ServerLimits, ServerSettings
from tests.delivery.versions import follower
from tests.factory.exports import source_of
from tests.factory.images import make_image
from tests.factory.platforms import AMD64, ARM64, HOST
from tests.factory.tars import make_layer
from tests.factory.times import NOW
from tests.fakes.homes import network_of
from tests.server.registry.conftest import RegistryServer, serving_registry

OTHER = ARM64 if HOST == AMD64 else AMD64
INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def code_of(body: bytes) -> str:
    (error,) = json.loads(body)["errors"]
    assert error["message"]
    return str(error["code"])


def test_a_tag_of_one_platform_is_the_canonical_manifest(registry: RegistryServer) -> None:
    for reference, name, tag in (("tool@1.0", "tool", "1.0"), ("team/web@1.0", "team/web", "1.0")):
        view = registry.view(reference)
        answer = registry.ask(f"/v2/{name}/manifests/{tag}", Accept="application/vnd.docker.distribution.manifest.v1+json")
        assert (answer.status, answer.body) == (200, view.manifest)
        assert answer.headers["content-type"] == MANIFEST
        assert answer.headers["docker-content-digest"] == str(view.manifest_digest)
        assert "content-encoding" not in answer.headers
        again = registry.ask(f"/v2/{name}/manifests/{view.manifest_digest}")
        assert (again.status, again.body, again.headers["content-type"]) == (200, view.manifest, MANIFEST)
        head = registry.ask(f"/v2/{name}/manifests/{tag}", "HEAD")
        assert (head.status, head.headers["content-length"]) == (200, str(len(view.manifest)))
        assert registry.ask(f"/v2/{name}/manifests/{tag}", If_None_Match=answer.headers["etag"]).status == 304


def test_what_is_not_held_is_not_offered(registry: RegistryServer) -> None:
    """`team/web:1.2` is known, and its layers are not here."""
    for path, code in (
        ("team/web/manifests/1.2", "MANIFEST_UNKNOWN"),
        ("tool/manifests/2.0", "MANIFEST_UNKNOWN"),
        ("tool/manifests/latest", "MANIFEST_UNKNOWN"),
        ("nothing/manifests/1.0", "MANIFEST_UNKNOWN"),
        (f"tool/manifests/sha256:{'0' * 64}", "MANIFEST_UNKNOWN"),
        (f"tool/manifests/{registry.view('tool@1.0').config_digest}", "MANIFEST_UNKNOWN"),
        (f"tool/manifests/{registry.view('team/web@1.0').manifest_digest}", None),
        ("Tool/manifests/1.0", "NAME_INVALID"),
        ("tool//x/manifests/1.0", "NAME_INVALID"),
        ("../tool/manifests/1.0", "NAME_INVALID"),
        ("tool%2f..%2f/manifests/1.0", "NAME_INVALID"),
        ("tool/manifests/1.0%00", "MANIFEST_UNKNOWN"),
        ("tool/other/1.0", "NAME_UNKNOWN"),
        ("tool/blobs/uploads/", "NAME_UNKNOWN"),
    ):
        for method in ("GET", "HEAD"):
            answer = registry.ask(f"/v2/{path}", method)
            assert answer.status == 404 or code is None, path
            if method == "GET" and code is not None:
                assert code_of(answer.body) == code, path
    assert code_of(registry.ask("/v2/tool/blobs/sha256:x").body) == "DIGEST_INVALID"
    assert code_of(registry.ask("/v2/tool/manifests/sha512:x").body) == "DIGEST_INVALID"


def test_the_base_answers_and_nothing_is_written(registry: RegistryServer) -> None:
    for path in ("/v2/", "/v2"):
        answer = registry.ask(path)
        assert (answer.status, answer.headers["docker-distribution-api-version"]) == (200, "registry/2.0")
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        answer = registry.ask("/v2/tool/manifests/1.0", method)
        assert (answer.status, code_of(answer.body)) == (405, "UNSUPPORTED")


def test_lists_come_in_pages(registry: RegistryServer) -> None:
    assert json.loads(registry.ask("/v2/tool/tags/list").body) == {"name": "tool", "tags": ["1.0", "1.1"]}
    answer = registry.ask("/v2/tool/tags/list?n=1")
    assert json.loads(answer.body)["tags"] == ["1.0"]
    assert answer.headers["link"] == '</v2/tool/tags/list?last=1.0&n=1>; rel="next"'
    assert json.loads(registry.ask("/v2/tool/tags/list?n=1&last=1.0").body)["tags"] == ["1.1"]
    assert json.loads(registry.ask("/v2/tool/tags/list?n=0").body)["tags"] == []
    assert json.loads(registry.ask("/v2/_catalog").body) == {"repositories": ["team/web", "tool"]}
    answer = registry.ask("/v2/_catalog?n=1")
    assert (json.loads(answer.body), answer.headers["link"]) == (
        {"repositories": ["team/web"]},
        '</v2/_catalog?last=team%2Fweb&n=1>; rel="next"',
    )
    assert json.loads(registry.ask("/v2/_catalog?last=team%2Fweb&n=1").body) == {"repositories": ["tool"]}
    assert registry.ask("/v2/nothing/tags/list").status == 404
    assert registry.ask("/v2/tool/tags/list?n=many").status == 400
    assert len(json.loads(registry.ask(f"/v2/_catalog?n={10**30}").body)["repositories"]) == 2


def test_nothing_refers_to_an_image(registry: RegistryServer) -> None:
    answer = registry.ask(f"/v2/tool/referrers/{registry.view('tool@1.0').manifest_digest}?artifactType=a/b")
    assert (answer.status, answer.headers["content-type"]) == (200, INDEX)
    assert json.loads(answer.body)["manifests"] == []


def test_a_mirror_of_docker_io_drops_library(registry: RegistryServer) -> None:
    assert registry.ask("/v2/library/tool/manifests/1.0?ns=docker.io").status == 200
    assert registry.ask("/v2/library/tool/manifests/1.0").status == 404
    layer = registry.view("tool@1.0").layers[0]
    assert registry.ask(f"/v2/library/tool/blobs/{layer.diff_id}?ns=docker.io").status == 200


@pytest.fixture
def served(tmp_path: Path) -> Iterator[RegistryServer]:
    """A release of two platforms, and a yanked one."""
    with open_home(tmp_path / "home", now=NOW) as home:
        for version in ("1.0", "2.0"):
            image = make_image([b"\0" * 10240], labels={"version": version})
            publish(home, "app", version, source_of(image), Wanted(HOST))
        arm = make_image([b"\0" * 20480], platform=ARM64)
        publish(home, "app", "1.0", source_of(arm), Wanted(HOST, (ARM64,)))
        yank(home, "app@2.0", reason='broken: "x"\u2028')
        with serving_registry(home) as served:
            yield served


def test_several_platforms_are_an_index_of_canonical_manifests(served: RegistryServer) -> None:
    answer = served.ask("/v2/app/manifests/1.0")
    assert (answer.status, answer.headers["content-type"]) == (200, INDEX)
    digest = "sha256:" + hashlib.sha256(answer.body).hexdigest()
    assert answer.headers["docker-content-digest"] == digest
    entries = {entry["platform"]["architecture"]: entry for entry in json.loads(answer.body)["manifests"]}
    assert set(entries) == {"amd64", "arm64"}
    for entry in entries.values():
        manifest = served.ask(f"/v2/app/manifests/{entry['digest']}")
        assert len(manifest.body) == entry["size"]
        for blob in (json.loads(manifest.body)["config"], *json.loads(manifest.body)["layers"]):
            assert len(served.ask(f"/v2/app/blobs/{blob['digest']}").body) == blob["size"]
    assert served.ask(f"/v2/app/manifests/{digest}").body == answer.body
    with open_home(served.home.path, now=NOW) as home, serving_registry(home) as fresh:
        assert fresh.ask(f"/v2/app/manifests/{digest}").body == answer.body  # by a server that never saw the tag
        layer = json.loads(fresh.ask(f"/v2/app/manifests/{entries['arm64']['digest']}").body)["layers"][0]["digest"]
    with open_home(served.home.path, now=NOW) as home, serving_registry(home) as fresh:
        assert fresh.ask(f"/v2/app/blobs/{layer}").status == 200  # nor a manifest


def test_an_index_names_platforms_that_are_not_held(tmp_path: Path) -> None:
    """Its digest is that of the publisher's index; only the manifest of the platform that is not held is missing."""
    with open_home(tmp_path / "team", now=NOW) as team:
        for platform in (HOST, OTHER):
            image = make_image([make_layer({"a": platform.architecture.encode() * 20_000})], platform=platform)
            publish(team, "app", "1.0", source_of(image), Wanted(platform, (platform,)), sharing=Sharing(deltas=False))
        with serving_registry(team) as served:
            index = served.ask("/v2/app/manifests/1.0")
        with follower(tmp_path / "home", team, held=()) as home:
            network = network_of(team)
            pull(home, "team/app@1.0", platform=HOST, engine=None, network=network)
            with serving_registry(home) as served:  # the other platform's metadata is not here yet
                partial = served.ask("/v2/team/app/manifests/1.0")
                assert [entry["platform"]["architecture"] for entry in json.loads(partial.body)["manifests"]] == [HOST.architecture]
                assert served.ask(f"/v2/team/app/manifests/{partial.headers['docker-content-digest']}").body == partial.body
                digest = index.headers["docker-content-digest"]
                assert served.ask(f"/v2/team/app/manifests/{digest}").status == 404
            fetch_metadata(home, lock_release(home, "team/app@1.0"), network)
            collect_garbage(home, delete=True)  # which keeps it
            with serving_registry(home) as served:
                assert served.ask(f"/v2/team/app/manifests/{digest}").body == index.body  # by a server that never saw the tag
                assert served.ask("/v2/team/app/manifests/1.0").body == index.body
                assert served.ask("/v2/team/app/manifests/1.0", "HEAD").headers["docker-content-digest"] == digest
                statuses = {}
                for entry in json.loads(index.body)["manifests"]:
                    answer = served.ask(f"/v2/team/app/manifests/{entry['digest']}")
                    statuses[entry["platform"]["architecture"]] = answer.status
                assert statuses == {HOST.architecture: 200, OTHER.architecture: 404}
            unpin(home, "team/app@1.0")
            collect_garbage(home, delete=True)
            with serving_registry(home) as served:
                assert served.ask("/v2/team/app/manifests/1.0").status == 404  # nothing of it can be served


def test_a_yanked_release_is_there_by_its_version_only(served: RegistryServer) -> None:
    answer = served.ask("/v2/app/manifests/2.0")
    assert answer.status == 200
    assert answer.headers["warning"] == '299 - "app@2.0 was yanked: broken: ?x??"'
    assert json.loads(served.ask("/v2/app/tags/list").body)["tags"] == ["1.0"]


def test_a_token_is_asked_for_by_basic(registry_home: Path) -> None:
    with open_home(registry_home, now=NOW) as home, serving_registry(home, ServerSettings(port=0, token="secret")) as served:
        for path in ("/v2/", "/v2/tool/manifests/1.0", "/v2/_catalog"):
            answer = served.ask(path)
            assert (answer.status, code_of(answer.body)) == (401, "UNAUTHORIZED")
            assert answer.headers["www-authenticate"] == 'Basic realm="dcat", charset="UTF-8"'
            assert served.ask(path, Authorization="Basic YW55OnNlY3JldA==").status == 200


def test_a_full_registry_waits_then_says_429(registry_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("catalog.server.guard.guard.REGISTRY_PATIENCE", 0.2)
    settings = ServerSettings(port=0, limits=replace(ServerLimits(), in_flight=0))
    with open_home(registry_home, now=NOW) as home, serving_registry(home, settings) as served:
        answer = served.ask("/v2/tool/manifests/1.0")
        assert (answer.status, code_of(answer.body), answer.headers["retry-after"]) == (429, "TOOMANYREQUESTS", "1")


def test_a_client_hello_is_answered_in_http_at_once(registry: RegistryServer) -> None:
    hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500)
    before = registry.ask("/metrics").body
    assert registry.converse(hello).startswith(b"HTTP/1.1 400 ")
    assert b"malformed" not in before
    assert b"malformed" not in registry.ask("/metrics").body  # engines do this: it is no abuse


@pytest.mark.parametrize("seconds", [0.5, 60.0])
def test_a_pull_under_way_may_end_when_the_server_stops(tmp_path: Path, seconds: float) -> None:
    limits = replace(ServerLimits(), shutdown_timeout=0.2, download_timeout=seconds)
    with open_home(tmp_path / "home", now=NOW) as home:
        image = make_image([make_layer({"big": random.Random(1).randbytes(16 << 20)})])
        publish(home, "tool", "1.0", source_of(image), Wanted(HOST))
        with serving_registry(home, ServerSettings(port=0, limits=limits)) as served, served.connect() as connection:
            layer = served.view("tool@1.0").layers[-1]
            connection.sendall(f"GET /v2/tool/blobs/{layer.diff_id} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            received = connection.recv(1000)
            served.server.stop()
            if seconds < 1:
                served.wait_for_log("/blobs/")  # nothing more of it is sent
            else:
                time.sleep(1.5)
            with contextlib.suppress(ConnectionError):
                while data := connection.recv(65536):
                    received += data
        body = received.partition(b"\r\n\r\n")[2]
        assert (len(body) == layer.size) is (seconds > 1)
