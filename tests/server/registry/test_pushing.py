"""`serve --push`: what is pushed becomes the release that a publish of the image makes; the rest is refused with a reason."""

import base64
import gzip
import json
import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from catalog.blockstores.leasing import list_leases
from catalog.errors import InvalidConfigError, LockedError, StorageError
from catalog.home.home import Home, open_home
from catalog.image.provenance import Provenance
from catalog.intake import session as session_module
from catalog.intake.intake import Wanted
from catalog.intake.session import PushSession
from catalog.ipld.cid import RAW
from catalog.ipns.record import validate_record
from catalog.limits import MAX_JSON_SIZE, MIB, UPLOADS_AT_ONCE
from catalog.lookup.locate import open_lookup
from catalog.model.reference import parse_reference
from catalog.model.release import Release
from catalog.operations import log as history
from catalog.operations import show
from catalog.operations.gc import collect_garbage
from catalog.operations.publish import Published, publish
from catalog.own.signing import own_name
from catalog.server.registry import uploads as uploads_module
from catalog.server.settings import ServerLimits, ServerSettings
from tests.delivery.versions import follower, open_at, publish_version
from tests.factory.exports import stream_of
from tests.factory.images import APP, BASE, SampleImage, make_image
from tests.factory.platforms import ARM64, HOST
from tests.factory.tars import make_layer
from tests.factory.times import NOW
from tests.server.registry.pushing import (
    INDEX,
    MANIFEST,
    PushServer,
    digest_of,
    index_of,
    manifest_of,
    serving_pushes,
)

LARGE = make_layer({f"data/{number}": bytes([number]) * 90_000 + bytes(range(256)) * 200 for number in range(8)})
IMAGE = make_image([BASE, LARGE, APP])
OTHER = make_image([BASE, make_layer({"other": b"content"})])
ARM = make_image([BASE, make_layer({"arm": b"64" * 50_000})], ARM64)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[PushServer]:
    with serving_pushes(tmp_path / "home") as served:
        yield served


def release_of(server: PushServer, reference: str) -> Release:
    with open_lookup(server.path) as lookup:
        return lookup.resolve(parse_reference(reference), now=NOW).release


def published(tmp_path: Path, image: SampleImage, name: str = "web", version: str = "1.0") -> Release:
    """Return the release that a publish of the image's export makes in another home."""
    with open_home(tmp_path / "other", now=NOW) as home:
        return publish(home, name, version, stream_of(image.archive()), Wanted(HOST)).release


@pytest.mark.parametrize("pack", ["plain", "gzip"])
@pytest.mark.parametrize("parts", [0, 1, 3])
def test_a_push_is_the_release_of_a_publish(server: PushServer, tmp_path: Path, pack: str, parts: int) -> None:
    client = server.connect()
    done = client.push("web", "1.0", IMAGE, pack=pack, parts=parts)
    assert done.status == 201, done.body
    assert release_of(server, "web@1.0") == published(tmp_path, IMAGE)
    assert not any(" 500 " in line for line in server.log)


@pytest.mark.parametrize(
    "path", ["/v2/web/blobs/uploads/manifests/1.0", "/v2/web/manifests/1%2fblobs%2fuploads", "/v2/blobs/uploads/1"]
)
def test_only_an_upload_has_a_body_without_limit(server: PushServer, path: str) -> None:
    assert server.connect().ask("PUT", path, content_length="99999999").status == 413


def test_a_manifest_that_is_too_large_is_refused_with_the_limit(server: PushServer) -> None:
    refused = server.connect().put_manifest("web", "1.0", b" " * (MAX_JSON_SIZE + MIB))
    assert (refused.status, str(MAX_JSON_SIZE) in refused.message) == (413, True)


