"""The host's platform and the one that ``--platform`` names."""

import os

from catalog.model.platform import Platform, host_platform, read_platform_text
from cli.failures import OptionValueError


def this_host() -> Platform:
    """Return the platform whose images run on this host."""
    return host_platform(os.uname().machine)


def wanted_platform(text: str) -> Platform:
    """Return the platform that ``--platform`` names, or the host's where it is empty."""
    return read_platform(text) or this_host()


def read_platform(text: str) -> Platform | None:
    """Return the platform that ``--platform`` names; None where it is empty."""
    if not text:
        return None
    first, comma, _ = text.partition(",")
    if comma:
        raise OptionValueError(
            f'--platform: "{text}" names several platforms',
            why="this command takes one",
            option="--platform",
            instead=["--platform", str(read_platform_text(first))],
        )
    return read_platform_text(text)
