"""Errors that only a command line has."""

from catalog.errors import InvalidInputError


class ReportedError(Exception):
    """An error among several results that has been reported already; it only carries the exit code."""

    def __init__(self, status: int) -> None:
        super().__init__(f"exit {status}")
        self.status = status


class UsageError(InvalidInputError):
    """The command line is wrong."""

    code = "usage"
