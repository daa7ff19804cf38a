"""The recipes of docs/guides/proxies.md, as they stand there: TLS, a token, and everything that people do through them."""

import base64
import json
import re
import ssl
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.browser.homes import CommandHome
from tests.compat.engines import PrivateEngine
from tests.compat.ports import free_port
from tests.compat.proxies import run_caddy, run_haproxy, run_nginx
from tests.compat.tools import tool
from tests.factory.exports import write_save
from tests.factory.images import make_image, versioned_text
from tests.factory.platforms import HOST
from tests.factory.tars import make_tar
from tests.fakes.certificates import Certificates, make_certificates
from tests.needs import ROOT

# Tests with an engine belong to the process that has engines running; both groups would start them a second time.
_without_engine = pytest.mark.xdist_group("proxies")

_GUIDE = ROOT / "docs/guides/proxies.md"
_RECIPE = re.compile(r"<!-- recipe: ([a-z-]+) -->\n```[a-z]+\n(.*?)```", re.DOTALL)
_TOKEN = "t0ken-of-the-tests"
_VERSIONS = ("1.0", "1.1")
_RUN: dict[str, Callable[[Path, int, str], AbstractContextManager[None]]] = {
    "nginx": run_nginx,
    "caddy": run_caddy,
    "haproxy": run_haproxy,
}


@dataclass(frozen=True, slots=True)
class Front:
    """A proxy that runs: the URL that people type, and the files that they need."""

    url: str
    certificates: Certificates
    token_file: Path

    @property
    def host(self) -> str:
        return self.url.removeprefix("https://").partition("/")[0]

    def get(self, path: str, **headers: str) -> tuple[dict[str, str], bytes]:
        """Return headers and body of an answer of 2xx; names of headers have ``_`` for ``-``."""
        sent = {"Authorization": f"Bearer {_TOKEN}", **{name.replace("_", "-"): value for name, value in headers.items()}}
        request = urllib.request.Request(f"{self.url}{path}", headers=sent)
        context = ssl.create_default_context(cafile=str(self.certificates.ca))
        with urllib.request.urlopen(request, context=context, timeout=60) as response:
            return {name.lower(): value for name, value in response.headers.items()}, response.read()


def recipes() -> dict[str, str]:
    return dict(_RECIPE.findall(_GUIDE.read_text(encoding="utf-8")))


@pytest.fixture(scope="module")
def publisher(tmp_path_factory: pytest.TempPathFactory) -> CommandHome:
    """A home with two versions of an image for this machine."""
    path = tmp_path_factory.mktemp("publisher")
    home = CommandHome(path)
    for version in _VERSIONS:
        layers = [make_tar({"srv/data": versioned_text(version, 3_000_000)}), make_tar({"srv/version": version.encode()})]
        write_save(path / "image.tar", make_image(layers, HOST))
        home.dcat("publish", "web", version, "--from", str(path / "image.tar"), "--platform", str(HOST))
    (path / "token").touch(mode=0o600)
    (path / "token").write_text(_TOKEN, encoding="ascii")
    return home


@contextmanager
def in_front(name: str, publisher: CommandHome, folder: Path) -> Iterator[Front]:
    """Serve the home behind a recipe of the guide, with names, ports and files of this test."""
    certificates = make_certificates(folder)
    both = folder / "both.pem"
    both.write_bytes(b"".join(path.read_bytes() for path in certificates.server))
    port = free_port()
    with publisher.serving("--token-file", str(publisher.path / "token"), "--allowed-host", "localhost") as url:
        text = recipes()[name]
        for old, new in (
            ("127.0.0.1:5078", url.removeprefix("http://")),
            ("/etc/ssl/dcat.pem", str(certificates.server[0])),
            ("/etc/ssl/dcat.key", str(certificates.server[1])),
            ("/etc/ssl/dcat-both.pem", str(both)),
            ("listen 443", f"listen 127.0.0.1:{port}"),
            ("bind :443", f"bind 127.0.0.1:{port}"),
            (".example.org {", f".example.org:{port} {{"),
            ("dcat.example.org", "localhost"),
            ("www.example.org", "localhost"),
        ):
            text = text.replace(old, new)
        run = _RUN[name.partition("-")[0]]
        with run(folder, port, text):
            yield Front(
                f"https://localhost:{port}{'/dcat' if name.endswith('-path') else ''}", certificates, publisher.path / "token"
            )


