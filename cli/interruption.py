"""Ctrl-C: noted when it comes, so that it ends as an interruption whatever the code that it met made of it.

`KeyboardInterrupt` may strike inside of anything: a thread that is being started, a callback of a library. What comes out at the
top is then some other error, of code that was left half-way.
"""

import _thread
import os
import signal
import sys
import time
from collections.abc import Callable
from types import FrameType

PATIENCE = 10.0
"""Seconds after Ctrl-C in which a command may end by itself: a lock of the standard library can be left locked by it."""

_PAUSE = 0.01

_came = False
_main_thread = 0
_leave: Callable[[], int] | None = None


def watch(leave: Callable[[], int]) -> None:
    """Note Ctrl-C from now on; where whoever started dcat had it ignored, it stays ignored.

    A command that has not ended `PATIENCE` after it is ended, with the exit code that ``leave`` gives: whatever stops at any moment
    leaves nothing half done.
    """
    global _leave, _main_thread
    _leave, _main_thread = leave, _thread.get_ident()
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _note)
        sys.unraisablehook = _strike_again


def came() -> bool:
    """Tell whether Ctrl-C was pressed."""
    return _came


def end_watch(*, failed: bool) -> None:
    """All is done but to leave: Ctrl-C changes nothing about a success, and after a failure it ends the process at once."""
    if signal.getsignal(signal.SIGINT) is _note:
        signal.signal(signal.SIGINT, signal.SIG_DFL if failed else signal.SIG_IGN)


def _note(number: int, frame: FrameType | None) -> None:
    global _came
    if not _came:
        _came = True
        _thread.start_new_thread(_end_stuck, ())
    signal.default_int_handler(number, frame)


def _end_stuck() -> None:
    time.sleep(PATIENCE)
    if _leave is not None:
        os._exit(_leave())


def _strike_again(ignored: "sys.UnraisableHookArgs") -> None:
    """It came where nothing can be raised, as while a weak reference ends: a moment later it comes elsewhere."""
    if ignored.exc_type is not KeyboardInterrupt:
        sys.__unraisablehook__(ignored)
        return
    _thread.start_new_thread(_interrupt_later, ())  # the locks of `threading` may be what was being handled


def _interrupt_later() -> None:
    time.sleep(_PAUSE)
    signal.pthread_kill(_main_thread, signal.SIGINT)  # a real one, which also ends a wait