def test_what_is_pushed_is_signed_and_has_its_delta(server: PushServer) -> None:
    noise = bytearray(random.Random(1).randbytes(600_000))
    first = make_image([BASE, make_layer({"noise": bytes(noise)})])
    noise[::50_000] = bytes(len(noise[::50_000]))
    second = make_image([BASE, make_layer({"noise": bytes(noise)})])
    assert server.connect().push("web", "1.0", first).status == 201
    server.publisher.wait()
    assert server.connect().push("web", "1.1", second).status == 201
    server.publisher.wait()
    assert list(release_of(server, "web@1.1").images[HOST].deltas) == [release_of(server, "web@1.0").images[HOST].archive]
    with server.open() as home:
        name = own_name(home)
        assert name is not None
        record = (home.path / "records" / f"{name}.ipns-record").read_bytes()
        assert validate_record(name, record, NOW).sequence >= 0


def test_several_platforms_by_an_index(server: PushServer) -> None:
    client = server.connect()
    manifests = []
    for image, at in ((IMAGE, HOST), (ARM, ARM64)):
        data = manifest_of(image.config, image.layers, "plain")
        for blob in (*image.layers, image.config):
            client.put_blob("web", blob)
        assert client.put_manifest("web", digest_of(data), data).status == 201
        assert client.ask("GET", f"/v2/web/manifests/{digest_of(data)}").body == data
        manifests.append((data, {"os": at.os, "architecture": at.architecture}))
    attested = manifest_of(b"{}", [b'{"_type":"statement"}']).replace(b"vnd.oci.image.layer.v1.tar+gzip", b"vnd.in-toto+json")
    for blob in (b"{}", b'{"_type":"statement"}'):
        client.put_blob("web", blob)
    assert client.put_manifest("web", digest_of(attested), attested).status == 201
    manifests.append((attested, {"os": "unknown", "architecture": "unknown"}))
    index = index_of(manifests, {digest_of(attested): digest_of(manifests[0][0])})
    assert client.put_manifest("web", "1.0", index, INDEX).status == 201
    assert set(release_of(server, "web@1.0").images) == {HOST, ARM64}
    with server.open() as home:
        found = {shown.platform: shown.provenances for shown in show(home, "web@1.0").images}
    assert found[HOST] == (Provenance(manifests[0][0], (index,), (attested,)),)
    assert found[ARM64] == (Provenance(manifests[1][0], (index,)),)
    lacking = index_of([*manifests, (b"never sent", {"os": "linux", "architecture": "s390x"})])
    refused = client.put_manifest("web", "1.1", lacking, INDEX)
    assert refused.status == 403
    assert "linux/s390x" in refused.message


def test_the_same_again_is_fine_and_other_content_is_denied(server: PushServer) -> None:
    client = server.connect()
    assert client.push("web", "1.0", IMAGE).status == 201
    assert client.push("web", "1.0", IMAGE, pack="plain").status == 201
    refused = client.push("web", "1.0", OTHER)
    assert (refused.status, refused.code) == (403, "DENIED")
    assert "published with other content" in refused.message
    assert "publish it as another version" in refused.message
    assert release_of(server, "web@1.0").images[HOST].config == IMAGE.config_digest


def test_what_cannot_be_published_is_denied_with_a_reason(server: PushServer) -> None:
    client = server.connect()
    latest = client.push("web", "latest", IMAGE)
    assert (latest.status, latest.code) == (403, "DENIED")
    assert "latest means the newest" in latest.message
    assert "give a version" in latest.message
    named = client.ask("POST", "/v2/mine/web/blobs/uploads/")
    assert (named.status, named.code) == (403, "DENIED")
    empty = b"{}"
    client.put_blob("web", empty)
    artifact = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "artifactType": "application/vnd.example",
            "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": digest_of(empty), "size": 2},
            "layers": [{"mediaType": "application/vnd.oci.empty.v1+json", "digest": digest_of(empty), "size": 2}],
        }
    ).encode()
    for reference in ("1.0", digest_of(artifact)):
        refused = client.put_manifest("web", reference, artifact)
        assert (refused.status, refused.code) == (403, "DENIED")
        assert "artifact" in refused.message
        assert "container images only" in refused.message
    nonsense = client.put_manifest("web", "1.0", b"not JSON")
    assert (nonsense.status, nonsense.code) == (403, "DENIED")


