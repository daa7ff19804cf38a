"""A home of this project's own images, without engine and network."""

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import pytest

from catalog.home.home import Home, open_home
from catalog.intake.intake import StreamSource, Wanted
from catalog.model.platform import Platform
from catalog.operations.publish import Published, publish
from tests.image import exports

HOST = Platform("linux", "amd64")
NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)

Publish = Callable[..., Published]


def stream_of(export: bytes) -> StreamSource:
    return StreamSource("an export", lambda: nullcontext(BytesIO(export)), len(export))


def source_of(image: exports.SampleImage) -> StreamSource:
    return stream_of(exports.make_tar(exports.docker_25(image)))


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    with open_home(tmp_path / "home", now=NOW) as opened:
        yield opened


@pytest.fixture
def put(home: Home) -> Publish:
    """Publish an image as ``name@version`` in the home."""

    def run(name: str, version: str, image: exports.SampleImage = exports.SAMPLE, **options: object) -> Published:
        return publish(home, name, version, source_of(image), Wanted(HOST), **options)  # type: ignore[arg-type]

    return run
