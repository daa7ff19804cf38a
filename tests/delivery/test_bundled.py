"""Deltas on a stick: a bundle since a release holds one in place of blocks, and is taken in without a network."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from catalog.blockstores.holding import is_whole
from catalog.delivery import find_savings
from catalog.errors import CodecError, UnavailableError
from catalog.home.home import Home
from catalog.image.walk import walk
from catalog.ipld.cid import Cid, cid_of
from catalog.operations.export import Exported, export_catalogue, export_releases
from catalog.operations.import_ import import_bundle
from catalog.sources.bundle import BundledDelta, BundleSource, write_bundle
from tests.delivery.versions import NOBODY, follower, open_at, publisher, pull_here, released


@pytest.fixture(scope="module", params=[True, False], ids=["published deltas", "no deltas published"])
def team(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    path = publisher(tmp_path_factory.mktemp("team") / "home", deltas=request.param)
    with open_at(path) as home:
        yield home


def export(team: Home, path: Path, version: str, since: str | None = "1.0") -> Exported:
    return export_releases(team, [f"web@{version}"], path, network=NOBODY, since=[f"web@{since}"] if since else [])


def is_here(home: Home, version: str) -> bool:
    return is_whole(released(home, version).archive, home.blocks)


def test_a_bundle_since_a_release_holds_a_delta(team: Home, home: Home, tmp_path: Path) -> None:
    whole = export(team, tmp_path / "whole.car", "1.1", None)
    small = export(team, tmp_path / "small.car", "1.1")
    assert (whole.deltas, small.deltas) == (0, 1)
    assert small.size < whole.size / 4
    assert not (list(team.path.glob(".delta-*")) + list(team.path.glob("*.delta")))
    with BundleSource(tmp_path / "small.car") as bundle:
        done = import_bundle(home, bundle)
    assert done.first_error is None
    assert [image.reference for image in done.images] == ["team/web@1.1"]
    assert is_here(home, "1.1")
    assert find_savings(home).deltas == 1
    assert pull_here(home, NOBODY, "1.1").need.missing == 0


def test_a_bundle_of_a_catalogue_goes_from_version_to_version(team: Home, home: Home, tmp_path: Path) -> None:
    done = export_catalogue(team, "mine", tmp_path / "all.car", network=NOBODY, since=["web@1.0"])
    assert (done.images, done.deltas) == (4, 3)
    with BundleSource(tmp_path / "all.car") as bundle:
        imported = import_bundle(home, bundle)
    assert len(imported.images) == 4
    assert all(is_here(home, version) for version in ("1.0", "1.1", "1.2", "1.3"))


def test_what_is_half_here_is_completed_all_the_same(team: Home, home: Home, tmp_path: Path) -> None:
    """The file has no blocks to fall back on, so its delta is taken whatever it saves."""
    export(team, tmp_path / "small.car", "1.1")
    archive = released(team, "1.1").archive
    *most, last = [block.cid for block in walk(archive, team.blocks)]
    home.blocks.put_many(team.blocks.get_many(cid for cid in most if cid != last))
    lost = [cid for cid in most if home.blocks.sizes([cid]).get(cid, 0) > 10_000][-1]
    home.blocks.delete([lost])
    with BundleSource(tmp_path / "small.car") as bundle:
        import_bundle(home, bundle)
    assert is_here(home, "1.1")


def test_a_home_without_the_base_is_told(team: Home, tmp_path: Path) -> None:
    export(team, tmp_path / "small.car", "1.1")
    with follower(tmp_path / "empty", team, held=()) as empty, BundleSource(tmp_path / "small.car") as bundle:
        with pytest.raises(UnavailableError) as caught:
            import_bundle(empty, bundle)
        assert str(released(team, "1.0").archive) in caught.value.why


def test_damage_is_noticed(team: Home, home: Home, tmp_path: Path) -> None:
    export(team, tmp_path / "small.car", "1.1")
    with BundleSource(tmp_path / "small.car") as bundle:
        (delta,) = bundle.manifest.deltas.values()
        block = bundle.get(delta.file)
    data = bytearray((tmp_path / "small.car").read_bytes())
    data[data.index(block) + 1000] ^= 1
    (tmp_path / "small.car").write_bytes(bytes(data))
    with BundleSource(tmp_path / "small.car") as bundle, pytest.raises(UnavailableError):
        import_bundle(home, bundle)
    assert not is_here(home, "1.1")


def test_manifests_that_say_nonsense_of_deltas_are_refused(tmp_path: Path) -> None:
    one, other, file = (cid_of(text) for text in (b"one", b"other", b"file"))
    good = BundledDelta(one, other, file, 5)

    def read(*deltas: BundledDelta) -> dict[Cid, BundledDelta]:
        with (tmp_path / "bundle.car").open("wb") as out:
            write_bundle(out, [other], [], records={}, deltas=deltas)
        with BundleSource(tmp_path / "bundle.car") as bundle:
            return dict(bundle.manifest.deltas)

    assert read(good) == {other: good}
    for bad in ([replace(good, size=0)], [replace(good, base=other)], [replace(good, size=True)], [good, good]):
        with pytest.raises(CodecError):
            read(*bad)
