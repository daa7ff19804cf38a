"""Small images whose program runs, for this machine and for another one, in a home that an engine pulls from."""

from pathlib import Path

from catalog.home.home import open_home
from catalog.intake.intake import Wanted
from catalog.model.platform import Platform
from catalog.operations.publish import publish
from tests.delivery.versions import follower, open_at, publish_version
from tests.factory.exports import source_of
from tests.factory.images import BASE, SampleImage, make_image
from tests.factory.platforms import AMD64, ARM64, HOST
from tests.factory.programs import make_program
from tests.factory.tars import make_layer
from tests.factory.times import NOW

OTHER = ARM64 if HOST == AMD64 else AMD64


def deployed_home(path: Path) -> Path:
    """Make a home with ``tool`` 1.0 for two platforms and 1.1 for one, which follows ``team`` and holds ``team/web:1.0``."""
    publish_version(path / "team", "1.0", deltas=False)
    with open_home(path / "home", now=NOW) as home:
        for version, platform in (("1.0", HOST), ("1.0", OTHER), ("1.1", HOST)):
            publish(home, "tool", version, source_of(runnable_image(version, platform)), Wanted(platform))
    with open_at(path / "team") as team, follower(path / "home", team):
        return path / "home"


def runnable_image(version: str, platform: Platform) -> SampleImage:
    """Return an image that prints ``tool VERSION runs``, where the platform is this machine's."""
    program = make_layer({"run": make_program(f"tool {version} runs")}, mode=0o755)
    return make_image([BASE, program], platform, settings={"Cmd": ["/run"], "Env": []})
