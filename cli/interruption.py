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

GRACE = 2.0
"""Seconds for the message of a command that did not end by itself; the output may be locked as well."""

_PAUSE = 0.01

_came = False
_main_thread = 0
_leave: Callable[[], int] | None = None
_wakeup: int | None = None  # the end of a pipe to which Python writes the number of each signal, whichever thread received it


def watch(leave: Callable[[], int]) -> None:
    """Note Ctrl-C from now on; where the parent process had SIGINT ignored, it stays ignored.

    A command that has not ended `PATIENCE` seconds after Ctrl-C is ended with the exit code that ``leave`` returns. That is safe: a
    home survives an end at any moment.
    """
    global _leave, _main_thread, _wakeup
    _leave, _main_thread = leave, _thread.get_ident()
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        reader, _wakeup = os.pipe()
        os.set_blocking(_wakeup, False)
        signal.set_wakeup_fd(_wakeup, warn_on_full_buffer=False)
        signal.signal(signal.SIGINT, _note)
        sys.unraisablehook = _strike_again
        _thread.start_new_thread(_pass_on, (reader,))


def came() -> bool:
    """Return whether Ctrl-C was pressed."""
    return _came


def end_watch(*, failed: bool) -> None:
    """Stop noting Ctrl-C at the end: after a success it is ignored, after a failure it ends the process at once."""
    global _wakeup
    if signal.getsignal(signal.SIGINT) is _note:
        signal.signal(signal.SIGINT, signal.SIG_DFL if failed else signal.SIG_IGN)
    if _wakeup is not None:
        signal.set_wakeup_fd(-1)
        os.close(_wakeup)
        _wakeup = None


def _note(number: int, frame: FrameType | None) -> None:
    global _came
    if not _came:
        _came = True
        _thread.start_new_thread(_end_stuck, ())
    signal.default_int_handler(number, frame)


def _pass_on(reader: int) -> None:
    """Interrupt the main thread, which handles signals, where another one received Ctrl-C; end with the pipe.

    The system may choose a thread that starts another one at that moment. Python notes the signal then, but a main thread that
    waits for a lock or for the network does not wake up.
    """
    while signals := os.read(reader, 64):
        while signal.SIGINT in signals and not _came and _wakeup is not None:
            time.sleep(_PAUSE)
            if not _came:
                signal.pthread_kill(_main_thread, signal.SIGINT)
    os.close(reader)


def _end_stuck() -> None:
    time.sleep(PATIENCE)
    _thread.start_new_thread(_end_anyway, ())
    if _leave is not None:
        os._exit(_leave())


def _end_anyway() -> None:
    time.sleep(GRACE)
    os._exit(128 + signal.SIGINT)


def _strike_again(ignored: "sys.UnraisableHookArgs") -> None:
    """Interrupt again a moment later where nothing could be raised, as in the callback of a weak reference."""
    if ignored.exc_type is not KeyboardInterrupt:
        sys.__unraisablehook__(ignored)
        return
    _thread.start_new_thread(_interrupt_later, ())  # not `threading`: its locks may be what was interrupted


def _interrupt_later() -> None:
    time.sleep(_PAUSE)
    signal.pthread_kill(_main_thread, signal.SIGINT)  # a real signal also ends a blocking call
