"""The host's platform and the one that ``--platform`` names."""

import os

from catalog.model.platform import Platform, host_platform, read_platform_text


def this_host() -> Platform:
    """Return the platform whose images run on this host."""
    return host_platform(os.uname().machine)


def wanted_platform(text: str) -> Platform:
    """Return the platform that ``--platform`` names, or the host's where it is empty."""
    return read_platform_text(text) if text else this_host()
