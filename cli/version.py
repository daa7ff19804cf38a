"""``dcat --version``. The build reads the version from here, so that printing it needs no metadata of the installation."""

import sys

VERSION = "0.1.0"


def show_version() -> int:
    """Print ``dcat 0.1.0``."""
    try:
        sys.stdout.write(f"dcat {VERSION}\n")
        sys.stdout.flush()
    except BrokenPipeError as error:
        from cli.streams import ClosedOutputError

        raise ClosedOutputError from error
    return 0
