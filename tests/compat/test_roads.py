"""One image, one CID: whichever engine holds it, however its layers are compressed, and whichever road it takes out of the engine.

An engine shows afterwards what it showed before.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from catalog.home.home import Home, open_home
from catalog.intake import sources
from catalog.intake.intake import Wanted
from catalog.intake.sources import EngineSource
from catalog.ipld.cid import Cid
from catalog.lookup.locate import open_lookup
from catalog.model.platform import Platform
from catalog.model.reference import parse_reference
from catalog.operations.publish import publish
from tests.compat.engines import PrivateEngine
from tests.compat.registry import push_index
from tests.compat.test_push import shown
from tests.factory.exports import index_archive, stream_of
from tests.factory.images import APP, BASE, make_image
from tests.factory.platforms import ARM64, HOST
from tests.factory.tars import make_layer
from tests.factory.times import NOW
from tests.server.registry.pushing import PushServer, serving_pushes

IMAGES = {
    HOST: make_image([BASE, make_layer({"data": bytes(range(256)) * 4000}), APP]),
    ARM64: make_image([BASE, make_layer({"arm": b"64" * 40_000})], ARM64),
}
# Of several platforms only the containerd store holds more than the host's; Docker 20.10 reads no zstd.
CASES = [
    (engine, pack, several)
    for engine in ("docker29", "docker29_classic", "docker20", "podman")
    for pack in ("plain", "gzip", "zstd")
    for several in (False, True)
    if (engine == "docker29" or not several) and (engine, pack) != ("docker20", "zstd")
]
OFTEN = {("docker29", "zstd", True), ("docker29_classic", "zstd", False), ("docker20", "plain", False), ("podman", "gzip", False)}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[PushServer]:
    with serving_pushes(tmp_path / "served") as served:
        yield served


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    with open_home(tmp_path / "home", now=NOW) as opened:
        yield opened


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> Mapping[Platform, Cid]:
    """The archive CIDs, as a publish of exports makes them."""
    with open_home(tmp_path_factory.mktemp("expected") / "home", now=NOW) as home:
        return {
            at: publish(home, f"web-{at.architecture}", "1.0", stream_of(image.archive()), Wanted(at)).release.images[at].archive
            for at, image in IMAGES.items()
        }


@pytest.mark.parametrize(
    ("name", "pack", "several"), [case if case in OFTEN else pytest.param(*case, marks=pytest.mark.long) for case in CASES]
)
def test_every_road_gives_the_same_archive(
    request: pytest.FixtureRequest,
    server: PushServer,
    home: Home,
    local_registry: str,
    expected: Mapping[Platform, Cid],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    pack: str,
    several: bool,
) -> None:
    engine: PrivateEngine = request.getfixturevalue(name)
    engine.clear()
    platforms = list(IMAGES) if several else [HOST]
    reference = put(engine, local_registry, pack, several=several)
    before = shown(engine)
    wanted = Wanted(HOST, all_platforms=several)
    taken = []
    if (name, pack) != ("podman", "zstd"):  # podman 4.3 refuses to export what it pulled so
        with engine.connect() as connected:
            taken.append(publish(home, "web", "1.0", EngineSource(connected, reference), wanted))
            monkeypatch.setattr(sources, "start_push", lambda *_: (None, "it was told to"))
            taken.append(publish(home, "web", "1.1", EngineSource(connected, reference), wanted))
    assert shown(engine) == before
    for done in taken:
        assert {at: image.archive for at, image in done.release.images.items()} == {at: expected[at] for at in platforms}
    target = f"localhost:{server.port}/web:1.0"
    engine.run("tag", reference, target)
    engine.run("push", *(("--tls-verify=false",) if name == "podman" else ()), target)
    with open_lookup(server.path) as lookup:
        pushed = lookup.resolve(parse_reference("web@1.0"), now=NOW).release
    assert {at: image.archive for at, image in pushed.images.items()} == {at: expected[at] for at in platforms}


def put(engine: PrivateEngine, registry: str, pack: str, *, several: bool) -> str:
    """Bring the image into the engine, loaded or pulled; return its reference."""
    if pack == "plain" and several:
        engine.load(index_archive(IMAGES, "docker.io/library/roads:1"))
        return "roads:1"
    if pack == "plain":
        engine.put(IMAGES[HOST].archive(), "roads:1")
        return "localhost/roads:1" if engine.name == "podman" else "roads:1"
    images = IMAGES if several else {HOST: IMAGES[HOST]}
    push_index(registry, "roads", f"{pack}-{len(images)}", images, f"+{pack}")
    reference = f"{registry}/roads:{pack}-{len(images)}"
    for platform in images:
        chosen = ("--platform", str(platform)) if several else ()
        engine.run("pull", *(("--tls-verify=false",) if engine.name == "podman" else chosen), reference)
    return reference
