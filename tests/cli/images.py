"""Small exported images that the tests of the command line publish."""

from pathlib import Path

from catalog.model.platform import Platform, parse_platform
from tests.image.exports import APP, BASE, docker_25, make_image, make_layer, make_tar


def write_image(path: Path, version: str = "1", platform: str = "linux/amd64") -> str:
    """Write a ``docker save`` file whose content depends on ``version``; give its path as it is typed."""
    wanted: Platform = parse_platform(platform)
    layers = [BASE, make_layer({"app/version": version.encode() * 20_000}), APP]
    path.write_bytes(make_tar(docker_25(make_image(layers, wanted))))
    return str(path)
