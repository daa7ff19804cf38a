"""The standard streams: any of them may be closed when dcat starts (``2>&-``), and a reader may close its end at any time.

A closed stdin is empty and a closed stderr is discarded. So is text for a closed stdout, since the work itself is done; to write an
archive there is refused, since the archive is the work.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # see catalog.record
if TYPE_CHECKING:
    from typing import BinaryIO

_MODES = {"stdin": "r", "stdout": "w", "stderr": "w"}
_was_closed: set[str] = set()


class ClosedOutputError(Exception):
    """The reader of stdout closed it. ``partial`` says that an archive was being written, so its reader lacks the rest."""

    def __init__(self, *, partial: bool = False) -> None:
        super().__init__("stdout was closed")
        self.partial = partial


def open_closed() -> None:
    """Open /dev/null for each standard stream that was closed, so that no other file gets its descriptor."""
    for number, (name, mode) in enumerate(_MODES.items()):
        if getattr(sys, name) is None:
            descriptor = os.open(os.devnull, os.O_RDWR)
            if descriptor != number:
                os.dup2(descriptor, number)
                os.close(descriptor)
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115
            _was_closed.add(name)


def discard(number: int) -> None:
    """Redirect a descriptor to /dev/null, where the interpreter's last flush may go."""
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), number)


def write_error(text: str) -> None:
    """Write to stderr; the command goes on where that fails."""
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except OSError:
        discard(2)
    except ValueError:  # closed by whoever runs dcat inside a program
        return


def binary_input(hint: str) -> BinaryIO:
    """Return stdin for an image or a bundle; raise `UsageError` with ``hint`` where it is closed or a terminal."""
    if "stdin" in _was_closed or sys.stdin.isatty():
        from cli.failures import UsageError

        state = "closed" if "stdin" in _was_closed else "a terminal"
        raise UsageError(f"standard input is {state}", why="- means standard input", hint=hint)
    return sys.stdin.buffer


def binary_output(archive: str = "", hint: str = "") -> BinaryIO:
    """Return stdout for bytes; raise `UsageError` where it is closed, or a terminal that an ``archive`` would be written to."""
    if "stdout" in _was_closed or (archive and sys.stdout.isatty()):
        from cli.failures import UsageError

        if "stdout" in _was_closed:
            raise UsageError("standard output is closed", why="it is what the bytes are written to", hint=hint)
        raise UsageError(f"{archive} is binary and is not written to a terminal", hint=hint)
    return _PipeOutput(sys.stdout.buffer)  # type: ignore[return-value]  # all that writers of archives use


class _PipeOutput:
    """A stream whose reader may go away; that is not an error of the archive that is written to it."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def write(self, data: bytes) -> int:
        try:
            return self._stream.write(data)
        except BrokenPipeError as error:
            raise ClosedOutputError(partial=True) from error

    def flush(self) -> None:
        try:
            self._stream.flush()
        except BrokenPipeError as error:
            raise ClosedOutputError(partial=True) from error
