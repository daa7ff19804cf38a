"""The delta of a new release: in the snapshot that brings the release, made once, and never in the way."""

from pathlib import Path

import pytest

from catalog.delta.reader import read_delta
from catalog.errors import StorageError
from catalog.home.home import Home
from catalog.image.walk import walk
from catalog.index.releases import get_release
from catalog.intake.intake import Wanted
from catalog.ipld.cid import Cid, cid_of
from catalog.model.platform import Platform
from catalog.model.release import Release
from catalog.operations.gc import collect_garbage
from catalog.operations.publish import publish
from catalog.operations.yank import yank
from catalog.own.share import Shared, share_own
from catalog.progress import Progress, Step, silent
from catalog.snapshot.images import image_paths
from catalog.snapshot.reader import open_snapshot
from catalog.unixfs.directory import find_entries
from catalog.unixfs.file_reader import read_file
from tests.delivery.versions import NOBODY, image_of, open_at, publish_version, publisher, released
from tests.factory.exports import source_of
from tests.factory.images import BASE, SampleImage, make_image
from tests.factory.platforms import HOST
from tests.factory.tars import make_layer


def release(home: Home, version: str) -> Release:
    catalogue = home.own_catalogue()
    assert catalogue is not None
    with home.index.read() as connection:
        return get_release(connection, catalogue, "web", version)


def put(home: Home, version: str, image: SampleImage, progress: Progress = silent) -> Shared:
    shared = publish(home, "web", version, source_of(image), Wanted(HOST), progress=progress).shared
    assert shared is not None
    return shared


def test_one_snapshot_brings_release_and_delta(tmp_path: Path) -> None:
    first = publish_version(tmp_path / "home", "1.0")
    assert first.deltas == ()
    shared = publish_version(tmp_path / "home", "1.1")
    assert shared.record.sequence == first.record.sequence + 1
    (made,) = shared.deltas
    assert (made.reference, made.platform, made.base) == ("web@1.1", HOST, "1.0")
    assert made.delta.size * 2 < made.new_bytes
    with open_at(tmp_path / "home") as home:
        base, image = released(home, "1.0"), released(home, "1.1")
        assert image.deltas == {base.archive: made.delta}
        snapshot = open_snapshot(shared.record.snapshot_cid, home.blocks)
        assert list(snapshot.read()) == [release(home, "1.0"), release(home, "1.1")]
        # Anybody finds it by its path, as a plain file.
        (path,) = (path for path, cid in image_paths(release(home, "1.1")) if cid == made.delta.cid)
        assert path == ("web", f"1.1.linux-amd64.{base.archive}.delta")
        directory = snapshot.images.cid
        for part in path:
            directory = find_entries(directory, [part], home.blocks)[part].cid
        assert directory == made.delta.cid
        delta = b"".join(read_file(made.delta.cid, home.blocks))
        assert len(delta) == made.delta.size
        rebuilt = read_delta(
            [delta], base.archive, image.archive, home.blocks, unpacked=image.unpacked, size=image.size, file_size=len(delta)
        )
        held = {block.cid for block in walk(base.archive, home.blocks)}
        assert {block.cid for block in rebuilt} == {block.cid for block in walk(image.archive, home.blocks)} - held
        assert not list(home.path.glob(".delta*"))


def test_only_what_is_new_gets_one(tmp_path: Path) -> None:
    publisher(tmp_path / "home", ("1.0", "1.1"), deltas=False)
    with open_at(tmp_path / "home") as home:
        shared = yank(home, "web@1.1", "bad").shared
        assert shared is not None
        assert (shared.signed, shared.deltas) == (True, ())
        assert released(home, "1.1").deltas == {}


def test_what_an_interrupted_publish_left_is_made_by_the_next_sync(tmp_path: Path) -> None:
    def interrupt(step: Step) -> None:
        if step.label.startswith("Making the delta"):
            raise KeyboardInterrupt

    publish_version(tmp_path / "home", "1.0")
    with open_at(tmp_path / "home", "1.1") as home, pytest.raises(KeyboardInterrupt):
        put(home, "1.1", image_of("1.1"), interrupt)
    with open_at(tmp_path / "home", "1.2") as home:
        shared = share_own(home, NOBODY, deltas=True)
        assert shared is not None
        assert [(made.reference, made.base) for made in shared.deltas] == [("web@1.1", "1.0")]
        again = share_own(home, NOBODY, deltas=True)
        assert again is not None
        assert (again.signed, again.deltas) == (False, ())


def test_the_base_is_what_was_published_before(tmp_path: Path) -> None:
    for version, at in (("2.0", "1.0"), ("1.0", "1.1"), ("1.5", "1.2")):
        with open_at(tmp_path / "home", at) as home:
            shared = put(home, version, image_of(version))
    assert [made.base for made in shared.deltas] == ["1.0"]


def test_a_base_that_is_not_whole_is_passed_over(tmp_path: Path) -> None:
    publisher(tmp_path / "home", ("1.0", "1.1"))
    with open_at(tmp_path / "home", "1.2") as home:
        held = {block.cid for block in walk(released(home, "1.0").archive, home.blocks)}
        home.blocks.delete([[b.cid for b in walk(released(home, "1.1").archive, home.blocks) if b.cid not in held][-1]])
        shared = put(home, "1.2", image_of("1.2"))
    assert [made.base for made in shared.deltas] == ["1.0"]


def test_what_saves_too_little_is_not_published(tmp_path: Path) -> None:
    publish_version(tmp_path / "home", "1.0")
    noise = make_layer({"noise": b"".join(cid.digest for cid in _cids(4000))})
    for number, image in enumerate([make_image([BASE, noise]), image_of("1.0")], 1):
        with open_at(tmp_path / "home", f"1.{number}") as home:
            before = home.blocks.size().blocks
            shared = put(home, f"1.{number}", image)
            assert shared.deltas == ()
            assert not list(home.path.glob(".delta*"))
            assert home.blocks.size().blocks > before


def _cids(number: int) -> list[Cid]:
    return [cid_of(b"%d" % at) for at in range(number)]


def test_another_platform_is_no_base(tmp_path: Path) -> None:
    publish_version(tmp_path / "home", "1.0")
    arm = Platform("linux", "arm64")
    files = image_of("1.1").layers
    image = make_image(list(files), arm)
    with open_at(tmp_path / "home", "1.1") as home:
        assert put(home, "1.1", image).deltas == ()
        assert set(release(home, "1.1").images) == {arm}


def test_a_delta_that_cannot_be_made_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise StorageError("a delta cannot be kept", why="no space left on device")

    publish_version(tmp_path / "home", "1.0")
    monkeypatch.setattr("catalog.own.deltas.make_delta", fail)
    steps: list[Step] = []
    with open_at(tmp_path / "home", "1.1") as home:
        shared = put(home, "1.1", image_of("1.1"), steps.append)
        assert (shared.signed, shared.deltas) == (True, ())
    (warning,) = [step.label for step in steps if step.kind == "warning"]
    assert "no space left" in warning


def test_what_a_killed_publish_left_is_deleted(tmp_path: Path) -> None:
    publish_version(tmp_path / "home", "1.0")
    left = tmp_path / "home" / ".delta-0123456789abcdef"
    left.write_bytes(b"half a delta")
    publish_version(tmp_path / "home", "1.1")
    assert not left.exists()
    left.mkdir()  # of an export
    (left / "made.delta").write_bytes(b"half a delta")
    publish_version(tmp_path / "home", "1.2")
    assert left.exists()
    with open_at(tmp_path / "home") as home:
        collect_garbage(home, delete=True)
    assert not left.exists()