@pytest.fixture(scope="module", params=["nginx", "caddy", "haproxy"])
def front(request: pytest.FixtureRequest, publisher: CommandHome, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    with in_front(request.param, publisher, tmp_path_factory.mktemp("front")) as running:
        yield running


@pytest.fixture(scope="module", params=["nginx-path", "caddy-path"])
def below(request: pytest.FixtureRequest, publisher: CommandHome, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    with in_front(request.param, publisher, tmp_path_factory.mktemp("below")) as running:
        yield running


def follow(front: Front, folder: Path) -> None:
    """Follow the catalogue as the guide says, get one version block by block and the next one by delta."""
    home = CommandHome(folder)
    home.dcat("subscribe", "ann", front.url, "--token-file", str(front.token_file), "--ca-file", str(front.certificates.ca))
    home.dcat("pull", "--no-load", "ann/web@1.0")
    upgraded = json.loads(home.dcat("pull", "--no-load", "--json", "ann/web@1.1").splitlines()[-1])
    assert upgraded["delta"]["complete"]


@_without_engine
def test_every_recipe_is_run() -> None:
    assert set(recipes()) == {"nginx", "caddy", "haproxy", "nginx-path", "caddy-path"}


@_without_engine
def test_following_through_a_proxy(front: Front, tmp_path: Path) -> None:
    follow(front, tmp_path)


@_without_engine
def test_following_below_a_path(below: Front, tmp_path: Path) -> None:
    follow(below, tmp_path)


@_without_engine
def test_pages_through_a_proxy(front: Front) -> None:
    _, body = front.get("/r/mine/web@1.0", Accept="text/html")
    page = body.decode()
    assert f"dcat subscribe team {front.url}" in page
    assert f"docker pull {front.host}/web:1.0" in page
    assert "http://" not in re.sub(r"xmlns\S*", "", page)


@_without_engine
def test_pages_below_a_path(below: Front) -> None:
    page = below.get("/", Accept="text/html")[1].decode()
    for link in set(re.findall(r'(?:href|src)="(/[^"]*)"', page)):
        assert link.startswith("/dcat/")
        below.get(link.removeprefix("/dcat"))
    assert f"dcat subscribe team {below.url}" in below.get("/r/mine/web@1.0")[1].decode()


@_without_engine
@pytest.mark.parametrize("accepted", ["zstd", "gzip", "identity"])
def test_layers_leave_a_proxy_as_they_are_asked_for(front: Front, accepted: str) -> None:
    """The encoding of docs/formats/registry.md for a client elsewhere, whole or in part."""
    manifest = json.loads(front.get("/v2/web/manifests/1.0")[1])
    layer = max(manifest["layers"], key=lambda entry: int(entry["size"]))
    path = f"/v2/web/blobs/{layer['digest']}"
    headers, body = front.get(path, Accept_Encoding=accepted)
    assert headers.get("content-encoding", "identity") == accepted
    assert len(body) == int(headers.get("content-length", len(body)))
    assert (len(body) < layer["size"]) is (accepted != "identity")
    part, content = front.get(path, Accept_Encoding=accepted, Range="bytes=100-199")
    assert (part["content-range"], len(content)) == (f"bytes 100-199/{layer['size']}", 100)
    assert "content-encoding" not in part


def test_crane_and_skopeo_through_a_proxy(front: Front, skopeo: Callable[..., bytes], tmp_path: Path) -> None:
    (tmp_path / "ca").mkdir()
    (tmp_path / "ca" / "ca.crt").write_bytes(front.certificates.ca.read_bytes())
    auth = base64.b64encode(f"ann:{_TOKEN}".encode()).decode()
    (tmp_path / "config.json").write_text(json.dumps({"auths": {front.host: {"auth": auth}}}), encoding="utf-8")
    variables = {"SSL_CERT_FILE": str(front.certificates.ca), "DOCKER_CONFIG": str(tmp_path)}
    digest = tool("crane", tmp_path)("digest", f"{front.host}/web:1.0", **variables).strip()
    login = ("--src-creds", f"ann:{_TOKEN}", "--src-cert-dir", str(tmp_path / "ca"))
    skopeo("copy", *login, "--preserve-digests", f"docker://{front.host}/web:1.0", f"oci:{tmp_path}/image:here")
    (entry,) = json.loads((tmp_path / "image" / "index.json").read_text())["manifests"]
    assert entry["digest"] == digest


def test_engines_through_a_proxy(front: Front, docker20: PrivateEngine, docker29: PrivateEngine, podman: PrivateEngine) -> None:
    """Log in, pull, log out; engines take a certificate for ``localhost`` unseen."""
    for engine, options in ((docker20, ()), (docker29, ()), (podman, ("--tls-verify=false",))):
        engine.run("login", *options, "--username", "ann", "--password-stdin", front.host, data=_TOKEN.encode())
        engine.run("pull", *options, f"{front.host}/web:1.1")
        engine.run("logout", front.host)
