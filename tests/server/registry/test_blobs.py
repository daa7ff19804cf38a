"""Blobs: encodings, ranges, HEAD, near and proxied clients, and archives that lie."""

import gzip
import hashlib
import itertools
import shutil
from collections.abc import Iterator
from dataclasses import replace
from http.client import IncompleteRead
from pathlib import Path

import pytest
import zstandard

from catalog.blockstores.writing import BlockWriter
from catalog.home.home import open_home
from catalog.image.encoder import compress_chunk
from catalog.image.walk import walk
from catalog.index.releases import get_release
from catalog.ipld.cid import Cid
from catalog.limits import MAX_CHUNK_SIZE
from catalog.server.settings import ServerSettings
from catalog.unixfs.file import file_node, raw_leaf
from catalog.unixfs.file_reader import read_file
from tests.delivery.versions import publish_version
from tests.factory.platforms import HOST
from tests.factory.times import NOW
from tests.server.registry.conftest import RegistryServer, serving_registry

ACCEPTED = {
    "none": "",
    "go": "gzip",
    "containerd": "zstd;q=1.0, gzip;q=0.8, deflate;q=0.5",
    "zstd": "zstd",
    "any": "*",
    "refused": "zstd;q=0, gzip;q=0",
}
RANGES = (
    None,
    "bytes=0-",
    "bytes=0-99",
    "bytes=1000-",
    "bytes=1000-1999",
    "bytes=-100",
    "bytes=5-99999999999",
    "bytes=0-1,3-4",
    "x=1-2",
)
OUTSIDE = ("bytes=99999999999-", "bytes=-0")


def decoded(encoding: str | None, body: bytes) -> bytes:
    if encoding == "zstd":
        return zstandard.ZstdDecompressor().stream_reader(body, read_across_frames=True).read()
    return gzip.decompress(body) if encoding == "gzip" else body


@pytest.mark.parametrize(
    ("method", "accepted", "wanted", "proxied"),
    list(itertools.product(("GET", "HEAD"), ACCEPTED, (*RANGES, *OUTSIDE), (False, True))),
)
def test_encoding_by_range_by_method_by_distance(
    method: str, accepted: str, wanted: str | None, proxied: bool, registry: RegistryServer
) -> None:
    layer = registry.view("tool@1.0").layers[-1]
    content = b"".join(_content(registry, layer.cid))
    assert hashlib.sha256(content).hexdigest() == layer.diff_id.hex
    headers = {"Accept_Encoding": ACCEPTED[accepted] or "identity"}
    if wanted:
        headers["Range"] = wanted
    if proxied:
        headers["X_Forwarded_For"] = "192.0.2.1"
    answer = registry.ask(f"/v2/tool/blobs/{layer.diff_id}", method, None, **headers)
    encoding = answer.headers.get("content-encoding")
    assert answer.headers["docker-distribution-api-version"] == "registry/2.0"
    if method == "HEAD":
        assert (answer.status, encoding, answer.headers["content-length"]) == (200, None, str(layer.size))
        assert answer.headers["docker-content-digest"] == str(layer.diff_id)
        assert (answer.headers["etag"], answer.headers["vary"]) == (f'"{layer.diff_id}"', "Accept-Encoding")
        assert answer.headers["accept-ranges"] == "bytes"
        return
    if wanted in OUTSIDE:
        assert (answer.status, answer.headers["content-range"]) == (416, f"bytes */{layer.size}")
        return
    assert answer.headers["docker-content-digest"] == str(layer.diff_id)
    assert answer.headers["vary"] == "Accept-Encoding"
    assert "no-transform" in answer.headers["cache-control"]
    whole = {"containerd": "zstd", "zstd": "zstd", "any": "zstd", "go": "gzip" if proxied else None}.get(accepted)
    if wanted is None or (wanted == "bytes=0-" and whole == "zstd"):
        assert (answer.status, encoding) == (200, whole)
        assert decoded(encoding, answer.body) == content
        assert ("accept-ranges" in answer.headers) is (encoding is None)
        assert answer.headers["etag"] == f'"{layer.diff_id}{";" + encoding if encoding else ""}"'
        length = {"zstd": layer.stored_size, None: layer.size}.get(encoding)
        assert answer.headers.get("content-length") == (None if length is None else str(length))
        assert ("private" in answer.headers["cache-control"]) is (encoding is not None)
        return
    assert encoding is None
    if "," in wanted or wanted[0] == "x":
        assert (answer.status, answer.body) == (200, content)
        return
    first, _, last = wanted.removeprefix("bytes=").partition("-")
    start, stop = (int(first), min(int(last or layer.size) + 1, layer.size)) if first else (layer.size - int(last), layer.size)
    assert (answer.status, answer.body) == (206, content[start:stop])
    assert answer.headers["content-range"] == f"bytes {start}-{stop - 1}/{layer.size}"


