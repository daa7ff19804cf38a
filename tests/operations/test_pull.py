"""Pull into the store, without an engine; blocks that are missing are named, and why they were not fetched."""

import pytest

from catalog.errors import (
    AmbiguousReferenceError,
    InvalidReferenceError,
    PlatformNotFoundError,
    ReleaseNotFoundError,
    UnavailableError,
)
from catalog.home.home import Home
from catalog.image.walk import walk
from catalog.ipld.cid import cid_of
from catalog.model.platform import Platform
from catalog.operations.pull import pull
from catalog.sources.network import NO_NETWORK, Network
from catalog.trust.store import list_pins
from tests.factory.images import make_image
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


@pytest.mark.parametrize(
    "tag", ["Bad/Name:1", "web", "web:", ":1", "web:1/2", "web:-1", "a//b:1", "web:" + "1" * 129, "docker.io/Bad:1"]
)
def test_a_tag_that_no_engine_takes_is_refused_first(home: Home, tag: str) -> None:
    """Before anything is resolved, fetched or loaded."""
    with pytest.raises(InvalidReferenceError, match="not a valid tag"):
        pull(home, "nothing@1.0", platform=HOST, engine=None, tag=tag)


@pytest.mark.parametrize(
    "tag", ["web:1", "Registry.Example:5000/team/web:1.0-rc_1", "localhost/web:1", "[::1]:5000/web:1", "a/b/c__d:V1"]
)
def test_a_tag_that_engines_take_is_taken(home: Home, put: Publish, tag: str) -> None:
    put("web", "1.0")
    assert pull(home, "web@1.0", platform=HOST, engine=None, tag=tag).need.missing == 0
