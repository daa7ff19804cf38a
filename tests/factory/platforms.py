"""The platforms that tests speak of."""

from catalog.model.platform import Platform

AMD64 = Platform("linux", "amd64")
ARM64 = Platform("linux", "arm64")
ARM = Platform("linux", "arm", "v7")
HOST = AMD64
"""The platform of the machine that tests pretend to run on."""
