"""Private engines for tests: each with its own data, its own socket, stopped by its process ID, and no network.

The fixtures start an engine once for each test process; ``tests/conftest.py`` gives all tests that use one the same xdist group, so
that one process holds them all. What an engine holds stays between tests: give images names of their own, or `Engine.clear` it.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from catalog.clients.docker import Engine, connect
from tests.compat.ports import free_port
from tests.needs import lacks

# Debian's own go first: what else lies on a developer's path is of another version.
_PROGRAMS = "/usr/bin:/usr/sbin:/bin:/sbin"
_DOCKERD_FLAGS = ("--bridge=none", "--iptables=false", "--ip6tables=false")
_START_TIMEOUT = 300.0  # on a busy machine; one that does not start ends, and is not waited for
_STOP_TIMEOUT = 120.0
ENGINE_FIXTURES = frozenset({"docker20", "docker29", "docker29_classic", "podman", "skopeo", "local_registry"})


def program(name: str) -> str | None:
    """Return the path of a program that Debian installs."""
    return shutil.which(name, path=_PROGRAMS) or shutil.which(name)


def built_engines(pattern: str) -> Path | None:
    """Return the folder that ``.ci/engines`` made for an engine, complete."""
    cache = os.environ.get("DCAT_ENGINES") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dcat-engines"
    return next((folder for folder in sorted(Path(cache).glob(pattern)) if (folder / "complete").exists()), None)


@dataclass(frozen=True, slots=True)
class PrivateEngine:
    """A running engine: its socket, and the command line that speaks to it."""

    name: str
    socket: Path
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def host(self) -> str:
        return f"unix://{self.socket}"

    @property
    def containerd(self) -> Path:
        """The socket of the containerd that a Docker engine runs."""
        return self.socket.parent / "exec" / "containerd" / "containerd.sock"

    def run(self, *arguments: str, data: bytes | None = None) -> bytes:
        """Run the engine's own command (``docker …``, ``podman …``) and return what it prints; it must succeed."""
        done = subprocess.run([*self.command, *arguments], env=self.environment, input=data, capture_output=True, check=False)
        assert done.returncode == 0, f"{self.name} {' '.join(arguments)}: {done.stderr.decode(errors='replace')[-2000:]}"
        return done.stdout

    def connect(self, idle_timeout: float = 60.0) -> Engine:
        """Connect dcat's client, with nothing of the developer's own settings."""
        return connect(self.host, environment={"HOME": str(self.socket.parent)}, idle_timeout=idle_timeout)

    def load(self, archive: bytes) -> str:
        """Load an archive by the engine's own command and return the reference or ID it names."""
        return self.run("load", data=archive).decode().strip().rpartition(": ")[2]

    def put(self, archive: bytes, tag: str) -> str:
        """Load an archive without tags, tag its image, and return its ID."""
        image_id = self.load(archive)
        self.run("tag", image_id, tag)
        return image_id

    def images(self) -> dict[str, list[str]]:
        """Return the tags of every image, by ID; untagged ones too, but not what a build left between."""
        listing = self.run("images", "--no-trunc", "--format", "{{.ID}} {{.Repository}}:{{.Tag}}").decode()
        found: dict[str, list[str]] = {}
        for line in listing.splitlines():
            image_id, _, tag = line.partition(" ")
            tags = found.setdefault("sha256:" + image_id.removeprefix("sha256:"), [])
            if "<none>" not in tag:
                tags.append(tag)
        return {image_id: sorted(tags) for image_id, tags in found.items()}

    def clear(self) -> None:
        """Remove all images (and the containers that hold them)."""
        if containers := self.run("ps", "--all", "--quiet").decode().split():
            self.run("rm", "--force", *containers)
        if image_ids := list(self.images()):
            self.run("rmi", "--force", *image_ids)


@pytest.fixture(scope="session")
def docker20() -> Iterator[PrivateEngine]:
    """Debian's Docker 20.10: the classic store, no zstd."""
    with run_docker20() as engine:
        yield engine


@contextmanager
def run_docker20(within: Sequence[str] = (), flags: Sequence[str] = ()) -> Iterator[PrivateEngine]:
    """Run the engine of that fixture by itself, with further flags; ``within`` stands before its command, as for a network."""
    dockerd, containerd = program("dockerd"), program("containerd")
    if dockerd is None or containerd is None:
        lacks("docker20", "dockerd is not installed (.ci/packages installs Debian's docker.io)")
    yield from _dockerd("docker20", Path(dockerd), {"PATH": _PROGRAMS}, fallback="vfs", within=within, flags=flags)


