"""Local commands send nothing, and no secret is seen by other users of the machine (docs/safety.md F2, F4)."""

import contextlib
import json
import os
import secrets
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.forking import Forks
from tests.needs import ROOT, lacks

CANARY = f"canary-{secrets.token_hex(8)}"
# A network that leads nowhere, on which every packet is counted: names are asked for over it, too.
ALONE = """
set -e
[ ! -e /proc/sys/net/ipv6 ] || sysctl -qw net.ipv6.conf.all.disable_ipv6=1
ip link set lo up
ip link add outside type veth peer name nobody
ip link set nobody up
ip address add 10.99.0.2/24 dev outside
ip link set outside up
ip neighbour replace 10.99.0.1 lladdr 02:00:00:00:00:01 dev outside
ip route add default via 10.99.0.1
mount --make-rprivate /
printf 'nameserver 10.99.0.1\\noptions timeout:1 attempts:1\\n' > "$0"
mount --bind "$0" /etc/resolv.conf
exec "$@"
"""


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Forks]:
    within = ["unshare", "--net", "--mount", "sh", "-c", ALONE, str(tmp_path / "resolv.conf")]
    try:
        subprocess.run([*within, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        lacks("netns", f"no network namespace: {error} {getattr(error, 'stderr', b'')!r}")
    with Forks(within=within) as forks:
        yield forks


def packets(forks: Forks) -> int:
    """Count what was sent in the namespace: on the line to the outside, and to this host itself."""
    lines = Path(f"/proc/{forks.process}/net/dev").read_text().splitlines()[2:]
    sent = {name.strip(): int(values.split()[9]) for name, values in (line.split(":") for line in lines)}
    return sent["outside"] + sent["lo"]


def test_local_commands_send_nothing(alone: Forks, images: dict[str, str], folder: Path) -> None:
    """F4: with sources configured, by name and by address."""
    home = folder / "home"
    for name, url in (("bob", "http://bob.example:5078"), ("eve", "http://10.99.0.7:5078")):
        assert alone.run("config", "set", f"sources.{name}.url", url, home=home).code == 0
    before = packets(alone)
    for command in (
        ["publish", "web", "1.0", "--from", images["1.0"], "--offline"],
        ["publish", "web", "1.1", "--from", images["1.1"], "--offline"],
        ["publish", "web", "1.1", "--from", images["1.1"], "--dry-run"],
        ["resolve", "web@1.0"],
        ["resolve", "web", "--latest", "--explain"],
        ["list"],
        ["show", "web@1.0"],
        ["search", "web"],
        ["log"],
        ["diff", "web@1.0", "web@1.1"],
        ["pull", "web@1.0", "--no-load"],
        ["pull", "web@1.0", "--no-load", "--dry-run"],
        ["save", "web@1.0", "-o", str(folder / "saved")],
        ["pin", "web@1.0"],
        ["unpin", "web@1.0"],
        ["status"],
        ["catalogues"],
        ["outdated"],
        ["key", "show"],
        ["trust", "list"],
        ["verify"],
        ["verify", "--repair"],
        ["gc", "--yes"],
        ["doctor"],
        ["config", "list"],
        ["export", "web@1.0", "-o", str(folder / "bundle.car")],
        ["import", str(folder / "bundle.car")],
        ["help"],
        ["--version"],
        ["__complete", "1", "resolve", "we"],
    ):
        ended = alone.run(*command, home=home)
        assert ended.code in {0, 10, 52}, (command, ended)
        assert packets(alone) == before, command
    assert alone.run("--timeout", "5", "sync", home=home).code != 0 or packets(alone) > before
    assert packets(alone) > before, "a sync is seen"


def test_no_secret_is_seen_by_others(folder: Path) -> None:
    """F2: while a source waits with a token, no process shows it in its arguments or its environment."""
    token = folder / "token"
    token.write_text(CANARY)
    token.chmod(0o600)
    heard: list[bytes] = []
    seen: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        (folder / "config.toml").write_text(f'[sources.bob]\nurl = "{url}"\ntoken-file = "{token}"\n')
        ended = threading.Event()
        thread = threading.Thread(target=_listen, args=(server, heard, seen, ended))
        thread.start()
        try:
            done = subprocess.run(
                [sys.executable, "-m", "cli.main", "--debug", "--timeout", "60", "subscribe", "bob", url],
                capture_output=True,
                text=True,
                check=False,
                cwd=ROOT,
                env={**os.environ, "DCAT_HOME": str(folder / "home"), "DCAT_CONFIG": str(folder / "config.toml")},
            )
        finally:
            ended.set()
            thread.join()
    assert any(CANARY.encode() in request for request in heard), (heard, done)
    assert seen == []
    assert CANARY not in done.stdout + done.stderr
    for path in (folder / "home").rglob("*"):
        assert path.is_dir() or CANARY.encode() not in path.read_bytes(), path


def _listen(server: socket.socket, heard: list[bytes], seen: list[str], ended: threading.Event) -> None:
    server.settimeout(0.1)
    connection = _accept(server, ended)
    if connection is None:
        return
    with connection:
        heard.append(connection.recv(65536))
        for _ in range(3):
            for process in Path("/proc").iterdir():
                if process.name.isdigit():
                    seen += [str(file) for file in (process / "cmdline", process / "environ") if _holds_canary(file)]
            time.sleep(0.1)
        connection.sendall(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    while (connection := _accept(server, ended)) is not None:
        with connection:
            heard.append(connection.recv(65536))
            connection.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")


def _accept(server: socket.socket, ended: threading.Event) -> socket.socket | None:
    """Return the next connection, or None where the client ended without one."""
    while not ended.is_set():
        with contextlib.suppress(TimeoutError):
            connection, _ = server.accept()
            connection.settimeout(60)
            return connection
    return None


def _holds_canary(file: Path) -> bool:
    try:
        return CANARY.encode() in file.read_bytes()
    except OSError:
        return False


@pytest.mark.parametrize("umask", [0o000, 0o002, 0o022, 0o077], ids=oct)
def test_nothing_in_a_home_is_open_to_others(forks: Forks, images: dict[str, str], folder: Path, umask: int) -> None:
    """D9: whatever the umask."""
    home = folder / "home"
    for command in (["publish", "web", "1.0", "--from", images["1.0"]], ["key", "show"], ["sync"]):
        assert forks.run(*command, home=home, umask=umask).code == 0
    modes = {str(path.relative_to(folder)): path.stat().st_mode & 0o077 for path in (home, *home.rglob("*"))}
    assert {name for name, mode in modes.items() if mode} == set(), json.dumps(modes)
    assert (home / "key").stat().st_mode & 0o777 == 0o600
