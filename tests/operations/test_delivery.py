"""Out of the store again: pull without an engine, save, pin; what is not here says so and why."""

from io import BytesIO
from pathlib import Path

import pytest
import zstandard

from catalog.errors import AmbiguousReferenceError, PlatformNotFoundError, ReleaseNotFoundError, UnavailableError
from catalog.home.home import Home
from catalog.image.walk import walk
from catalog.intake.intake import Wanted
from catalog.ipld.cid import cid_of
from catalog.model.platform import Platform
from catalog.operations.pin import pin
from catalog.operations.publish import publish
from catalog.operations.pull import pull
from catalog.operations.save import save
from catalog.operations.unpin import unpin
from catalog.sources.network import NO_NETWORK, Network
from catalog.trust.store import list_pins
from tests.factory.exports import stream_of
from tests.factory.golden import IMAGES, read_golden
from tests.factory.images import BASE, make_image
from tests.factory.platforms import HOST
from tests.factory.tars import make_layer
from tests.operations.conftest import Publish

NOWHERE = Network()


def held(home: Home) -> list[str]:
    with home.trust.read() as connection:
        return [f"{entry.name}@{entry.version} {entry.reason}" for entry in list_pins(connection)]


def test_pull_without_an_engine_needs_nothing_that_is_here(home: Home, put: Publish) -> None:
    put("web", "1.0")
    done = pull(home, "web@1.0", platform=HOST, engine=None, network=NOWHERE)
    assert (done.tag, done.was_loaded, done.need.missing) == (None, False, 0)
    assert held(home) == ["web@1.0 pulled"]


def test_what_is_not_here_is_counted_and_named(home: Home, put: Publish) -> None:
    noise = make_layer({"data": b"".join(cid_of(b"%d" % number).digest for number in range(4000))})
    image = put("web", "1.0", make_image([noise])).release.images[HOST]
    leaves = [block for block in walk(image.archive, home.blocks) if block.is_leaf]
    largest = max(leaves, key=lambda block: block.size)
    home.blocks.delete([largest.cid])
    dry = pull(home, "web@1.0", platform=HOST, engine=None, network=NOWHERE, dry_run=True)
    assert (dry.need.missing, dry.need.missing_blocks) == (largest.size, 1)
    for network, why in ((NOWHERE, "no source is configured"), (NO_NETWORK, "the network was forbidden")):
        with pytest.raises(UnavailableError) as caught:
            pull(home, "web@1.0", platform=HOST, engine=None, network=network)
        assert why in caught.value.why
    assert held(home) == []


def test_references_that_are_not_clear(home: Home, put: Publish) -> None:
    put("web", "1.0")
    with pytest.raises(AmbiguousReferenceError):
        pull(home, "web", platform=HOST, engine=None, network=NOWHERE)
    with pytest.raises(ReleaseNotFoundError):
        pull(home, "wbe@1.0", platform=HOST, engine=None, network=NOWHERE)
    with pytest.raises(PlatformNotFoundError):
        pull(home, "web@1.0", platform=Platform("linux", "s390x"), engine=None, network=NOWHERE)


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


def test_pins_hold_and_let_go(home: Home, put: Publish) -> None:
    put("web", "1.0")
    put("web", "1.1", make_image([BASE]))
    pin(home, "web@1.0", platform=HOST, network=NOWHERE)
    pull(home, "web@1.1", platform=HOST, engine=None, network=NOWHERE)
    assert sorted(held(home)) == ["web@1.0 pinned", "web@1.1 pulled"]
    assert len(unpin(home, "web@1.0").pins) == 1
    assert unpin(home, "web@1.0").pins == ()
    assert held(home) == ["web@1.1 pulled"]
