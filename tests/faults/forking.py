"""Commands of dcat as processes of their own, at what they cost themselves: one process imports everything and forks for each.

Run as a program it serves `Forks`: a line of JSON in for each command, a line of JSON out with how it ended. One may be killed or
interrupted after a time, crash at a crash point, and, with ``faults.c`` preloaded, fail at its n-th operation on a file.
"""

import contextlib
import ctypes
import errno
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.faults.watching import watch
from tests.needs import ROOT, lacks

OPEN, WRITE, READ, SYNC, NAME = 1, 2, 4, 8, 16
FAILURES = {
    "EIO": (errno.EIO, OPEN | WRITE | READ | SYNC | NAME),
    "ENOSPC": (errno.ENOSPC, WRITE | SYNC | NAME),
    "EACCES": (errno.EACCES, OPEN | NAME),
    "EMFILE": (errno.EMFILE, OPEN),
}
"""What may fail how: a full disk refuses what takes space, a process without descriptors what takes one."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended: its exit code (137 where it was killed), what it printed, and how many operations it had done."""

    code: int
    out: str
    err: str
    operations: int = 0


class Forks:
    """The process that forks for each command. Use it as a context manager.

    ``within`` is a command line that the process is started by, as one that gives it a network of its own. ``faults`` is the
    preloaded library (`build_faults`), ``folder`` the folder whose files it watches.
    """

    def __init__(self, *, within: Sequence[str] = (), faults: Path | None = None, folder: Path | None = None) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("DCAT_", "DOCKER_"))}
        environment |= {"DOCKER_HOST": "unix:///nowhere/engine.sock"}
        self._faults = None if faults is None else [str(faults), str(folder)]
        if faults is not None:
            environment["LD_PRELOAD"] = str(faults)
        self._within, self._environment = within, environment
        self._process = self._start()
        self._is_waiting = False

    def _start(self) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [*self._within, sys.executable, "-m", "tests.faults.forking"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=self._environment,
        )

    @property
    def process(self) -> int:
        """The number of the process that forks."""
        return self._process.pid

    def run(
        self,
        *arguments: str,
        home: Path,
        crash_at: int | None = None,
        kill_after: float | None = None,
        end_by: int = signal.SIGKILL,
        fail: tuple[str, int, bool] | None = None,
        record: Path | None = None,
        umask: int | None = None,
        stdin: Path | None = None,
        watched: Path | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> Ended:
        """Run one command in ``home``.

        ``kill_after`` seconds, ``end_by`` is sent. ``fail`` names one of `FAILURES`, the operation that fails, and whether all
        later ones fail too (0: none does, they are counted). ``record`` is where the operations are written down,
        ``watched`` where the paths that are changed are (`tests.faults.watching`).
        """
        if self._is_waiting or self._process.poll() is not None:
            self.__exit__(None, None, None)
            self._process = self._start()
            self._is_waiting = False
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        request = {
            "arguments": arguments,
            "variables": {
                "DCAT_HOME": str(home),
                "DCAT_CONFIG": str(home.with_name(f"{home.name}.toml")),
                **({} if crash_at is None else {"DCAT_CRASH_AT": str(crash_at)}),
                **(variables or {}),
            },
            "kill_after": kill_after,
            "end_by": end_by,
            "faults": self._faults,
            "fail": None if fail is None else [*FAILURES[fail[0]], fail[1], fail[2]],
            "record": None if record is None else str(record),
            "umask": umask,
            "stdin": None if stdin is None else str(stdin),
            "watched": None if watched is None else str(watched),
        }
        self._is_waiting = True
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, f"the process that forks ended with {self._process.wait()}"
        self._is_waiting = False
        return Ended(**json.loads(answer))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._is_waiting:  # a test ended while its command ran: the next answer would be that command's
            self._process.kill()
        with self._process as process, contextlib.suppress(BrokenPipeError):
            process.communicate()


def build_faults(folder: Path) -> Path:
    """Compile ``faults.c``; return the library."""
    library = folder / "faults.so"
    try:
        source = Path(__file__).with_name("faults.c")
        subprocess.run(["cc", "-O1", "-shared", "-fPIC", "-o", str(library), str(source), "-ldl", "-pthread"], check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        lacks("cc", f"no C compiler: {error}")
    return library


def _serve() -> None:
    for line in sys.stdin:
        sys.stdout.write(json.dumps(_run(json.loads(line))) + "\n")
        sys.stdout.flush()


def _run(request: dict[str, Any]) -> dict[str, Any]:
    out, err = os.memfd_create("out"), os.memfd_create("err")
    readable, writable = os.pipe()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # until the command takes it: what comes before waits
    child = os.fork()
    if child == 0:
        code = 99
        try:
            for number, replaced in ((1, out), (2, err)):
                os.dup2(replaced, number)
            code = _command(request, writable)
        except BaseException as error:
            os.write(2, f"Traceback: {error!r}".encode())
        finally:
            os._exit(code)
    os.close(writable)
    if request["kill_after"] is not None:
        descriptor = os.pidfd_open(child)
        if not select.select([descriptor], [], [], request["kill_after"])[0]:
            os.kill(child, request["end_by"])
        os.close(descriptor)
    _, status = os.waitpid(child, 0)
    code = 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
    operations = int(os.read(readable, 100) or b"0")
    printed = [_read_all(descriptor) for descriptor in (out, err)]
    for descriptor in (out, err, readable):
        os.close(descriptor)
    return {"code": code, "out": printed[0], "err": printed[1], "operations": operations}


def _command(request: dict[str, Any], report: int) -> int:
    from cli.main import main

    os.environ.update(request["variables"])
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if request["umask"] is not None:
        os.umask(request["umask"])
    stdin = os.open(request["stdin"] or os.devnull, os.O_RDONLY)
    os.dup2(stdin, 0)
    sys.stdin = os.fdopen(0, closefd=False)
    library = None
    if request["faults"] is not None:
        path, folder = request["faults"]
        library = ctypes.CDLL(path)
        library.faults_watch(folder.encode())
        if request["fail"] is not None:
            error, kinds, at, lasting = request["fail"]
            library.faults_arm(ctypes.c_long(at), error, kinds, int(lasting))
        if request["record"] is not None:
            library.faults_record(request["record"].encode())
    if request["watched"] is not None:
        sys.dont_write_bytecode = True  # in a fresh clone, what is imported here for the first time would be written down
        watch(os.open(request["watched"], os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600))
    try:
        with contextlib.suppress(KeyboardInterrupt):  # before anything began: as if it had not been pressed
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        code = main(request["arguments"])
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        if library is not None:
            if request["record"] is not None and code == 0:
                library.faults_mark(json.dumps(request["arguments"]).encode())
            os.write(report, str(library.faults_counted()).encode())
    return code


def _read_all(descriptor: int) -> str:
    os.lseek(descriptor, 0, os.SEEK_SET)
    with open(os.dup(descriptor), encoding="utf-8", errors="replace") as file:
        return file.read()


def import_all() -> None:
    """Import what commands import when they run, so that no fork does it again."""
    import importlib

    from cli.verbs import VERBS, module_of

    for verb in VERBS:
        importlib.import_module(module_of(verb))
    for module in (
        "catalog.operations.publish",
        "catalog.operations.pull",
        "catalog.operations.verify",
        "catalog.operations.save",
        "catalog.operations.gc",
        "catalog.operations.sync",
        "catalog.operations.subscribe",
        "catalog.operations.remove",
        "catalog.operations.yank",
        "catalog.operations.status",
        "catalog.operations.list",
        "catalog.index.rebuild",
        "catalog.own.share",
        "catalog.sources.network",
        "catalog.clients.docker",
        "sqlalchemy.dialects.sqlite.pysqlite",
        "cli.app",
        "cli.reach",
        "cli.sources",
    ):
        importlib.import_module(module)


if __name__ == "__main__":
    import_all()
    _serve()
