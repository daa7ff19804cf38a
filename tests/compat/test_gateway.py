"""`dcat serve` as a gateway and delegated router of IPFS's own programs: Kubo and Helia, which compare every block with its CID."""

import hashlib
import json
import shutil
import socket
import ssl
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from catalog.home.home import open_home
from catalog.intake.intake import Wanted
from catalog.ipld.cid import Cid
from catalog.operations.publish import publish
from catalog.own.share import share_own
from catalog.own.signing import own_name
from catalog.server.running import RunningServer
from catalog.server.settings import ServerSettings
from catalog.server.site.opening import open_site
from catalog.sources.network import Network
from catalog.unixfs.file_reader import read_file
from tests.compat.engines import built_engines
from tests.compat.kubo import KuboNode, find_kubo, start_kubo, stop_kubo
from tests.compat.ports import free_ports
from tests.compat.proxies import run_caddy
from tests.compat.publisher import wait_until
from tests.factory.exports import source_of
from tests.factory.images import make_image, versioned_text
from tests.factory.platforms import HOST
from tests.factory.tars import make_layer
from tests.factory.times import NOW
from tests.needs import lacks
from tests.server.serving import running


@dataclass(frozen=True, slots=True)
class Gateway:
    """A server with one release: where it listens, the path of its archive, the archive, its CID and what was logged."""

    server: RunningServer
    path: str
    archive: bytes
    cid: Cid
    log: list[str]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with open_home(tmp_path_factory.mktemp("publisher"), now=NOW) as home:
        image = make_image([make_layer({"srv/data": versioned_text("1.0", 3_000_000)})], platform=HOST)
        published = publish(home, "tools/web", "1.0", source_of(image), Wanted(HOST))
        share_own(home, Network())
        cid = published.release.images[HOST].archive
        path = f"{own_name(home)}/images/tools/web/1.0.{HOST.file_part}.tar.zst"
        archive = b"".join(read_file(cid, home.blocks))
        settings = ServerSettings(port=0, allowed_hosts=("localhost",))
        with running(open_site(home, lambda: NOW), settings) as (server, log):
            yield Gateway(server, path, archive, cid, log)


def shakes_hands(port: int) -> bool:
    """Return whether a server on loopback has a certificate, whoever signed it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        suppress(OSError),
        socket.create_connection(("127.0.0.1", port), timeout=60) as plain,
        context.wrap_socket(plain, server_hostname="localhost"),
    ):
        return True
    return False


@contextmanager
def kubo_of(routers: list[str], **retrieval: Any) -> Iterator[KuboNode]:
    """Run a node that knows nobody but these routers."""
    processes: list[subprocess.Popen[bytes]] = []
    with tempfile.TemporaryDirectory(prefix="dcat-kubo-", dir="/tmp") as folder:
        try:
            yield start_kubo(
                find_kubo(),
                Path(folder) / "repository",
                processes,
                Routing={"Type": "autoclient", "DelegatedRouters": routers},
                Provide={"Enabled": False},
                HTTPRetrieval={"Enabled": True, **retrieval},
            )
        finally:
            for process in processes:
                stop_kubo(process)


def test_kubo_finds_a_name_and_its_files_here(gateway: Gateway) -> None:
    """HTTP without TLS is enough where the address is a private or loopback IP address."""
    with kubo_of([f"http://127.0.0.1:{gateway.server.port}"]) as node:
        assert node.run("swarm", "peers") == b""
        assert node.run("cat", f"/ipns/{gateway.path}") == gateway.archive
        folder, _, name = gateway.path.rpartition("/")
        assert node.run("ls", f"/ipns/{folder}").decode().split()[::2] == [str(gateway.cid), name]
        assert node.run("routing", "findprovs", str(gateway.cid)).count(b"\n") == 1
        node.run("pin", "add", str(gateway.cid))
    assert any("/routing/v1/ipns/" in line for line in gateway.log)


def test_kubo_fetches_from_behind_a_proxy_with_tls(gateway: Gateway, tmp_path: Path) -> None:
    """Over a line, Kubo wants TLS and HTTP/2, which the proxy brings; the router names the proxy's address."""
    front, plain = free_ports(2)
    sites = f"""
https://localhost:{front} {{
  tls internal
  reverse_proxy 127.0.0.1:{gateway.server.port}
  log {{
    output file {tmp_path}/access.log
  }}
}}
http://127.0.0.1:{plain} {{
  reverse_proxy 127.0.0.1:{gateway.server.port} {{
    header_up Host localhost:{front}
    header_up X-Forwarded-Proto https
  }}
}}
"""
    with run_caddy(tmp_path, front, sites, f"storage file_system {tmp_path}"):
        wait_until(lambda: shakes_hands(front))  # the certificate is made while it listens already
        with kubo_of([f"http://127.0.0.1:{plain}"], TLSInsecureSkipVerify=True) as node:
            assert node.run("cat", str(gateway.cid)) == gateway.archive
    requests = [json.loads(line)["request"] for line in (tmp_path / "access.log").read_text().splitlines()]
    assert any(request["uri"].startswith(f"/ipfs/{gateway.cid}") for request in requests)
    assert {request["proto"] for request in requests} == {"HTTP/2.0"}


def test_helia_gets_a_file_by_cid_and_by_name(gateway: Gateway) -> None:
    """``@helia/verified-fetch``, as a page or a program in JavaScript uses it."""
    folder, node = built_engines("helia-*"), shutil.which("node")
    if folder is None or node is None:
        lacks("helia", "it is not installed (.ci/engines installs it)")
    script = Path(__file__).with_name("helia.mjs")
    done = subprocess.run(
        [node, script, f"http://127.0.0.1:{gateway.server.port}", f"ipfs://{gateway.cid}", f"ipns://{gateway.path}"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    digest = hashlib.sha256(gateway.archive).hexdigest()
    assert done.stdout.splitlines() == [f"200 application/octet-stream {digest}"] * 2
    assert any(f"/routing/v1/providers/{gateway.cid}" in line for line in gateway.log)
