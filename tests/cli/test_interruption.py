"""Ctrl-C where Python swallows it, turns it into another error, leaves a lock locked, or where another thread receives it."""

import os
import subprocess
import sys

import pytest

_PROGRAM = """
import signal, sys, threading, time, weakref
from cli import app, interruption, main

interruption.PATIENCE = interruption.GRACE = 0.5
press = lambda *_: signal.raise_signal(signal.SIGINT)

class Thing:
    pass

def swallowed():
    thing = Thing()
    reference = weakref.ref(thing, press)
    del thing
    threading.Event().wait(60)

def turned():
    try:
        press()
    except KeyboardInterrupt:
        threading.Thread().join()

def stuck():
    lock = threading.Lock()
    lock.acquire()
    try:
        press()
    finally:
        while True:
            lock.acquire(timeout=1)

def mute():
    main._report = lambda *_: threading.Event().wait()
    stuck()

def elsewhere():
    def receive():
        time.sleep(0.2)  # until the main thread waits; where it does not yet, this passes without what it is for
        signal.pthread_kill(threading.get_ident(), signal.SIGINT)
        threading.Event().wait()
    threading.Thread(target=receive, daemon=True).start()
    threading.Event().wait()

app.run = lambda typed: globals()[typed[-1]]()
sys.exit(main.main(sys.argv[1:]))
"""


@pytest.mark.parametrize("options", [[], ["--json"]], ids=["text", "json"])
@pytest.mark.parametrize("what", ["swallowed", "turned", "stuck", "elsewhere"])
def test_ctrl_c_ends_as_an_interruption(what: str, options: list[str]) -> None:
    done = _run(*options, what)
    assert done.returncode == 130, done.stderr
    assert "Traceback" not in done.stderr
    assert ('"exit": 130' if options else "run the same command again") in done.stderr


def test_a_message_that_cannot_be_written_is_not_waited_for() -> None:
    done = _run("mute")
    assert (done.returncode, done.stderr) == (130, "")


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    program = f"import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n{_PROGRAM}"
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )


def test_an_ignored_ctrl_c_stays_ignored() -> None:
    program = """
import signal, sys
from cli import app, main
signal.signal(signal.SIGINT, signal.SIG_IGN)
app.run = lambda typed: signal.raise_signal(signal.SIGINT) or 0
sys.exit(main.main(["list"]))
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    assert subprocess.run([sys.executable, "-c", program], check=False, env=environment, timeout=60).returncode == 0


def test_nothing_after_the_end_of_a_success() -> None:
    program = """
import signal, sys
from cli import app, main
signal.signal(signal.SIGINT, signal.default_int_handler)
app.run = lambda typed: 0
status = main.main(["list"])
signal.raise_signal(signal.SIGINT)
sys.exit(status)
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    assert subprocess.run([sys.executable, "-c", program], check=False, env=environment, timeout=60).returncode == 0