def test_names_of_followed_catalogues_are_denied_before_anything_is_sent(tmp_path: Path) -> None:
    publish_version(tmp_path / "team", "1.0")
    with open_at(tmp_path / "team") as team, follower(tmp_path / "home", team):
        pass
    with serving_pushes(tmp_path / "home") as server:
        for name in ("team/web", "web"):
            refused = server.connect().ask("POST", f"/v2/{name}/blobs/uploads/")
            assert (refused.status, refused.code) == (403, "DENIED"), name


def test_wrong_digests_and_lost_parts(server: PushServer) -> None:
    client = server.connect()
    place = client.ask("POST", "/v2/web/blobs/uploads/").headers["location"]
    wrong = client.ask("PUT", f"{place}?digest={digest_of(b'else')}", LARGE)
    assert (wrong.status, wrong.code) == (400, "DIGEST_INVALID")
    assert client.ask("HEAD", f"/v2/web/blobs/{digest_of(LARGE)}").status == 404
    place = client.ask("POST", "/v2/web/blobs/uploads/").headers["location"]
    assert client.ask("PATCH", place, LARGE[:500], content_range="0-499").status == 202
    assert client.ask("GET", place).headers["range"] == "0-499"
    skipped = client.ask("PATCH", place, LARGE[600:], content_range=f"600-{len(LARGE) - 1}")
    assert (skipped.status, skipped.headers["range"]) == (416, "0-499")
    assert client.ask("DELETE", place).status == 204
    assert client.ask("PATCH", place, b"x").status == 404
    data = manifest_of(IMAGE.config, IMAGE.layers, "plain")
    lacking = client.put_manifest("web", "1.0", data)
    assert (lacking.status, lacking.code) == (403, "DENIED")
    mismatch = client.put_manifest("web", digest_of(b"else"), data)
    assert (mismatch.status, mismatch.code) == (400, "DIGEST_INVALID")


def test_a_layer_that_does_not_match_the_config_is_denied(server: PushServer) -> None:
    client = server.connect()
    for blob in (BASE, OTHER.layers[1], IMAGE.config):
        client.put_blob("web", blob)
    refused = client.put_manifest("web", "1.0", manifest_of(IMAGE.config, [BASE, OTHER.layers[1], BASE], "plain"))
    assert (refused.status, refused.code) == (403, "DENIED")
    assert "does not match its config" in refused.message


def test_too_large_an_image_is_denied(tmp_path: Path) -> None:
    """One layer alone, whatever it is packed to, and all layers together, those that are held included."""
    most = sum(map(len, IMAGE.layers)) + 100_000
    with serving_pushes(tmp_path / "home", max_size=most) as server:
        client = server.connect()
        bomb = gzip.compress(random.Random(1).randbytes(100_000) + bytes(most))
        place = client.ask("POST", "/v2/web/blobs/uploads/").headers["location"]
        refused = client.ask("PUT", f"{place}?digest={digest_of(bomb)}", bomb)
        assert (refused.status, refused.code) == (403, "DENIED")
        assert f"more than {most} bytes" in refused.message
        assert "--max-size" in refused.message
        assert client.push("web", "1.0", IMAGE, pack="plain").status == 201
        small = make_image([make_layer({"zeros": bytes(most)})])  # packed, it is kept until a manifest tells what it is
        refused = client.push("web", "1.2", small)
        assert (refused.status, refused.code) == (403, "DENIED")
        assert f"more than {most} bytes" in refused.message
        more = make_image([*IMAGE.layers, make_layer({"more": bytes(range(250)) * 1000})])
        refused = client.push("web", "1.1", more, pack="plain")
        assert (refused.status, refused.code) == (403, "DENIED")
        assert f"at most {most} are taken" in refused.message
        assert "--max-size" in refused.message


