"""Exporting again and again into one folder."""

import json
import shutil
from pathlib import Path

import pytest

from catalog.errors import InvalidInputError, LockedError
from catalog.home.home import open_home
from catalog.hosting.folder import open_folder
from catalog.ipld.cid import parse_cid
from catalog.operations.export_static import export_static
from catalog.operations.remove import remove
from catalog.operations.subscribe import subscribe
from catalog.operations.sync import sync
from catalog.operations.trust import accept, list_questions
from catalog.operations.yank import yank
from catalog.own.share import share_own
from catalog.server.pages.plain import PlainPages
from catalog.snapshot.line import decode_line
from catalog.sources.network import Network
from tests.factory.images import small_image
from tests.factory.static_files import make_version
from tests.fakes.header_rules import Apply, cloudflare_headers, netlify_headers
from tests.fakes.homes import network_of
from tests.hosting.conftest import Publisher
from tests.hosting.reading import read_folder


def files_of(folder: Path) -> dict[str, tuple[int, int]]:
    """Return all files with their inode and the time of their last change."""
    return {
        path.relative_to(folder).as_posix(): (path.stat().st_ino, path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_only_what_is_new_is_written(publisher: Publisher) -> None:
    publisher.publish("web", "1.0", make_version("1.0"))
    publisher.export()
    before = files_of(publisher.folder)
    assert publisher.export().files == 0
    assert files_of(publisher.folder) == before

    publisher.publish("web", "1.1", make_version("1.1", changed=1))
    done = publisher.export()
    after = files_of(publisher.folder)
    changed = {path for path, state in before.items() if after.get(path) != state}
    (record,) = publisher.folder.glob("routing/v1/ipns/*")
    lists = {"releases.ndjson", "names/web/releases.ndjson", "v2/web/tags/list"}
    assert changed == {*lists, "dcat/v1/static", f"routing/v1/ipns/{record.name}"}
    blobs = sum(
        path.stat().st_size for path in publisher.folder.glob("v2/web/blobs/*") if f"v2/web/blobs/{path.name}" not in before
    )
    deltas = sum(path.stat().st_size for path in publisher.folder.glob("deltas/*/*"))
    assert done.written <= blobs + deltas + 30_000
    assert read_folder(publisher.folder) == {"web@1.0", "web@1.1"}


def test_a_collected_snapshot_is_no_hindrance(publisher: Publisher) -> None:
    """What was written last may be gone from the home: then every release is looked at, and only what is new is written."""
    publisher.publish("web", "1.0", make_version("1.0"))
    publisher.export()
    root = parse_cid(json.loads((publisher.folder / "dcat/v1/static").read_bytes())["root"])
    publisher.publish("web", "1.1", make_version("1.1", changed=1))
    before = files_of(publisher.folder)
    with publisher.open() as home:
        home.blocks.delete([root])
    done = publisher.export()
    assert done.releases == 2
    after = files_of(publisher.folder)
    assert all(after[path] == state for path, state in before.items() if "/blobs/" in path or "outlines/" in path)
    assert read_folder(publisher.folder) == {"web@1.0", "web@1.1"}


def test_names_that_are_words_of_paths(publisher: Publisher) -> None:
    names = ("acme", "acme/tags/list", "acme/manifests/1.0", "index.html", "acme/index.html", "releases.ndjson")
    for name in names:
        publisher.publish(name, "1.0", small_image())
    publisher.export()
    assert read_folder(publisher.folder) == {f"{name}@1.0" for name in names}
    assert (publisher.folder / "v2/acme/tags/list").is_file()
    assert (publisher.folder / "v2/index.html").is_file()


def test_a_changed_content_that_nobody_accepted_is_left_out(publisher: Publisher, tmp_path: Path) -> None:
    """A follower hosts somebody's catalogue; its registry does not give engines what its own user would be refused."""
    publisher.publish("web", "1.0", small_image("one"))
    twin = Publisher(tmp_path / "twin")
    with publisher.open() as home, twin.open() as second:
        shutil.copy(home.key_path, second.key_path)
    for version in ("1.0", "1.1"):
        twin.publish("web", version, small_image(f"other {version}"))
    manifest = publisher.folder / "v2/web/manifests/1.0"
    with publisher.open() as home, twin.open() as second, open_home(tmp_path / "follower", now=twin.now) as follower:
        subscribe(follower, network_of(home), home.read_key().name, "ann")
        export_static(follower, publisher.folder, catalogue="ann", network=network_of(home))
        before = manifest.read_bytes()
        (updated,) = sync(follower, network_of(second)).updates
        assert len(updated.conflicts) == 1
        export_static(follower, publisher.folder, catalogue="ann", network=network_of(second))
        assert manifest.read_bytes() == before
        assert (publisher.folder / "v2/web/manifests/1.1").exists()
        assert (publisher.folder / "v2/web/tags/list").read_bytes() == b'{"name":"web","tags":["1.0","1.1"]}'
        (question,) = list_questions(follower)
        accept(follower, question.item)
        export_static(follower, publisher.folder, catalogue="ann", network=network_of(second))
        assert manifest.read_bytes() != before


def test_lines_for_programs(publisher: Publisher) -> None:
    publisher.publish("web", "1.0", make_version("1.0"))
    publisher.publish("web", "1.1", make_version("1.1", changed=1))
    publisher.publish("tools/copy", "2.0", make_version("1.0"))
    publisher.export()
    found = [decode_line(line) for line in (publisher.folder / "releases.ndjson").read_bytes().splitlines()]
    assert [release.reference for release in found] == ["tools/copy@2.0", "web@1.1", "web@1.0"]
    found = [decode_line(line) for line in (publisher.folder / "names/web/releases.ndjson").read_bytes().splitlines()]
    assert [release.reference for release in found] == ["web@1.1", "web@1.0"]


def test_a_layer_of_two_names_is_one_file(publisher: Publisher) -> None:
    publisher.publish("web", "1.0", make_version("1.0"))
    publisher.publish("tools/copy", "2.0", make_version("1.0"))
    publisher.export()
    first, second = (
        {path.name: path.stat().st_ino for path in publisher.folder.glob(f"v2/{name}/blobs/*")} for name in ("web", "tools/copy")
    )
    layers = {name for name, inode in first.items() if second.get(name) == inode}
    assert len(layers) == 3
    assert read_folder(publisher.folder) == {"web@1.0", "tools/copy@2.0"}


def test_prune_deletes_what_is_gone_and_nothing_else(publisher: Publisher) -> None:
    publisher.publish("copy", "2.0", make_version("1.0"))
    publisher.publish("web", "1.0", make_version("1.0"))
    publisher.publish("web", "1.1", make_version("1.1", changed=1))
    publisher.export()
    mine = publisher.folder / "robots.txt"
    mine.write_text("mine")
    assert publisher.export(prune=True).deleted <= 1  # the outline of no snapshot but the newest
    with publisher.open() as home:
        remove(home, "copy@2.0")
        remove(home, "web@1.1")
        share_own(home, Network())
    assert publisher.export(prune=True).deleted > 8
    assert read_folder(publisher.folder) == {"copy@2.0", "web@1.0", "web@1.1"}
    assert not (publisher.folder / "v2/copy").exists()
    assert len(list(publisher.folder.glob("v2/web/blobs/*"))) == 4
    assert not list(publisher.folder.glob("deltas/**/*.delta"))
    assert mine.read_text() == "mine"


def test_after_a_release_that_was_left_out_only_it_is_looked_at_again(publisher: Publisher) -> None:
    for number in range(5):
        publisher.publish("web", f"1.{number}", small_image(str(number)))
    publisher.export()
    static = publisher.folder / "dcat/v1/static"
    static.write_bytes(static.read_bytes().replace(b'"left_out":0', b'"left_out":1'))
    assert publisher.export().releases == 5  # not noted which: all are
    static.write_bytes(static.read_bytes().replace(b'"left_out":0', b'"left_out":1'))
    (publisher.folder / "settings/left-out").write_text("web@1.3\n")
    assert publisher.export().releases == 1
    assert publisher.export().releases == 0


def test_yanked_releases_are_not_listed(publisher: Publisher) -> None:
    publisher.publish("web", "1.0", make_version("1.0"))
    publisher.publish("web", "1.1", make_version("1.1", changed=1))
    with publisher.open() as home:
        yank(home, "web@1.1", "broken")
        share_own(home, Network())
    publisher.export()
    assert (publisher.folder / "v2/web/tags/list").read_bytes() == b'{"name":"web","tags":["1.0"]}'
    assert (publisher.folder / "v2/web/manifests/1.1").exists()


def test_a_folder_of_another_catalogue_is_refused(publisher: Publisher, tmp_path: Path) -> None:
    publisher.publish("web", "1.0", make_version("1.0"))
    publisher.export()
    other = Publisher(tmp_path / "other")
    other.folder = publisher.folder
    other.publish("web", "1.0", make_version("1.0"))
    with pytest.raises(InvalidInputError, match="another catalogue"):
        other.export()
    with open_folder(publisher.folder), pytest.raises(LockedError):
        publisher.export()


@pytest.mark.parametrize("name", ["index.html", "releases.ndjson"])
def test_a_site_that_is_there_already_is_not_replaced(publisher: Publisher, name: str) -> None:
    publisher.publish("web", "1.0", make_version("1.0"))
    publisher.folder.mkdir(parents=True, exist_ok=True)
    own = publisher.folder / name
    own.write_text("mine")
    with publisher.open() as home, pytest.raises(InvalidInputError, match=name):
        export_static(home, publisher.folder, pages=PlainPages())
    assert [path.name for path in publisher.folder.rglob("*")] == [name]
    assert own.read_text() == "mine"
    own.unlink()
    publisher.export()
    publisher.export()


def test_a_first_export_that_was_killed_goes_on(publisher: Publisher) -> None:
    publisher.publish("web", "1.0", make_version("1.0"))
    work = publisher.folder / ".dcat"
    with open_folder(publisher.folder) as folder:
        folder.replace("index.html", b"of a run that did not end")
        shutil.copytree(work, publisher.folder.with_name("kept"))
    shutil.copytree(publisher.folder.with_name("kept"), work)
    with publisher.open() as home:
        export_static(home, publisher.folder, pages=PlainPages())
    assert (publisher.folder / "index.html").read_bytes().startswith(b"<!doctype html>")


@pytest.mark.parametrize("apply", [cloudflare_headers, netlify_headers])
def test_netlify_and_cloudflare_know_each_media_type(publisher: Publisher, apply: Apply) -> None:
    publisher.publish("web", "1.0", small_image())
    publisher.publish("tools/multi", "1.0", small_image())
    publisher.publish_for_all("tools/multi", "2.0")
    publisher.export()
    rules = (publisher.folder / "_headers").read_text()
    manifests = [path for path in publisher.folder.glob("v2/**/manifests/*") if path.is_file()]
    assert len(manifests) == 2 * 3 + 2
    for path in manifests:
        served = apply(rules, f"/{path.relative_to(publisher.folder).as_posix()}")
        assert served["content-type"] == json.loads(path.read_bytes())["mediaType"]


def test_header_rules_that_the_user_wrote_stay(publisher: Publisher) -> None:
    publisher.publish("web", "1.0", small_image())
    publisher.export()
    rules = publisher.folder / "_headers"
    own = rules.read_text().partition("\n")[2] + "/mine\n  X-Mine: yes\n"
    rules.write_text(own)
    publisher.publish_for_all("web", "2.0")
    publisher.export()
    assert rules.read_text() == own