def _content(registry: RegistryServer, cid: Cid) -> Iterator[bytes]:
    for frame in read_file(cid, registry.home.blocks):
        yield zstandard.ZstdDecompressor().decompress(frame)


def test_without_the_header_nothing_is_encoded(registry: RegistryServer) -> None:
    """As curl asks; the client of the other tests always sends the header."""
    layer = registry.view("tool@1.0").layers[-1]
    content = b"".join(_content(registry, layer.cid))
    for extra, status, wanted in (("", b"200", content), ("Range: bytes=5-9\r\n", b"206", content[5:10])):
        head = f"GET /v2/tool/blobs/{layer.diff_id} HTTP/1.1\r\nHost: localhost\r\nVia: 1.1 x\r\n{extra}Connection: close\r\n\r\n"
        answer, _, body = registry.converse(head.encode()).partition(b"\r\n\r\n")
        assert answer.split(b" ")[1] == status
        assert b"content-encoding" not in answer.lower()
        assert body == wanted


def test_a_range_continues_only_what_has_the_same_tag(registry: RegistryServer) -> None:
    """An encoded answer has a tag of its own, so a client never puts a part behind it that counts other bytes."""
    layer = registry.view("tool@1.0").layers[-1]
    path = f"/v2/tool/blobs/{layer.diff_id}"
    for tag, status in ((f'"{layer.diff_id}"', 206), (f'"{layer.diff_id};zstd"', 200), ('"other"', 200)):
        answer = registry.ask(path, Range="bytes=1000-", If_Range=tag, Accept_Encoding="zstd")
        assert (answer.status, answer.headers.get("content-encoding")) == (status, None)
    for accepted, tag in (("zstd", f'"{layer.diff_id};zstd"'), ("identity", f'"{layer.diff_id}"')):
        assert registry.ask(path, Accept_Encoding=accepted, If_None_Match=tag).status == 304


