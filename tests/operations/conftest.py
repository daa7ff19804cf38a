"""A home of this project's own images, without engine and network."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from catalog.home.home import Home, open_home
from catalog.intake.intake import Wanted
from catalog.operations.publish import Published, publish
from tests.factory.exports import source_of
from tests.factory.images import BASE, SAMPLE, SampleImage, make_image
from tests.factory.platforms import HOST
from tests.factory.tars import make_layer
from tests.factory.times import NOW

OTHER = make_image([BASE, make_layer({"app/other.py": b"print('other')\n" * 9999})])

Publish = Callable[..., Published]


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    with open_home(tmp_path / "home", now=NOW) as opened:
        yield opened


@pytest.fixture
def put(home: Home) -> Publish:
    """Publish an image as ``name@version`` in the home."""

    def run(name: str, version: str, image: SampleImage = SAMPLE, **options: object) -> Published:
        return publish(home, name, version, source_of(image), Wanted(HOST), **options)  # type: ignore[arg-type]

    return run
