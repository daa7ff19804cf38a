"""The failures that only a command line has."""

from catalog.errors import InvalidInputError


class ReportedError(Exception):
    """A failure among several results that was reported when it came; only the exit code is left."""

    def __init__(self, status: int) -> None:
        super().__init__(f"exit {status}")
        self.status = status


class UsageError(InvalidInputError):
    """The command line itself is wrong."""

    code = "usage"
