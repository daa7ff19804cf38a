"""Publishing: a version never changes, the same again is no change, and what is asked for comes first."""

import pytest

from catalog.errors import (
    ArchiveError,
    InvalidNameError,
    InvalidVersionError,
    PlatformNotFoundError,
    ReleaseConflictError,
    RollbackError,
)
from catalog.home.home import Home
from catalog.index.history import list_changes
from catalog.index.releases import get_release
from catalog.intake.intake import Wanted
from catalog.model.platform import Platform
from catalog.model.release import Release
from catalog.operations.publish import publish
from catalog.operations.remove import remove
from catalog.operations.revoke import create_revocation
from catalog.operations.yank import yank
from catalog.own.signing import take_own_record
from catalog.snapshot.reader import open_snapshot
from tests.factory.exports import blob, docker_25, index_archive, source_of, stream_of
from tests.factory.images import APP, BASE, PACKAGES, SAMPLE, make_image
from tests.factory.platforms import HOST
from tests.factory.tars import make_tar
from tests.operations.conftest import Publish

OTHER = make_image([BASE, APP])


def released(home: Home, name: str, version: str) -> Release:
    with home.index.read() as connection:
        return get_release(connection, home.own_catalogue() or "", name, version)


def kinds(home: Home) -> list[str]:
    with home.index.read() as connection:
        return [change.kind for change in list_changes(connection)]


def test_the_first_publish_makes_the_catalogue(home: Home, put: Publish) -> None:
    assert home.own_catalogue() is None
    done = put("web", "1.0", annotations={"title": "The web"})
    assert done.created
    assert done.changed
    assert done.catalogue.startswith("k51")
    assert done.added == (HOST,)
    image = released(home, "web", "1.0").images[HOST]
    assert image.config.hex == SAMPLE.config_hex
    assert image.layers == len(SAMPLE.layers)
    assert released(home, "web", "1.0").annotations == {"title": "The web"}
    assert not put("web", "1.1").created


def test_the_same_again_changes_nothing_and_says_so(home: Home, put: Publish) -> None:
    first = put("web", "1.0")
    again = put("web", "1.0")
    assert not again.changed
    assert again.release == first.release
    assert again.count.new_blocks == 0
    assert kinds(home) == ["published"]


def test_other_content_is_refused_and_the_old_one_stays(home: Home, put: Publish) -> None:
    before = put("web", "1.0").release
    with pytest.raises(ReleaseConflictError, match="other content"):
        put("web", "1.0", OTHER)
    assert released(home, "web", "1.0") == before


def test_another_platform_is_added(home: Home, put: Publish) -> None:
    put("web", "1.0")
    arm = make_image([BASE], Platform("linux", "arm", "v6"))
    done = put("web", "1.0", arm)
    assert done.added == (Platform("linux", "arm", "v6"),)
    assert set(released(home, "web", "1.0").images) == {HOST, Platform("linux", "arm", "v6")}
    assert kinds(home) == ["platform", "published"]


def test_another_title_is_no_conflict(home: Home, put: Publish) -> None:
    put("web", "1.0", annotations={"title": "old", "source": "here"})
    assert put("web", "1.0", annotations={"title": "new"}).changed
    assert released(home, "web", "1.0").annotations == {"title": "new", "source": "here"}


def test_what_was_removed_returns_only_with_its_content(home: Home, put: Publish) -> None:
    put("web", "1.0")
    remove(home, "web@1.0")
    with pytest.raises(ReleaseConflictError):
        put("web", "1.0", OTHER)
    assert released(home, "web", "1.0").removed is not None
    assert put("web", "1.0").changed
    assert released(home, "web", "1.0").removed is None


def test_a_dry_run_counts_and_keeps_nothing(home: Home, put: Publish) -> None:
    done = put("web", "1.0", dry_run=True)
    assert done.dry_run
    assert home.own_catalogue() is None
    assert home.blocks.size().blocks == 0
    real = put("web", "1.0")
    assert (done.count.new_blocks, done.count.new_bytes) == (real.count.new_blocks, real.count.new_bytes)
    assert done.release.images == real.release.images
    assert put("web", "1.1", dry_run=True).count.new_blocks == 0


@pytest.mark.parametrize(
    ("name", "version", "error"),
    [
        ("Web", "1.0", InvalidNameError),
        ("web.tar.zst", "1.0", InvalidNameError),
        ("web", "-1", InvalidVersionError),
        ("web", "latest", InvalidVersionError),
        ("web", "bafybeibxyxpz3pdqkbxjo2to2v5j34rnozfoayrcno5zqzoy6yqi5cae6y", InvalidVersionError),
    ],
)
def test_what_is_outside_the_grammar_stores_nothing(
    home: Home, put: Publish, name: str, version: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        put(name, version)
    assert not home.path.exists() or home.blocks.size().blocks == 0


def test_an_export_that_lies_releases_nothing(home: Home) -> None:
    members = docker_25(SAMPLE)
    members[blob(APP)] = PACKAGES
    with pytest.raises(ArchiveError):
        publish(home, "web", "1.0", stream_of(make_tar(members)), Wanted(HOST))
    assert home.own_catalogue() is None
    assert publish(home, "web", "1.0", source_of(SAMPLE), Wanted(HOST)).changed


def test_secrets_in_the_configuration_are_warned_of(put: Publish) -> None:
    image = make_image([APP], labels={"com.example.api-key": "x1"}, config={"Env": ["DB_PASSWORD=hunter2", "PATH=/bin"]})
    (warning,) = put("web", "1.0", image).warnings
    assert "DB_PASSWORD" in warning
    assert "hunter2" not in warning


def test_all_platforms_of_a_file(home: Home) -> None:
    arm = Platform("linux", "arm64")
    images = {HOST: make_image([BASE, APP]), arm: make_image([BASE], architecture="arm64")}
    export = stream_of(index_archive(images, "docker.io/library/web:1.0"))
    assert set(publish(home, "all", "1", export, Wanted(HOST, all_platforms=True)).added) == {HOST, arm}
    assert publish(home, "host", "1", export, Wanted(HOST)).added == (HOST,)
    assert publish(home, "one", "1", export, Wanted(HOST, (arm,))).added == (arm,)
    with pytest.raises(PlatformNotFoundError, match="s390x"):
        publish(home, "none", "1", export, Wanted(HOST, (Platform("linux", "s390x"),)))


def test_the_catalogue_is_signed_after_each_change(home: Home, put: Publish) -> None:
    """Whoever calls the library gets what the commands give: a record of a snapshot that has the change."""
    first = put("web", "1.0")
    again = put("web", "1.0")
    yanked = yank(home, "web@1.0", "bad")
    removed = remove(home, "web@1.0")
    sequences = []
    for done in (first, again, yanked, removed):
        assert done.share_error is None
        assert done.shared is not None
        sequences.append((done.shared.record.sequence, done.shared.signed))
    assert sequences == [(1, True), (1, False), (2, True), (3, True)]
    assert removed.shared is not None
    (line,) = open_snapshot(removed.shared.record.snapshot_cid, home.blocks).read()
    assert line.removed is not None
    assert put("web", "1.1", dry_run=True).shared is None


def test_a_release_is_kept_where_it_cannot_be_signed(home: Home, put: Publish) -> None:
    put("web", "1.0")
    take_own_record(home, create_revocation(home, None))
    done = put("web", "1.1")
    assert (done.changed, done.shared) == (True, None)
    assert isinstance(done.share_error, RollbackError)
    assert released(home, "web", "1.1") == done.release
