"""The real tools that make images and exports: built by ``.ci/engines``, or installed by ``.ci/packages``."""

import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.compat.engines import built_engines, program, start_process, stop_process, takes_connections, wait_for
from tests.needs import lacks

Tool = Callable[..., str]


def find_tool(name: str, need: str = "") -> str:
    """Return the path of a tool; the test ends where it is not there."""
    folder = built_engines(f"{name}-v*")
    path = str(folder / name) if folder else program(name)
    if path is None:
        lacks(need or name, f"{name} is not there (.ci/engines builds it, or .ci/packages installs it)")
    return path


def tool(name: str, folder: Path) -> Tool:
    """Return a function that runs a tool in a folder, with an own home there, and returns what it prints; it must succeed."""
    path = find_tool(name)

    def run(*arguments: str, **variables: str) -> str:
        environment = {"PATH": os.environ["PATH"], "HOME": str(folder), **variables}
        done = subprocess.run([path, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{name} {' '.join(arguments)}: {done.stderr[-2000:]}"
        return done.stdout

    return run


@pytest.fixture(scope="module")
def buildkit() -> Iterator[str]:
    """A private BuildKit daemon without containerd; its address."""
    path = find_tool("buildkitd", "buildkit")
    with tempfile.TemporaryDirectory(prefix="dcat-buildkit-", ignore_cleanup_errors=True) as text:
        socket = Path(text) / "socket"
        flags = ("--oci-worker-snapshotter=native", "--containerd-worker=false")
        command = [path, "--root", f"{text}/root", "--addr", f"unix://{socket}", *flags]
        process = start_process(command, Path(text) / "log", {"PATH": os.environ["PATH"], "HOME": text})
        try:
            assert wait_for(lambda: takes_connections(socket), process), (Path(text) / "log").read_text(errors="replace")[-2000:]
            yield f"unix://{socket}"
        finally:
            stop_process(process)
