"""``dcat serve`` as a process: what it says, whom it lets in, how it ends."""

import http.client
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.conftest import Dcat
from tests.factory.exports import write_image
from tests.fakes.served_home import served_home
from tests.needs import ROOT


@contextmanager
def serving(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    command = [sys.executable, "-m", "cli.main", "--json", "serve", "--port", "0", *arguments]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
        cwd=ROOT,
    ) as process:
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            assert line, process.stderr.read() if process.stderr else ""
            yield process, json.loads(line)
        finally:
            process.kill()


def ask(url: str, path: str, **headers: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", int(url.rpartition(":")[2]), timeout=60)
    try:
        connection.request("GET", path, headers=headers)
        return connection.getresponse().status
    finally:
        connection.close()


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_loopback_until_told_to_stop(number: signal.Signals) -> None:
    with serving() as (process, started):
        assert started["url"].startswith("http://127.0.0.1:")
        assert started["catalogue"] is None
        assert ask(started["url"], "/health") == 200
        assert ask(started["url"], "/dcat/v1/catalogue") == 404
        assert ask(started["url"], "/health", Host="evil.example") == 421
        process.send_signal(number)
        assert process.wait(60) == 0
        assert process.stderr is not None
        assert '"GET /health" 421' in process.stderr.read()


def test_the_log_says_why_nothing_was_fetched(dcat: Dcat, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DCAT_HOME", str(tmp_path / "team"))
    assert dcat("publish", "web", "1.0", "--from", write_image(tmp_path / "one.tar")).code == 0
    monkeypatch.setenv("DCAT_HOME", str(tmp_path / "home"))
    with served_home(tmp_path / "team") as url:
        assert dcat("subscribe", "team", url).code == 0
    with serving("--fetch") as (process, started):
        assert ask(started["url"], "/v2/team/web/manifests/1.0") == 404
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
        assert process.stderr is not None
        (line,) = [line for line in process.stderr if "fetching web@1.0" in line]
        assert "no source has block" in line
        assert "Connection refused" in line


@pytest.mark.usefixtures("home")
def test_a_token_comes_from_a_file(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("s3cret\n", encoding="ascii")
    with serving("--token-file", str(token), "--allowed-host", "images.example.org") as (process, started):
        assert ask(started["url"], "/metrics") == 401
        assert ask(started["url"], "/metrics", Authorization="Bearer s3cret", Host="images.example.org") == 200
        process.send_signal(signal.SIGTERM)
        assert process.stderr is not None
        assert "s3cret" not in process.stderr.read()


def test_a_file_without_a_token_is_refused(dcat: Dcat, tmp_path: Path) -> None:
    for content in (b"", b"\n", b"a\0b", "ä".encode(), b"a" * 5000):
        (tmp_path / "token").write_bytes(content)
        ran = dcat("serve", "--token-file", str(tmp_path / "token"))
        assert ran.code == 2
        assert "does not hold a token" in ran.err
    assert dcat("serve", "--token-file", str(tmp_path / "nothing")).code == 10


def test_what_becomes_public_is_said_and_must_be_confirmed(dcat: Dcat) -> None:
    ran = dcat("serve", "--public", "--port", "0", "--no-input")
    assert ran.code == 2
    assert "everybody who reaches it can read: your catalogue: 0 releases" in ran.err
    assert "dcat serve --public --yes" in ran.err
    assert dcat("serve", "--host", "0.0.0.0").code == 2
    assert dcat("serve", "--port", "70000").code == 2
    for yes in (("--yes",), ()):  # once is enough
        with serving("--public", *yes) as (_, started):
            assert ask(started["url"], "/health") == 200