@pytest.fixture(scope="session")
def docker29() -> Iterator[PrivateEngine]:
    """Docker 29 with the containerd store, as new installs have it."""
    with run_docker29() as engine:
        yield engine


@contextmanager
def run_docker29(within: Sequence[str] = (), flags: Sequence[str] = ()) -> Iterator[PrivateEngine]:
    """Run the engine of that fixture by itself, with further flags; ``within`` stands before its command, as for a network."""
    folder = built_engines("docker-v*")
    if folder is None:
        lacks("docker29", "it is not built (.ci/engines builds it)")
    environment = {"PATH": f"{folder}:{_PROGRAMS}"}
    yield from _dockerd("docker29", folder / "dockerd", environment, fallback="native", within=within, flags=flags)


@pytest.fixture(scope="session")
def docker29_classic() -> Iterator[PrivateEngine]:
    """Docker 29 with the classic store, as one that was upgraded has it."""
    with run_docker29_classic() as engine:
        yield engine


@contextmanager
def run_docker29_classic() -> Iterator[PrivateEngine]:
    """Run the engine of that fixture by itself."""
    folder = built_engines("docker-v*")
    if folder is None:
        lacks("docker29", "it is not built (.ci/engines builds it)")
    environment = {"PATH": f"{folder}:{_PROGRAMS}"}
    flags = ("--feature=containerd-snapshotter=false",)
    yield from _dockerd("docker29_classic", folder / "dockerd", environment, fallback="vfs", flags=flags)


@pytest.fixture(scope="session")
def podman() -> Iterator[PrivateEngine]:
    """Debian's podman: its command, and its socket that speaks Docker's API."""
    with run_podman() as engine:
        yield engine


@contextmanager
def run_podman(within: Sequence[str] = ()) -> Iterator[PrivateEngine]:
    """Run the engine of that fixture by itself; ``within`` stands before its commands, as for a network."""
    path = program("podman")
    if path is None:
        lacks("podman", "podman is not installed (.ci/packages installs it)")
    _need_root("podman")
    with _folder("podman") as text:
        folder = Path(text)
        environment = {"PATH": _PROGRAMS, "HOME": text, "TMPDIR": text, "XDG_RUNTIME_DIR": text}
        for driver in ("overlay", "vfs"):
            command = (*within, path, "--root", f"{text}/root", "--runroot", f"{text}/run", "--storage-driver", driver)
            engine = PrivateEngine("podman", folder / "podman.sock", command, environment)
            process = start_process([*command, "system", "service", "--time", "0", engine.host], folder / "log", environment)
            try:
                if _answers(engine.socket, process):
                    yield engine
                    return
            finally:
                stop_process(process)
                _unmount(folder)
        pytest.fail(f"podman does not start: {(folder / 'log').read_text(errors='replace')[-2000:]}", pytrace=False)


@pytest.fixture(scope="session")
def skopeo(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., bytes]:
    """Debian's skopeo: call it with its arguments."""
    path = program("skopeo")
    if path is None:
        lacks("skopeo", "skopeo is not installed (.ci/packages installs it)")
    folder = tmp_path_factory.mktemp("skopeo")

    def run(*arguments: str) -> bytes:
        command = [path, "--insecure-policy", "--tmpdir", str(folder), *arguments]
        done = subprocess.run(command, env={"PATH": _PROGRAMS, "HOME": str(folder)}, capture_output=True, check=False)
        assert done.returncode == 0, f"skopeo {' '.join(arguments)}: {done.stderr.decode(errors='replace')[-2000:]}"
        return done.stdout

    return run


@pytest.fixture(scope="session")
def local_registry() -> Iterator[str]:
    """A registry on loopback, as ``host:port``, which engines use over plain HTTP."""
    with run_registry() as address:
        yield address


