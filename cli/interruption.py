"""Ctrl-C is noted when it arrives, so that the command ends as interrupted whatever exception reaches the top.

`KeyboardInterrupt` can be raised anywhere, in the start of a thread or in a library's callback, and may turn into another
error of the code that it interrupted.
"""

import _thread
import os
import signal
import sys
import time
from collections.abc import Callable
from types import FrameType

PATIENCE = 10.0
"""Seconds after Ctrl-C in which a command may end by itself; the interrupt can leave a lock of the standard library held."""

_PAUSE = 0.01

_came = False
_main_thread = 0
_leave: Callable[[], int] | None = None


def watch(leave: Callable[[], int]) -> None:
    """Note Ctrl-C from now on; where the parent process had SIGINT ignored, it stays ignored.

    A command that has not ended `PATIENCE` seconds after Ctrl-C is ended with the exit code that ``leave`` returns. That is safe: a
    home survives an end at any moment.
    """
    global _leave, _main_thread
    _leave, _main_thread = leave, _thread.get_ident()
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _note)
        sys.unraisablehook = _strike_again


def came() -> bool:
    """Return whether Ctrl-C was pressed."""
    return _came


def end_watch(*, failed: bool) -> None:
    """Stop noting Ctrl-C at the end: after a success it is ignored, after a failure it ends the process at once."""
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
    """Interrupt again a moment later where nothing could be raised, as in the callback of a weak reference."""
    if ignored.exc_type is not KeyboardInterrupt:
        sys.__unraisablehook__(ignored)
        return
    _thread.start_new_thread(_interrupt_later, ())  # not `threading`: its locks may be what was interrupted


def _interrupt_later() -> None:
    time.sleep(_PAUSE)
    signal.pthread_kill(_main_thread, signal.SIGINT)  # a real signal also ends a blocking call
