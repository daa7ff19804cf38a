"""Errors that only a command line has."""

from collections.abc import Sequence

from catalog.errors import InvalidInputError


class ReportedError(Exception):
    """An error among several results that has been reported already; it only carries the exit code."""

    def __init__(self, status: int) -> None:
        super().__init__(f"exit {status}")
        self.status = status


class UsageError(InvalidInputError):
    """The command line is wrong."""

    code = "usage"


class OptionValueError(UsageError):
    """An option has a value that another spelling means: the typed command runs with ``instead`` in place of the option.

    ``before`` goes before the command, such as a program whose output it reads.
    """

    def __init__(self, message: str, *, option: str, instead: Sequence[str], before: str = "", why: str = "") -> None:
        super().__init__(message, why=why)
        self.option = option
        self.instead = instead
        self.before = before