@contextmanager
def run_registry(host: str = "127.0.0.1", within: Sequence[str] = (), data: Path | None = None) -> Iterator[str]:
    """Run the registry of that fixture by itself, at an address of a network that ``within`` leads to.

    What is pushed is kept in the folder ``data``, or without one thrown away at the end.
    """
    path = program("docker-registry")
    if path is None:
        lacks("docker29", "docker-registry, which it pulls from, is not installed (.ci/packages installs it)")
    with tempfile.TemporaryDirectory(prefix="dcat-registry-") as text:
        address = f"{host}:{free_port()}"
        settings = {
            "version": 0.1,
            "log": {"level": "error", "accesslog": {"disabled": True}},
            "storage": {"filesystem": {"rootdirectory": str(data or f"{text}/data")}},
            "http": {"addr": address},
        }
        configuration = Path(text) / "config.yml"
        configuration.write_text(json.dumps(settings), encoding="utf-8")
        process = start_process([*within, path, "serve", str(configuration)], Path(text) / "log", {"PATH": _PROGRAMS})
        try:
            assert wait_for(lambda: _registry_answers(address, within), process), (Path(text) / "log").read_text(errors="replace")
            yield address
        finally:
            stop_process(process)


def _dockerd(
    name: str,
    dockerd: Path,
    environment: Mapping[str, str],
    *,
    fallback: str,
    within: Sequence[str] = (),
    flags: Sequence[str] = (),
) -> Iterator[PrivateEngine]:
    docker = program("docker")
    if docker is None:
        lacks(name, "the docker command is not installed (.ci/packages installs it)")
    _need_root(name)
    with _folder(name, os.environ.get("DCAT_ENGINES_FOLDER", "/tmp")) as text:  # benchmarks may have another file system for it
        folder = Path(text)
        settings = {**environment, "HOME": text, "DOCKER_CONFIG": text, "DOCKER_BUILDKIT": "0"}
        engine = PrivateEngine(name, folder / "docker.sock", (docker, "--host", f"unix://{folder}/docker.sock"), settings)
        places = ["--data-root", f"{text}/root", "--exec-root", f"{text}/exec", "--pidfile", f"{text}/pid", "--host", engine.host]
        for driver in ([], [f"--storage-driver={fallback}"]):  # overlay file systems do not stack everywhere
            process = start_process([*within, str(dockerd), *places, *_DOCKERD_FLAGS, *flags, *driver], folder / "log", settings)
            try:
                if _answers(engine.socket, process):
                    yield engine
                    return
            finally:
                stop_process(process)
                _unmount(folder)
        pytest.fail(f"{name} does not start: {(folder / 'log').read_text(errors='replace')[-2000:]}", pytrace=False)


def _folder(name: str, within: str = "/tmp") -> "tempfile.TemporaryDirectory[str]":
    """Return a folder for an engine, whose path is short: a Unix socket's has at most 107 bytes.

    What a process that the engine started still writes there when it is removed makes no test fail.
    """
    return tempfile.TemporaryDirectory(prefix=f"dcat-{name}-", dir=within, ignore_cleanup_errors=True)


def _need_root(need: str) -> None:
    if os.geteuid() != 0:
        lacks(need, "a private engine needs root")


def start_process(command: list[str], log: Path, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    with log.open("ab") as stream:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, env=environment)


def stop_process(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def takes_connections(path: Path) -> bool:
    """Return True where a program listens on a Unix socket; raise `OSError` where none does, or not yet."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.connect(str(path))
    return True


def _answers(path: Path, process: subprocess.Popen[bytes]) -> bool:
    def ping() -> bool:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.settimeout(60)
            client.connect(str(path))
            client.sendall(b"GET /_ping HTTP/1.0\r\nHost: engine\r\n\r\n")
            return b" 200 " in client.recv(64)

    return wait_for(ping, process)


def _registry_answers(address: str, within: Sequence[str]) -> bool:
    if within:
        ask = f"import urllib.request; urllib.request.urlopen('http://{address}/v2/', timeout=60)"
        return subprocess.run([*within, sys.executable, "-c", ask], capture_output=True, check=False).returncode == 0
    with urllib.request.urlopen(f"http://{address}/v2/", timeout=60) as response:
        return bool(response.status == 200)


def wait_for(answer: Callable[[], bool], process: subprocess.Popen[bytes]) -> bool:
    """Wait until ``answer`` gives true; false where the process ends before, or takes too long."""
    end = time.monotonic() + _START_TIMEOUT
    while time.monotonic() < end and process.poll() is None:
        try:
            if answer():
                return True
        except OSError:
            pass
        time.sleep(0.05)
    return False


def _unmount(folder: Path) -> None:
    """Undo what an engine left mounted below its folder, the deepest first."""
    mounts = [line.split(" ")[4] for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()]
    for mount in sorted((mount for mount in mounts if mount.startswith(f"{folder}/")), reverse=True):
        subprocess.run(["umount", "--lazy", mount], check=False)