def test_layers_that_are_held_need_not_be_sent(server: PushServer, tmp_path: Path) -> None:
    """What an earlier push brought, also under another name, also in another compression than the stored one."""
    client = server.connect()
    assert client.push("web", "1.0", IMAGE).status == 201
    server.inbox.close()
    blob = digest_of(gzip.compress(LARGE, mtime=0))
    assert client.ask("HEAD", f"/v2/new/blobs/{blob}").status == 200
    assert client.ask("POST", f"/v2/new/blobs/uploads/?mount={blob}&from=web").status == 201
    assert client.ask("POST", f"/v2/new/blobs/uploads/?mount={digest_of(b'unknown')}&from=web").status == 202
    again = make_image([*IMAGE.layers, make_layer({"more": b"more"})])
    assert client.push("new", "2.0", again).status == 201
    sent = [line for line in server.log if "/v2/new/blobs/uploads/" in line and '"PUT ' in line]
    assert len(sent) == 2  # the config, and the layer that is new
    # As an engine that pulled from here pushes: plain layers under their diffIDs, and the canonical manifest.
    with server.open() as home, home.blocks.file.transaction() as connection:
        connection.execute("DELETE FROM layers")
    for layer in (BASE, LARGE, APP):
        assert client.ask("HEAD", f"/v2/web/blobs/{digest_of(layer)}").status == 200
    renamed = make_image(IMAGE.layers, labels={"other": "config"})
    client.put_blob("web", renamed.config)
    assert client.put_manifest("web", "1.1", manifest_of(renamed.config, renamed.layers, "plain")).status == 201
    assert release_of(server, "web@1.1") == replace(published(tmp_path, renamed, version="1.1"))


def test_who_only_reads_keeps_no_garbage(server: PushServer) -> None:
    client = server.connect()
    assert client.push("web", "1.0", IMAGE, pack="plain").status == 201
    server.publisher.wait()
    server.inbox.close()
    for layer in IMAGE.layers:
        assert client.ask("HEAD", f"/v2/web/blobs/{digest_of(layer)}").status == 200
    assert not server.inbox.is_open
    with server.open() as home:
        assert list_leases(home.blocks, NOW) == []
        collect_garbage(home, delete=True)


def test_what_was_swept_in_between_is_asked_for_again(server: PushServer) -> None:
    client = server.connect()
    assert client.push("web", "1.0", IMAGE, pack="plain").status == 201
    second = make_image([*IMAGE.layers, make_layer({"more": b"more"})])
    for layer in IMAGE.layers:
        assert client.ask("HEAD", f"/v2/next/blobs/{digest_of(layer)}").status == 200
    for blob in (second.layers[-1], second.config):
        client.put_blob("next", blob)
    with server.open() as home:
        home.blocks.delete([cid for cid in home.blocks.cids() if cid.codec == RAW][:20])
    refused = client.put_manifest("next", "1.0", manifest_of(second.config, second.layers, "plain"))
    assert (refused.status, refused.code) == (403, "DENIED")
    server.inbox.close()
    assert client.push("next", "1.0", second, pack="plain").status == 201


def test_what_came_before_the_lease_expired_is_looked_up(server: PushServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        session_module, "LEASE_TIME", 0
    )  # blocks may be collected at once, as after a day of pushes without a break
    client = server.connect()
    for blob in (*IMAGE.layers, IMAGE.config):
        client.put_blob("web", blob)
    server.inbox.flush()
    with server.open() as home:
        home.blocks.delete(home.blocks.cids())
    manifest = manifest_of(IMAGE.config, IMAGE.layers, "plain")
    refused = client.put_manifest("web", "1.0", manifest)
    assert (refused.status, "not whole" in refused.message) == (403, True), refused


