"""Real web servers, with the settings that an export writes beside its files, serve a static catalogue to real clients."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from catalog.clients.http import HttpClient
from catalog.followed.target import ask_server
from catalog.home.home import open_home
from catalog.hosting.checking import check_host
from catalog.image.canonical import INDEX_TYPE, MANIFEST_TYPE
from catalog.lookup.locate import open_lookup
from catalog.model.platform import parse_platform
from catalog.model.reference import parse_reference
from catalog.operations.save import save
from catalog.operations.subscribe import subscribe
from catalog.sources.network import SourceSetting, open_network
from catalog.static.layout import PING_PATH
from tests.compat.engines import PrivateEngine, program, start_process, stop_process, wait_for
from tests.compat.ports import free_port
from tests.compat.proxies import listens, run_caddy, run_nginx
from tests.compat.test_registry_pull import image_id, run
from tests.compat.tools import find_tool, tool
from tests.factory.exports import write_image
from tests.factory.platforms import HOST
from tests.factory.static_files import make_version
from tests.fakes.header_rules import cloudflare_headers, netlify_headers
from tests.fakes.static_host import StaticHost
from tests.hosting.conftest import Publisher
from tests.needs import ROOT, lacks

_APPLIED = {"cloudflare": cloudflare_headers, "netlify": netlify_headers}
OTHER = parse_platform("linux/s390x")


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Publisher:
    """``web`` for one platform, ``tools/multi`` for two; and what their config digests are."""
    publisher = Publisher(tmp_path_factory.mktemp("published"))
    publisher.publish("web", "1.0", make_version("1.0"))
    publisher.publish_for_all("tools/multi", "2.0")
    publisher.export()
    return publisher


def types_of(folder: Path) -> dict[str, str]:
    """Return the media types of the registry's documents: of each index by its path, of all other manifests by one pattern."""
    marked = folder / "indexes"
    indexes = {f"/{path.relative_to(marked).as_posix()}": INDEX_TYPE for path in marked.rglob("*") if path.is_file()}
    return {**indexes, "/manifests/": MANIFEST_TYPE}


