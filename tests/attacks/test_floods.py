"""Work that a publisher makes for others: one image listed very many times, and images whose files take more than they bring."""

import io
import tarfile
from dataclasses import replace
from datetime import timedelta

import pytest

from catalog.delivery.contents import open_image_files
from catalog.errors import ArchiveError
from catalog.lookup import contents
from catalog.lookup.contents import Held
from catalog.lookup.releases import Row, get_release
from catalog.lookup.view import View
from catalog.operations.pin import pin
from tests.attacks.publisher import Attacker, list_image
from tests.attacks.victim import Victim
from tests.factory.images import BASE, make_image
from tests.factory.platforms import AMD64
from tests.factory.releases import listed_image, make_release


@pytest.mark.parametrize("lied", ["archive", "nothing"])
def test_a_digest_that_a_stranger_lists_over_and_over(
    mallory: Attacker, carol: Attacker, ann: Victim, monkeypatch: pytest.MonkeyPatch, lied: str
) -> None:
    """A26: what was seen first counts, and few of the others are read."""
    image = listed_image("true")
    carol.publish(list_image("web", "1.0", image, AMD64))
    ann.subscribe(carol, "carol")
    ann.wait(timedelta(minutes=1))
    false = replace(image, archive=listed_image("evil").archive) if lied == "archive" else image
    mallory.publish(*(list_image("aaa", str(number), false, AMD64) for number in range(1000)))
    ann.subscribe(mallory, "bob", carol)
    read: list[object] = []
    held_row = contents.held_row

    def count_held(view: View, held: Held) -> Row:
        read.append(held)
        return held_row(view, held)

    def count_release(view: View, catalogue: str, name: str, version: str) -> Row | None:
        read.append(version)
        return get_release(view, catalogue, name, version)

    monkeypatch.setattr(contents, "held_row", count_held)
    monkeypatch.setattr(contents, "get_release", count_release)
    for reference in (str(image.config), str(image.manifest), f"web@{image.config}", f"ipfs://{image.archive}"):
        found = ann.resolve(reference)
        assert (found.image, found.catalogue.alias) == (image, "carol")
    assert len(read) <= 4 * 64
    assert ann.resolve(f"bob/aaa@{image.config}").image == false


DEEP = [(f"{number}/" + "a/" * 2000 + "x", "file", "") for number in range(40)]
LINKS = [("l", "symlink", "a/../" * 800 + "."), *((f"l/l/l/l/l/l/{number}/x", "file", "") for number in range(3000))]


@pytest.mark.parametrize("paths", [DEEP, LINKS], ids=["directories", "links"])
def test_files_that_take_more_than_they_bring(
    mallory: Attacker, ann: Victim, monkeypatch: pytest.MonkeyPatch, paths: list[tuple[str, str, str]]
) -> None:
    """C20: an image of a few KiB implies gigabytes of directories, or hours of links; listing it ends with an error."""
    monkeypatch.setattr("catalog.rootfs.tree.MAX_IMPLIED_TEXT", 8 << 20)
    monkeypatch.setattr("catalog.rootfs.tree.MAX_LINK_STEPS", 1 << 18)
    image = mallory.store(make_image([BASE, tar_of(paths)]))
    assert image.size < 100_000
    mallory.publish(list_image("web", "1.0", image, AMD64))
    ann.subscribe(mallory, "bob")
    with ann.home() as home, ann.network(mallory) as network:
        pin(home, "bob/web@1.0", platform=AMD64, network=network)
        with pytest.raises(ArchiveError, match="cannot be listed"):
            open_image_files(home, image.archive, home.blocks)


def tar_of(paths: list[tuple[str, str, str]]) -> bytes:
    kinds = {"file": tarfile.REGTYPE, "symlink": tarfile.SYMTYPE}
    with io.BytesIO() as file:
        with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
            for path, kind, target in paths:
                member = tarfile.TarInfo(path)
                member.type, member.linkname = kinds[kind], target
                tar.addfile(member)
        return file.getvalue()


def test_a_path_that_no_engine_unpacks_ends_the_listing(mallory: Attacker, ann: Victim) -> None:
    image = mallory.store(make_image([BASE, tar_of([("a", "file", ""), ("b/" * 3000, "file", ""), ("c", "file", "")])]))
    mallory.publish(list_image("web", "1.0", image, AMD64))
    ann.subscribe(mallory, "bob")
    with ann.home() as home, ann.network(mallory) as network:
        pin(home, "bob/web@1.0", platform=AMD64, network=network)
        files = open_image_files(home, image.archive, home.blocks)
        assert files.problems == ("layer 2: a path has 6000 bytes",)
        assert files.tree.get("a") is not None
        assert files.tree.get("c") is None


def test_reasons_do_not_fill_the_history(mallory: Attacker, ann: Victim) -> None:
    """A19: a catalogue may write another one with every snapshot, and 50,000 changes are kept."""
    mallory.publish(*(make_release("web", str(number)) for number in range(20)))
    ann.subscribe(mallory, "bob")
    mallory.publish(*(make_release("web", str(number), yanked="x" * 4000) for number in range(20)))
    ann.sync(mallory)
    with ann.home() as home, home.index.read() as connection:
        assert connection.exec_driver_sql("SELECT max(length(detail)) FROM history").scalar_one() <= 400
    assert ann.resolve("bob/web@3").release.yanked == "x" * 4000