def test_what_is_durable_is_published_though_the_disk_is_full_then(server: PushServer, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise StorageError("no space left")

    monkeypatch.setattr("catalog.trust.store.clear_unfinished", refuse)
    assert server.connect().push("web", "1.0", IMAGE).status == 201
    assert release_of(server, "web@1.0").reference == "web@1.0"


def test_what_is_left_of_others_cannot_fail_a_release_that_is_durable(server: PushServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A layer that nobody released waits to be stored; the home is closed after this push, on a disk that is full by then."""

    def refuse(_: PushSession) -> None:
        raise StorageError("no space left")

    def publish_and_fill(home: Home, name: str, version: str, *arguments: Any, **options: Any) -> Published:
        done = publish(home, name, version, *arguments, **options)
        monkeypatch.setattr(PushSession, "flush", refuse)
        server.inbox.idle = 0.0
        return done

    monkeypatch.setattr("catalog.server.publishing.publish", publish_and_fill)
    client = server.connect()
    client.put_blob("other", OTHER.layers[1])
    assert client.push("web", "1.0", IMAGE).status == 201
    assert not server.inbox.is_open
    assert release_of(server, "web@1.0").reference == "web@1.0"


def test_garbage_is_not_collected_beside_a_push_and_is_after_it(server: PushServer) -> None:
    client = server.connect()
    for layer in IMAGE.layers:
        client.put_blob("web", layer)
    with server.open() as home:
        assert [lease.purpose for lease in list_leases(home.blocks, NOW)] == ["serve --push"]
        with pytest.raises(LockedError):
            collect_garbage(home, delete=True)
    client.put_blob("web", IMAGE.config)
    assert client.put_manifest("web", "1.0", manifest_of(IMAGE.config, IMAGE.layers, "plain")).status == 201
    server.publisher.wait()
    with server.open() as home:
        assert list_leases(home.blocks, NOW) == []
        collect_garbage(home, delete=True)
    assert client.ask("GET", "/v2/web/manifests/1.0").status == 200


def test_fifty_uploads_that_were_left_leave_nothing(tmp_path: Path) -> None:
    with serving_pushes(tmp_path / "home") as server:
        for _ in range(50):
            client = server.connect()
            place = client.ask("POST", "/v2/web/blobs/uploads/").headers["location"]
            client.ask("PATCH", place, LARGE[:200])
            client.connection.close()
        client = server.connect()
        place = client.ask("POST", "/v2/web/blobs/uploads/").headers["location"]
        client.connection.putrequest("PATCH", place)
        client.connection.putheader("Content-Length", str(len(LARGE)))
        client.connection.endheaders(LARGE[:300_000])
        client.connection.close()
        client = server.connect()
        for layer in IMAGE.layers:
            client.put_blob("web", layer)
        server.inbox.idle = 0.5
        deadline = time.monotonic() + 60
        while server.inbox.is_open:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        with server.open() as home:
            assert list_leases(home.blocks, NOW) == []
            assert collect_garbage(home, delete=True).blocks > 0
            assert collect_garbage(home, delete=False).blocks == 0
        assert client.ask("PATCH", place, b"more").status == 404
        server.inbox.idle = 300.0
        assert server.connect().push("web", "1.0", IMAGE).status == 201


def test_uploads_that_were_only_begun_cost_nothing_and_make_room(server: PushServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """They hold no home open. Where there are too many, the oldest goes, and one that has received bytes goes last."""
    monkeypatch.setattr(uploads_module, "MAX_UPLOADS", 4)
    client = server.connect()
    places = [client.ask("POST", "/v2/web/blobs/uploads/").headers["location"] for _ in range(4)]
    assert not server.inbox.is_open
    assert client.ask("PATCH", places[0], b"some bytes").status == 202
    assert server.inbox.is_open
    for _ in range(3):
        assert client.ask("POST", "/v2/web/blobs/uploads/").status == 202
    assert [client.ask("GET", place).status for place in places] == [204, 404, 404, 404]
    assert client.push("web", "1.0", IMAGE).status == 201


def test_uploads_that_are_being_sent_are_not_dropped(server: PushServer, monkeypatch: pytest.MonkeyPatch) -> None:
    client, other = server.connect(), server.connect()
    place = client.ask("POST", "/v2/web/blobs/uploads/").headers["location"]
    client.connection.putrequest("PATCH", place)
    client.connection.putheader("Content-Length", str(len(LARGE)))
    client.connection.endheaders(LARGE[:1000])
    deadline = time.monotonic() + 60
    while not server.inbox.is_open:  # until the request is read
        assert time.monotonic() < deadline
        time.sleep(0.01)
    monkeypatch.setattr(uploads_module, "MAX_UPLOADS", 1)
    refused = other.ask("POST", "/v2/web/blobs/uploads/")
    assert (refused.status, refused.code) == (403, "DENIED")
    client.connection.send(LARGE[1000:])
    assert client.connection.getresponse().status == 202


def test_uploads_that_stall_keep_nobody_out(tmp_path: Path) -> None:
    """As many as layers are read at once: each sent the begin of a layer, and nothing more."""
    settings = ServerSettings(port=0, push=True, limits=replace(ServerLimits(), idle_timeout=1.0))
    with serving_pushes(tmp_path / "home", settings) as server:
        for _ in range(UPLOADS_AT_ONCE):
            client = server.connect()
            place = client.ask("POST", "/v2/web/blobs/uploads/").headers["location"]
            client.connection.putrequest("PATCH", place)
            client.connection.putheader("Content-Length", str(len(LARGE)))
            client.connection.endheaders(LARGE[:400_000])
        assert server.connect().push("web", "1.0", IMAGE).status == 201
        deadline = time.monotonic() + 60
        while len([line for line in server.log if '"PATCH ' in line and '" 408 ' in line]) < UPLOADS_AT_ONCE:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_twenty_clients_push_at_once(server: PushServer) -> None:
    """Each image has a layer of its own and two that others have; each release is there when its push is answered."""
    images = [make_image([BASE, LARGE, make_layer({"job": b"%d" % number})]) for number in range(20)]

    def push(number: int) -> int:
        status = server.connect().push("web" if number % 2 else f"job{number}", f"1.{number}", images[number]).status
        release = release_of(server, f"web@1.{number}" if number % 2 else f"job{number}@1.{number}")
        assert release.images[HOST].config == images[number].config_digest
        return status

    with ThreadPoolExecutor(20) as pool:
        assert list(pool.map(push, range(20))) == [201] * 20
    server.publisher.wait()
    with server.open() as home:
        assert list_leases(home.blocks, NOW) == []
        names = [change.change.version for change in history(home, limit=1000) if change.change.kind == "published"]
        assert sorted(names) == sorted(f"1.{number}" for number in range(20))


def test_by_whom(tmp_path: Path) -> None:
    settings = ServerSettings(port=0, push=True, token="secret")
    with serving_pushes(tmp_path / "home", settings) as server:
        login = "Basic " + base64.b64encode(b"ci-job:secret").decode()
        assert server.connect(login).push("web", "1.0", OTHER).status == 201
        (line,) = [line for line in server.told if "published" in line]
        assert line.startswith("push of web:1.0 by ci-job at 127.0.0.1: published, bafy")
        with server.open() as home:
            newest = history(home)[0].change
        assert newest.detail == {"by": "ci-job", "from": "127.0.0.1"}
        assert server.connect().ask("POST", "/v2/web/blobs/uploads/").status == 401
        wrong = server.connect("Basic " + base64.b64encode(b"ci-job:guess").decode())
        assert wrong.ask("GET", "/v2/").status == 401
        refused = wrong.ask("POST", "/v2/web/blobs/uploads/")
        assert (refused.status, refused.code) == (403, "DENIED")
        assert "token is wrong" in refused.message


def test_everybody_may_not_push() -> None:
    with pytest.raises(InvalidConfigError, match="not taken from everybody"):
        ServerSettings(push=True, public=True)
    assert ServerSettings(push=True, public=True, token="secret").push


def test_without_push_the_registry_is_read_only(tmp_path: Path) -> None:
    from tests.server.registry.conftest import serving_registry

    with open_home(tmp_path / "home", now=NOW) as home, serving_registry(home) as served:
        assert served.ask("/v2/web/blobs/uploads/", "POST").status == 405
