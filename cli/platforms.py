"""The host's platform, and platforms as they are typed."""

import os

from catalog.model.platform import Platform, host_platform, parse_platform


def this_host() -> Platform:
    """Give the platform whose images run here."""
    return host_platform(os.uname().machine)


def wanted_platform(text: str) -> Platform:
    """Read ``--platform``; without it, the host's is meant."""
    return parse_platform(text) if text else this_host()