def test_ranges_anywhere_give_what_stands_there(registry: RegistryServer) -> None:
    layer = registry.view("tool@1.0").layers[-1]
    content = b"".join(_content(registry, layer.cid))
    for start in (0, 1, 511, 512, 32_768, 100_000, len(content) // 2, len(content) - 1):
        for length in (1, 512, 70_000):
            stop = min(start + length, len(content))
            answer = registry.ask(f"/v2/tool/blobs/{layer.diff_id}", Range=f"bytes={start}-{stop - 1}")
            assert (answer.status, answer.body) == (206, content[start:stop]), start


@pytest.mark.parametrize(("compress", "near", "far"), [("auto", None, "gzip"), ("always", "gzip", "gzip"), ("never", None, None)])
def test_when_gzip_is_made_is_a_setting(compress: str, near: str | None, far: str | None, registry_home: Path) -> None:
    settings = ServerSettings(port=0, compress=compress)  # type: ignore[arg-type]
    with open_home(registry_home, now=NOW) as home, serving_registry(home, settings) as registry:
        layer = registry.view("tool@1.0").layers[0]
        path = f"/v2/tool/blobs/{layer.diff_id}"
        assert registry.ask(path, Accept_Encoding="gzip").headers.get("content-encoding") == near
        assert registry.ask(path, Accept_Encoding="gzip", Via="1.1 proxy").headers.get("content-encoding") == far


@pytest.mark.parametrize(
    "header",
    ["Via", "Forwarded", "X_Forwarded_For", "X_Forwarded_Host", "X_Forwarded_Proto", "X_Real_IP", "Host"],
)
def test_a_proxy_on_this_machine_is_noticed(header: str, registry_home: Path) -> None:
    """Its clients are elsewhere, and layers go to them compressed; a Host that is not loopback's is sign enough."""
    settings = ServerSettings(port=0, allowed_hosts=("dcat.example.org",))
    with open_home(registry_home, now=NOW) as home, serving_registry(home, settings) as registry:
        path = f"/v2/tool/blobs/{registry.view('tool@1.0').layers[0].diff_id}"
        answer = registry.ask(path, **{"Accept_Encoding": "gzip", header: "dcat.example.org:443"})
        assert (answer.status, answer.headers.get("content-encoding")) == (200, "gzip")


def test_a_config_is_a_blob(registry: RegistryServer) -> None:
    view = registry.view("team/web@1.0")
    answer = registry.ask(f"/v2/team/web/blobs/{view.config_digest}", Accept_Encoding="zstd, gzip")
    assert (answer.status, answer.body) == (200, view.config)
    assert "content-encoding" not in answer.headers
    assert registry.ask(f"/v2/team/web/blobs/{view.config_digest}", Range="bytes=2-5").body == view.config[2:6]
    assert registry.ask(f"/v2/team/web/blobs/{view.config_digest}", If_None_Match=answer.headers["etag"]).status == 304


def test_a_blob_belongs_to_a_name(registry: RegistryServer) -> None:
    layer = registry.view("tool@1.1").layers[-1]
    unheld = registry.view("tool@1.1").config_digest
    for path in (f"other/blobs/{layer.diff_id}", f"team/web/blobs/sha256:{'0' * 64}", f"tool/blobs/sha256:{'0' * 64}"):
        answer = registry.ask(f"/v2/{path}")
        assert answer.status == 404
        assert b"BLOB_UNKNOWN" in answer.body
    assert registry.ask(f"/v2/tool/blobs/{unheld}").status == 200


def test_an_unknown_digest_is_looked_for_once(registry_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Figure of E13: a name of many images is not read again for each digest that somebody makes up."""
    read: list[Cid] = []
    with open_home(registry_home, now=NOW) as home:
        get = home.blocks.get

        def count(cid: Cid) -> bytes:
            read.append(cid)
            return get(cid)

        monkeypatch.setattr(home.blocks, "get", count)
        with serving_registry(home) as served:
            numbers = []
            for digit in "0123":
                read.clear()
                for kind in ("blobs", "manifests"):
                    assert served.ask(f"/v2/tool/{kind}/sha256:{digit * 64}").status == 404
                numbers.append(len(read))
    assert numbers[0] > 0
    assert numbers[1:] == [0, 0, 0]


def test_what_rotted_never_completes(registry_home: Path, tmp_path: Path) -> None:
    """In every encoding: no complete answer holds wrong bytes."""
    shutil.copytree(registry_home, tmp_path / "home")
    with open_home(tmp_path / "home", now=NOW) as home, serving_registry(home) as registry:
        layer = registry.view("tool@1.0").layers[-1]
        content = b"".join(_content(registry, layer.cid))
        leaves = [block.cid for block in walk(layer.cid, home.blocks) if block.is_leaf]
        with home.blocks.file.transaction() as connection:
            for cid in leaves[len(leaves) // 2 :]:
                connection.execute(
                    "UPDATE payloads SET data = zeroblob(length(data)) "
                    "WHERE payload_id = (SELECT payload_id FROM blocks WHERE digest = ?)",
                    (cid.digest,),
                )
        for accepted in ("zstd", "gzip", "identity"):
            for wanted in ({}, {"Range": "bytes=1000-"}):
                status, whole = _take(registry, str(layer.diff_id), accepted, wanted)
                assert status == 404 or not whole, (accepted, wanted)
        assert content


def _take(registry: RegistryServer, digest: str, accepted: str, headers: dict[str, str]) -> tuple[int, bool]:
    try:
        answer = registry.ask(f"/v2/tool/blobs/{digest}", Accept_Encoding=accepted, Via="1.1 proxy", **headers)
    except (IncompleteRead, ConnectionError):
        return 200, False
    return answer.status, True


def test_an_archive_that_lies_about_a_layer_never_completes(tmp_path: Path) -> None:
    """Its frames match their CIDs and its metadata is canonical, but the layer's content is not that of the diffID."""
    publish_version(tmp_path / "home", "1.0", name="tool", deltas=False)
    with open_home(tmp_path / "home", now=NOW) as home, serving_registry(home) as registry:
        view = registry.view("tool@1.0")
        layer = view.layers[-1]
        with BlockWriter(home.blocks) as writer:
            leaves = []
            for start in range(0, layer.size, MAX_CHUNK_SIZE):
                block, leaf = raw_leaf(compress_chunk(bytes(min(MAX_CHUNK_SIZE, layer.size - start))))
                writer.put_node(block)
                leaves.append(leaf)
            block, fake = file_node(leaves)
            writer.put_node(block)
            links = [fake if link.cid == layer.cid else link for link in view.links]
            block, root = file_node(links)
            writer.put_node(block)
        name = str(home.own_catalogue())
        with home.index.read() as connection:
            release = get_release(connection, name, "tool", "1.0")
        image = replace(release.images[HOST], archive=root.cid)
        home.put_own([replace(release, version="6.6", images={HOST: image})], [])
        assert registry.ask("/v2/tool/manifests/6.6").status == 200  # the same manifest: nothing in it is false
        other = f"sha256:{'0' * 64}"
        with open_home(tmp_path / "home", now=NOW) as again, serving_registry(again) as fresh:
            assert fresh.ask("/v2/tool/manifests/6.6").status == 200
            for accepted in ("zstd", "gzip", "identity"):
                status, whole = _take(fresh, str(layer.diff_id), accepted, {})
                assert not (status == 200 and whole), accepted
            assert fresh.ask(f"/v2/tool/blobs/{other}").status == 404


def test_an_archive_that_calls_a_known_layer_another_never_completes(tmp_path: Path) -> None:
    """That its blocks matched one diffID says nothing of the other."""
    for version in ("1.0", "1.1"):
        publish_version(tmp_path / "home", version, name="tool", deltas=False)
    with open_home(tmp_path / "home", now=NOW) as home, serving_registry(home) as registry:
        known, other = (registry.view(f"tool@{version}") for version in ("1.0", "1.1"))
        layer, called = known.layers[-1], other.layers[-1]
        assert layer.diff_id != called.diff_id
        fake = next(link for link in known.links if link.cid == layer.cid)
        with BlockWriter(home.blocks) as writer:
            block, root = file_node([fake if link.cid == called.cid else link for link in other.links])
            writer.put_node(block)
        with home.index.read() as connection:
            release = get_release(connection, str(home.own_catalogue()), "tool", "1.1")
        image = replace(release.images[HOST], archive=root.cid)
        home.put_own([replace(release, version="6.6", images={HOST: image})], [])
        for accepted in ("zstd", "gzip", "identity"):
            assert _take(registry, str(layer.diff_id), accepted, {}) == (200, True)
        assert registry.ask("/v2/tool/manifests/6.6").status == 200
        for accepted in ("zstd", "gzip", "identity"):
            status, whole = _take(registry, str(called.diff_id), accepted, {})
            assert not (status == 200 and whole), accepted
