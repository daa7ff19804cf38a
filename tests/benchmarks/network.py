"""A line between two machines, simulated on one: two network namespaces, a link with a rate, a relay with a delay."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from typing import IO

from tests.benchmarks.harness import surroundings
from tests.benchmarks.relay import Passed

FAR_ADDRESS = "10.77.0.1"
_NEAR_ADDRESS = "10.77.0.2"


@dataclass(frozen=True, slots=True)
class Line:
    """The two ends: ``far`` and ``near`` stand before a command that is to run there."""

    name: str
    far: tuple[str, ...]
    near: tuple[str, ...]

    def shape(self, megabits: float) -> None:
        """Let only so much pass in either direction."""
        for end in ("far", "near"):
            queue = ("tbf", "rate", f"{megabits}mbit", "burst", "32kb", "latency", "200ms")
            _ip("netns", "exec", f"{self.name}-{end}", "tc", "qdisc", "replace", "dev", f"{self.name}-{end[0]}", "root", *queue)


@contextmanager
def simulated_line() -> Iterator[Line]:
    """Make two namespaces with a link between them; needs root."""
    name = f"dcb{os.getpid() % 100_000}"
    near, far = f"{name}-near", f"{name}-far"
    try:
        for namespace in (near, far):
            _ip("netns", "add", namespace)
            _ip("-n", namespace, "link", "set", "lo", "up")
        _ip("link", "add", f"{name}-n", "netns", near, "type", "veth", "peer", "name", f"{name}-f", "netns", far)
        for namespace, link, address in ((near, f"{name}-n", _NEAR_ADDRESS), (far, f"{name}-f", FAR_ADDRESS)):
            _ip("-n", namespace, "address", "add", f"{address}/24", "dev", link)
            _ip("-n", namespace, "link", "set", link, "up")
        # Only the network is another one: a new /sys, as `ip netns exec` mounts it, would take the cgroups from an engine.
        yield Line(name, *(("nsenter", f"--net=/run/netns/{namespace}") for namespace in (far, near)))
    finally:
        for namespace in (near, far):
            with suppress(subprocess.CalledProcessError):
                _ip("netns", "delete", namespace)


@dataclass(frozen=True, slots=True)
class Relayed:
    """A running relay at the near end: the far server is reached at ``address``."""

    address: str
    process: "subprocess.Popen[bytes]"

    def passed(self) -> Passed:
        """Return what passed since this was asked last."""
        assert self.process.stdin
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()
        return Passed(**json.loads(read_line(self.process.stdout)))


@contextmanager
def relayed(line: Line, target: str, delay: float) -> Iterator[Relayed]:
    """Run a relay at the near end of a line."""
    with _relaying([*line.near, sys.executable, "-m", "tests.benchmarks.relay", target, str(delay)]) as relay:
        yield relay


def relayed_here(target: str) -> AbstractContextManager[Relayed]:
    """Run a relay that holds nothing back, to count what passes."""
    return _relaying([sys.executable, "-m", "tests.benchmarks.relay", target, "0"])


@contextmanager
def _relaying(command: Sequence[str]) -> Iterator[Relayed]:
    with started(command) as process:
        yield Relayed(f"127.0.0.1:{int(read_line(process.stdout))}", process)


@contextmanager
def started(command: Sequence[str], **variables: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a program of dcat's in the background, ended when this ends; what it logs is thrown away."""
    process = subprocess.Popen(
        command, env=surroundings(**variables), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        process.terminate()
        process.communicate()


def read_line(stream: IO[bytes] | None) -> str:
    """Return the next line that a process prints; it must print one."""
    assert stream
    line = stream.readline()
    if not line:
        raise SystemExit("a program of the benchmark ended before it was ready")
    return line.decode().strip()


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, stdout=subprocess.DEVNULL)
