"""The entry point: answers ``--version``, local ``resolve`` and completions before Typer is imported; `cli.app` does the rest.

Every error ends here as one exit code and one message (`cli.exits`). Imports are in functions: each quick answer pays only
for its own.
"""

from __future__ import annotations

import atexit
import gc
import os
import sys

TYPE_CHECKING = False  # as `typing` has it, whose import would be a third of the start of ``dcat --version``
if TYPE_CHECKING:
    from collections.abc import Sequence

QUICK_VERSION = (("--version",), ("-V",))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run dcat with ``arguments`` (by default the process's) and return the exit code."""
    atexit.register(gc.freeze)  # a collection at exit would take 75 ms and free nothing that the exit does not
    typed = list(sys.argv[1:] if arguments is None else arguments)
    if sys.platform == "win32":
        sys.stderr.write("error[platform]: dcat does not run on Windows yet\n  try: run it in WSL 2\n")
        return 1
    if None in (sys.stdin, sys.stdout, sys.stderr):
        from cli.streams import open_closed

        open_closed()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        return _run(typed)
    except (Exception, KeyboardInterrupt) as error:
        from cli import interruption

        interruption.end_watch(failed=True)
        return _report(KeyboardInterrupt() if interruption.came() else error, typed)


def _run(typed: list[str]) -> int:
    gc.disable()  # quick answers free nothing before they end, and collections during imports take a tenth of their time
    if tuple(typed) in QUICK_VERSION:
        from cli.version import show_version

        return show_version()
    if typed[:1] == ["__docker_plugin"]:
        from cli.docker_plugin import answer_docker

        words = answer_docker(typed[1:])
        return 0 if words is None else _run(words)
    if typed[:1] == ["__complete"]:
        from cli.completion import show_candidates

        return show_candidates(typed[1:])
    if "resolve" in typed[:2]:
        from cli.resolving import answer_quickly

        if answer_quickly(typed):
            return 0
    # Imports and records make many objects that live on: looking through them again and again took a tenth of a publish's start.
    gc.set_threshold(50_000, 20, 50)
    gc.enable()
    from cli import interruption

    interruption.watch(lambda: _report(KeyboardInterrupt(), typed))
    from cli.app import run

    status = run(typed)
    interruption.end_watch(failed=False)
    return status


def _report(error: BaseException, typed: list[str]) -> int:
    from cli.exits import report
    from cli.failures import ReportedError
    from cli.streams import ClosedOutputError, discard
    from cli.text import is_on

    if isinstance(error, ReportedError):
        return error.status
    if isinstance(error, ClosedOutputError | BrokenPipeError):
        discard(1)
    if isinstance(error, ClosedOutputError):
        return _end_by_sigpipe() if error.partial else 0
    ours = typed[: typed.index("--")] if "--" in typed else typed
    return report(error, typed, as_json="--json" in ours, debug="--debug" in ours or is_on(os.environ.get("DCAT_DEBUG", "")))


def _end_by_sigpipe() -> int:
    """End as every program does whose reader has gone: `dcat save REF -o - | head` is not a failure of dcat's own."""
    import signal

    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGPIPE)
    return 128 + signal.SIGPIPE


if __name__ == "__main__":
    sys.exit(main())
