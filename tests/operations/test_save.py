"""Save an archive as a file or to a stream."""

from io import BytesIO
from pathlib import Path

import pytest
import zstandard

from catalog.errors import UnavailableError
from catalog.home.home import Home
from catalog.image.walk import walk
from catalog.intake.intake import Wanted
from catalog.model.platform import Platform
from catalog.operations.publish import publish
from catalog.operations.save import save
from catalog.sources.network import Network
from tests.factory.exports import stream_of
from tests.factory.golden import IMAGES, read_golden
from tests.factory.platforms import HOST
from tests.operations.conftest import Publish

NOWHERE = Network()


def test_a_saved_archive_is_the_one_that_the_format_says(home: Home, tmp_path: Path) -> None:
    golden = stream_of(read_golden(IMAGES / "sample.tar"))
    publish(home, "sample", "1", golden, Wanted(HOST))
    arm = Platform("linux", "arm64")
    packed, plain, stream = tmp_path / "sample.tar.zst", tmp_path / "sample.tar", BytesIO()
    assert save(home, "sample@1", packed, platform=arm, network=NOWHERE).size == packed.stat().st_size == 1190602
    assert save(home, "sample@1", plain, platform=arm, network=NOWHERE, uncompressed=True).size == 3174400
    save(home, "sample@1", stream, platform=arm, network=NOWHERE)
    assert stream.getvalue() == packed.read_bytes()
    inflated = zstandard.ZstdDecompressor().stream_reader(packed.read_bytes(), read_across_frames=True).read()
    assert inflated == plain.read_bytes()


def test_a_file_appears_whole_or_not_at_all(home: Home, put: Publish, tmp_path: Path) -> None:
    image = put("web", "1.0").release.images[HOST]
    output = tmp_path / "out" / "web.tar.zst"
    output.parent.mkdir()
    output.write_bytes(b"the one before")
    home.blocks.delete([[block.cid for block in walk(image.archive, home.blocks) if block.is_leaf][-2]])
    with pytest.raises(UnavailableError):
        save(home, "web@1.0", output, platform=HOST, network=NOWHERE)
    assert [path.name for path in output.parent.iterdir()] == ["web.tar.zst"]
    assert output.read_bytes() == b"the one before"
