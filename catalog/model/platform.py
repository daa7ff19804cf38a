"""The platform of an image, as releases name it: `os/architecture[/variant]`.

arm64's ``v8`` and amd64's ``v1`` are the defaults of these architectures, so they are left out; arm without a variant is ``v7``
(containerd's platforms package does the same). Source: OCI image-spec, image-index.md ("platform").
"""

import re

from catalog.errors import InvalidPlatformError
from catalog.record import record

_WORD = re.compile(r"[a-z0-9]{1,32}", re.ASCII)
_VARIANT = re.compile(r"[a-z0-9.]{1,32}", re.ASCII)
# What kernels, Debian and other build tools call the architectures, in Go's names (containerd's platforms package reads the same).
_ARCHITECTURES = {
    "x86_64": ("amd64", ""),
    "x86-64": ("amd64", ""),
    "x64": ("amd64", ""),
    "aarch64": ("arm64", ""),
    "i386": ("386", ""),
    "i486": ("386", ""),
    "i586": ("386", ""),
    "i686": ("386", ""),
    "x86": ("386", ""),
    "armhf": ("arm", "v7"),
    "armel": ("arm", "v6"),
    "armv5l": ("arm", "v5"),
    "armv6l": ("arm", "v6"),
    "armv7": ("arm", "v7"),
    "armv7l": ("arm", "v7"),
    "armv8l": ("arm", "v7"),
    "ppc64el": ("ppc64le", ""),
    "mips64el": ("mips64le", ""),
}
_SYSTEMS = {"macos": "darwin"}
_ARM_VARIANTS = {"5", "6", "7", "8", "9"}


@record(frozen=True, slots=True, order=True)
class Platform:
    """A normalised platform. Make one with `make_platform` or `parse_platform`."""

    os: str
    architecture: str
    variant: str = ""

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)

    @property
    def file_part(self) -> str:
        """The form in file names of a snapshot: ``linux-arm-v7``."""
        return str(self).replace("/", "-")


def make_platform(os: str, architecture: str, variant: str = "") -> Platform:
    """Normalise the three fields of an image config; raise `InvalidPlatformError` if a snapshot cannot name them."""
    if not _WORD.fullmatch(os) or not _WORD.fullmatch(architecture) or (variant and not _VARIANT.fullmatch(variant)):
        raise InvalidPlatformError(
            f'"{os}/{architecture}{"/" + variant if variant else ""}"'[:120] + " is not a platform that dcat can name",
            why="os and architecture are lower-case letters and digits, a variant may have dots",
        )
    if (architecture, variant) in {("arm64", "v8"), ("amd64", "v1")}:
        variant = ""
    elif architecture == "arm" and not variant:
        variant = "v7"
    return Platform(os, architecture, variant)


def parse_platform(text: str) -> Platform:
    """Read ``os/architecture[/variant]``."""
    return make_platform(*_split(text))


def read_platform(os: str, architecture: str, variant: str = "") -> Platform:
    """Return the platform that a foreign document or a person means: names of kernels (``x86_64``, ``armv7l``) are read too.

    Raise `InvalidPlatformError` like `make_platform`. Text that dcat wrote is read by `parse_platform`, which knows Go's names
    only.
    """
    os, architecture, variant = os.lower(), architecture.lower(), variant.lower()
    architecture, implied = _ARCHITECTURES.get(architecture, (architecture, ""))
    if variant in _ARM_VARIANTS:
        variant = f"v{variant}"
    return make_platform(_SYSTEMS.get(os, os), architecture, variant or implied)


def read_platform_text(text: str) -> Platform:
    """Return the platform that a person typed, like `read_platform`."""
    parts = _split(text)
    return read_platform(*parts)


def host_platform(machine: str) -> Platform:
    """Return the platform of images for a host whose kernel calls its machine ``machine`` (``uname -m``); images run on linux."""
    return read_platform("linux", machine)


def _split(text: str) -> list[str]:
    parts = text.split("/")
    if not 2 <= len(parts) <= 3 or (len(parts) == 3 and not parts[2]):
        raise InvalidPlatformError(f'"{text[:100]}" is not a valid platform', hint="a platform reads linux/amd64 or linux/arm/v7")
    return parts
