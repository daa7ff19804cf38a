"""What every engine loads, dcat takes, from the file and out of the engine: the cases of tests/factory/field.py."""

import pytest

from catalog.intake.intake import Wanted
from catalog.intake.sources import EngineSource
from catalog.progress import silent
from tests.compat.engines import PrivateEngine
from tests.factory import field
from tests.factory.archives import MemoryBlocks
from tests.factory.exports import stream_of
from tests.factory.images import machine_platform, make_image

pytestmark = pytest.mark.xdist_group("engines")

KERNELS_NAME = {"amd64": "x86_64", "arm64": "aarch64"}[machine_platform().architecture]
CASES = {
    "platform none": field.docker_archive(field.strange_platform(os=None, architecture=None)),
    "platform empty": field.docker_archive(field.strange_platform(architecture="")),
    "platform uname": field.docker_archive(field.strange_platform(architecture=KERNELS_NAME)),
    "member twice": field.member_twice(),
    "no end": field.odd_end("none"),
    "one end block": field.odd_end("one block"),
    "newline behind the end": field.odd_end("newline"),
    "artifact type": field.artifact_type_one(),
    "jib": field.jib()[1],
    "one image": field.docker_archive(make_image([field.layer_of("one")])),
}


@pytest.fixture(params=["docker20", "docker29", "podman"])
def engine(request: pytest.FixtureRequest) -> PrivateEngine:
    found = request.getfixturevalue(request.param)
    assert isinstance(found, PrivateEngine)
    return found


def loads(engine: PrivateEngine, case: str) -> bool:
    """Return whether an engine loads a case: Docker before 25 reads no OCI layouts."""
    return not (engine.name == "docker20" and case == "artifact type")


@pytest.mark.parametrize("case", CASES)
def test_the_same_image_from_the_file_and_from_an_engine(engine: PrivateEngine, case: str) -> None:
    wanted = Wanted(machine_platform())
    (from_file,) = stream_of(CASES[case]).take(wanted, MemoryBlocks(), silent)
    assert from_file.platform == machine_platform() or case == "artifact type"
    if not loads(engine, case):
        return
    engine.clear()
    engine.run("load", data=CASES[case])
    ((image_id, _),) = engine.images().items()
    with engine.connect() as connected:
        (from_engine,) = EngineSource(connected, image_id).take(wanted, MemoryBlocks(), silent)
    assert from_engine.archive.archive == from_file.archive.archive
    assert from_engine.platform == from_file.platform