@pytest.fixture(scope="module", params=["nginx", "caddy", "python", "cloudflare", "netlify"])
def host(request: pytest.FixtureRequest, published: Publisher, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a web server that serves the folder with the settings that stand in it, changed where they say so."""
    if request.param == "python":  # a host of files like `http.server` that can be told media types by paths
        with StaticHost(published.folder, types=types_of(published.folder)) as plain:
            yield plain.url.removeprefix("http://").replace("127.0.0.1", "localhost")
        return
    if request.param in _APPLIED:  # the rules of these hosts, applied to the file that stands in the folder
        with StaticHost(published.folder, apply=_APPLIED[request.param]) as plain:
            yield plain.url.removeprefix("http://").replace("127.0.0.1", "localhost")
        return
    port = free_port()
    folder = tmp_path_factory.mktemp(request.param)
    root = str(published.folder)
    if request.param == "nginx":
        text = (published.folder / "settings/nginx.conf").read_text()
        server = run_nginx(folder, port, text.replace("127.0.0.1:8080", f"127.0.0.1:{port}").replace("/srv/catalogue", root))
    else:
        text = (published.folder / "settings/Caddyfile").read_text()
        server = run_caddy(folder, port, text.replace("localhost:8080", f"localhost:{port}").replace("/srv/catalogue", root))
    with server:
        yield f"localhost:{port}"


def config_of(published: Publisher, name: str, version: str) -> str:
    with published.open() as home, open_lookup(home.path) as lookup:
        image = lookup.resolve(parse_reference(f"{name}@{version}"), now=home.now, platform=HOST).image
    assert image is not None
    return str(image.config)


def test_dcat(published: Publisher, host: str, tmp_path: Path) -> None:
    with open_home(tmp_path / "home", now=published.now) as home, open_network([SourceSetting(f"http://{host}")]) as network:
        subscribe(home, network, ask_server(network.clients[0]), "ann")
        save(home, "ann/web@1.0", tmp_path / "web.tar", platform=HOST, network=network)
        save(home, "ann/tools/multi@2.0", tmp_path / "multi.tar", platform=OTHER, network=network)


def test_crane(published: Publisher, host: str, tmp_path: Path) -> None:
    crane = tool("crane", tmp_path)
    assert crane("ls", f"{host}/web").split() == ["1.0"]
    (by_tag,) = published.folder.glob("v2/web/manifests/sha256:*")
    assert crane("digest", f"{host}/web:1.0").strip() == by_tag.name
    crane("pull", "--format", "oci", f"{host}/web:1.0", "image")  # `validate` reads gzip layers only
    for blob in (tmp_path / "image/blobs/sha256").iterdir():
        assert hashlib.sha256(blob.read_bytes()).hexdigest() == blob.name
    assert json.loads(crane("config", "--platform", str(OTHER), f"{host}/tools/multi:2.0"))["architecture"] == "s390x"
    assert len(json.loads(crane("manifest", f"{host}/tools/multi:2.0"))["manifests"]) == 2


def test_skopeo(host: str, skopeo: Callable[..., bytes], tmp_path: Path) -> None:
    for name in ("web:1.0", "tools/multi:2.0"):
        skopeo("copy", "--src-tls-verify=false", f"docker://{host}/{name}", f"oci:{tmp_path}/{name.replace('/', '-')}")
    assert b"1.0" in skopeo("list-tags", "--tls-verify=false", f"docker://{host}/web")


def test_docker_29(published: Publisher, host: str, docker29: PrivateEngine) -> None:
    docker29.run("pull", f"{host}/web:1.0")
    (by_tag,) = published.folder.glob("v2/web/manifests/sha256:*")
    assert image_id(docker29, f"{host}/web:1.0") == by_tag.name
    docker29.run("pull", f"{host}/tools/multi:2.0")


def test_containerd(published: Publisher, host: str, docker29: PrivateEngine, tmp_path: Path) -> None:
    """Debian's ctr with a hosts.toml that names the host as the mirror of a registry, against the containerd of Docker 29."""
    ctr = program("ctr")
    if ctr is None:
        lacks("docker29", "ctr is not installed (.ci/packages installs Debian's containerd)")
    (tmp_path / "registry.example").mkdir()
    (tmp_path / "registry.example/hosts.toml").write_text(f'[host."http://{host}"]\n  capabilities = ["pull", "resolve"]\n')
    command = (ctr, "--address", str(docker29.containerd), "--namespace", "dcat-static", "images")
    for name in ("web:1.0", "tools/multi:2.0"):
        run(*command, "pull", "--hosts-dir", str(tmp_path), f"registry.example/{name}", home=docker29.socket.parent)
    (by_tag,) = published.folder.glob("v2/web/manifests/sha256:*")
    assert by_tag.name in run(*command, "list", "name==registry.example/web:1.0", home=docker29.socket.parent)


def test_podman(published: Publisher, host: str, podman: PrivateEngine) -> None:
    podman.run("pull", "--tls-verify=false", f"{host}/web:1.0")
    assert image_id(podman, f"{host}/web:1.0") == config_of(published, "web", "1.0")
    podman.run("pull", "--tls-verify=false", f"{host}/tools/multi:2.0")


def test_podman_with_the_host_as_a_mirror(published: Publisher, host: str, podman: PrivateEngine) -> None:
    """The lines of the guide, which CRI-O reads too, for a host without TLS."""
    lines = re.search(r"    \[\[registry\]\].*?\n(?=\S)", (ROOT / "docs/guides/hosting.md").read_text(), re.DOTALL)
    assert lines is not None
    folder = Path(podman.environment["HOME"], ".config/containers/registries.conf.d")
    folder.mkdir(parents=True)
    try:
        text = textwrap.dedent(lines[0]).replace('location = "host"', f'location = "{host}"\ninsecure = true')
        (folder / "static.conf").write_text(text)
        podman.run("pull", "registry.example/web:1.0")
        assert image_id(podman, "registry.example/web:1.0") == config_of(published, "web", "1.0")
        podman.run("rmi", "registry.example/web:1.0")
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def bucket(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """A server that speaks S3: where ``aws`` puts, and where everybody gets, which is the bucket at the root of a host."""
    port = free_port()
    places = ("-initialbucket", "127", "-hostbucketbase", f"0.0.1:{port}")  # 127.0.0.1 is the bucket "127" below that base
    command = [find_tool("gofakes3"), "-backend", "memory", "-host", f"127.0.0.1:{port}", *places]
    process = start_process(command, tmp_path / "s3.log", {"PATH": os.environ["PATH"], "HOME": str(tmp_path)})
    try:
        assert wait_for(lambda: listens(port), process)
        yield f"http://localhost:{port}", f"127.0.0.1:{port}"
    finally:
        stop_process(process)


def check_bucket(published: Publisher, address: str, folder: Path, skopeo: Callable[..., bytes]) -> None:
    with closing(HttpClient(f"http://{address}")) as client:
        found = {finding.subject: finding for finding in check_host(client, published.now)}
    assert (found["dcat"].state, found["ranges"].state, found["engines"].state) == ("ok", "ok", "ok"), found
    test_dcat(published, address, folder)
    test_skopeo(address, skopeo, folder)


def test_a_bucket(published: Publisher, bucket: tuple[str, str], skopeo: Callable[..., bytes], tmp_path: Path) -> None:
    """Objects with the media types that `settings/s3.sh` gives them serve dcat and engines."""
    for path in published.folder.rglob("*"):
        if not path.is_file():
            continue
        name = path.relative_to(published.folder).as_posix()
        kind = "application/octet-stream"
        if "/manifests/" in name:
            kind = json.loads(path.read_bytes())["mediaType"]
        elif name.startswith("dcat/") or name.endswith("/tags/list") or name == PING_PATH:
            kind = "application/json"
        place = f"{bucket[0]}/127/{name.removesuffix('index.html') if name == PING_PATH else name}"
        request = urllib.request.Request(place, data=path.read_bytes(), method="PUT", headers={"Content-Type": kind})
        urllib.request.urlopen(request).close()
    check_bucket(published, bucket[1], tmp_path, skopeo)


@pytest.mark.long
def test_a_bucket_that_the_script_filled(
    published: Publisher, bucket: tuple[str, str], skopeo: Callable[..., bytes], tmp_path: Path
) -> None:
    """`settings/s3.sh` with the real aws, which takes a second or two to start each time."""
    aws = program("aws")
    if aws is None:
        lacks("aws", "aws is not installed (.ci/packages installs Debian's awscli)")
    (tmp_path / "aws").write_text("[default]\nregion = us-east-1\ns3 =\n  addressing_style = path\n")
    environment = {
        "PATH": f"{Path(aws).parent}:/usr/bin:/bin",
        "HOME": str(tmp_path),
        "AWS_CONFIG_FILE": str(tmp_path / "aws"),
        "AWS_ACCESS_KEY_ID": "nobody",
        "AWS_SECRET_ACCESS_KEY": "nothing",
    }
    script = ["sh", str(published.folder / "settings/s3.sh"), "s3://127", "--endpoint-url", bucket[0]]
    done = subprocess.run(script, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    check_bucket(published, bucket[1], tmp_path, skopeo)


def test_the_guide(tmp_path: Path) -> None:
    """The commands of docs/guides/hosting.md, as they stand there, with this machine's addresses in place of the guide's."""
    lines = [line.strip() for line in (ROOT / "docs/guides/hosting.md").read_text().splitlines() if line.startswith("    ")]
    commands = [line for line in lines if line.startswith(("dcat ", "rsync ", "curl "))]
    assert {command.split()[0] for command in commands} == {"dcat", "rsync", "curl"}
    port = free_port()
    served = tmp_path / "served"
    served.mkdir()
    image = write_image(tmp_path / "image.tar")
    names = {"host:/srv/catalogue/": f"{served}/", "https://host/path": f"http://localhost:{port}"}
    config = (ROOT / "catalog/hosting/settings/nginx.conf").read_text()
    (tmp_path / "nginx").mkdir()

    def type_in(command: str, home: str) -> str:
        for there, here in names.items():
            command = command.replace(there, here)
        if shutil.which("rsync") is None and command.startswith("rsync"):
            command = f"cp -a site/. {served}/"
        environment = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "HOME": str(tmp_path / home)}
        (tmp_path / home).mkdir(exist_ok=True)
        done = subprocess.run(["sh", "-c", command], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{command}: {done.stderr[-2000:]}"
        return done.stdout

    type_in(f"dcat publish web 1.0 --from {image}", "ann")
    with run_nginx(
        tmp_path / "nginx", port, config.replace("127.0.0.1:8080", f"127.0.0.1:{port}").replace("/srv/catalogue", str(served))
    ):
        for command in commands:
            output = type_in(f"{command} --yes" if "subscribe" in command else command, "ann" if "export" in command else "bob")
            if command.startswith("curl"):
                assert output.split() == ["1.0"]
        assert "can pull" in type_in(f"dcat doctor --static http://localhost:{port}", "bob")
        type_in("dcat save ann/web@1.0 -o web.tar.zst", "bob")
