"""``dcat serve --push`` as a process: what it answered survives kill -9, its memory is bounded, and `dcat log` says by whom."""

import base64
import hashlib
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from pathlib import Path

import pytest

from catalog.blockstores.holding import is_whole
from catalog.home.home import open_home
from catalog.index.releases import get_release
from tests.cli.commands.test_serve import serving
from tests.cli.conftest import Dcat
from tests.factory.images import make_image
from tests.factory.platforms import HOST
from tests.factory.tars import make_layer
from tests.factory.times import NOW
from tests.intake.pushing import pieces
from tests.memory import PeakWatch
from tests.needs import ROOT
from tests.server.registry.pushing import Pusher

MIB = 1 << 20
LAYERS = 5
COMMON = make_layer({"common": bytes(range(256)) * 4000})


def port_of(started: dict[str, str]) -> int:
    return int(started["url"].rpartition(":")[2])


def test_what_was_answered_survives_a_kill(home: Path) -> None:
    images = [make_image([COMMON, make_layer({"job": b"%d" % number})]) for number in range(6)]
    answered: list[int] = []
    with serving("--push") as (process, started), ThreadPoolExecutor(len(images)) as pool:

        def push(number: int) -> None:
            client = Pusher(port_of(started))
            try:
                if client.push("web", f"1.{number}", images[number]).status == 201:
                    answered.append(number)
                    process.kill()
            except (OSError, HTTPException, AssertionError):
                pass  # the server is gone
            finally:
                client.connection.close()

        list(pool.map(push, range(len(images))))
    assert answered
    with open_home(home, now=NOW) as opened, opened.index.read() as connection:
        catalogue = opened.own_catalogue()
        assert catalogue is not None
        for number in answered:
            image = get_release(connection, catalogue, "web", f"1.{number}").images[HOST]
            assert image.config == images[number].config_digest
            assert is_whole(image.archive, opened.blocks)


def test_the_log_says_by_whom(home: Path, dcat: Dcat, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("secret\n")
    token.chmod(0o600)
    with serving("--push", "--token-file", str(token)) as (_, started):
        client = Pusher(port_of(started), "Basic " + base64.b64encode(b"ci-job:secret").decode())
        assert client.push("web", "1.0", make_image([COMMON])).status == 201
        client.connection.close()
    assert "by ci-job, from 127.0.0.1" in dcat("log").out


def test_how_to_push_is_said(home: Path) -> None:
    command = [sys.executable, "-m", "cli.main", "serve", "--push", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        port = process.stdout.readline().strip().rpartition(":")[2]
        said = next(line for line in process.stderr if line.startswith("To publish: "))
        process.terminate()
        assert said == f"To publish: docker push localhost:{port}/NAME:VERSION\n"


def test_a_public_server_takes_pushes_only_with_a_token(home: Path, dcat: Dcat) -> None:
    refused = dcat("serve", "--push", "--public", "--yes")
    assert refused.code == 2
    assert "pushes are not taken from everybody" in refused.err


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("size", [32 * MIB, pytest.param(4096 * MIB, marks=pytest.mark.long)])
@pytest.mark.usefixtures("home")
def test_five_layers_that_are_pushed_at_once_take_at_most_250_mib(size: int) -> None:
    def digest_of(seed: int) -> str:
        sha256 = hashlib.sha256()
        for piece in pieces(seed, size):
            sha256.update(piece)
        return f"sha256:{sha256.hexdigest()}"

    def push(seed: int) -> str:
        client = Pusher(port_of(started), patience=1800)
        try:
            digest = digest_of(seed)
            place = client.ask("POST", "/v2/web/blobs/uploads/").headers["location"]
            body: Iterator[bytes] = pieces(seed, size)
            assert client.ask("PATCH", place, body, transfer_encoding="chunked").status == 202
            assert client.ask("PUT", f"{place}?digest={digest}").status == 201
            return digest
        finally:
            client.connection.close()

    with serving("--push") as (process, started), PeakWatch(process.pid) as watch, ThreadPoolExecutor(LAYERS) as pool:
        digests = list(pool.map(push, range(LAYERS)))
    assert len(set(digests)) == LAYERS
    assert watch.peak <= 250 * MIB
