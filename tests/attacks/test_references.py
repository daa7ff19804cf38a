"""A18, A8, C17: references whose meaning a publisher tries to change."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import cast

import pytest

from catalog.clients.docker import Engine
from catalog.errors import AmbiguousReferenceError, ReleaseNotFoundError
from catalog.operations.list import list_names, list_releases
from catalog.operations.log import log
from catalog.operations.pull import pull
from tests.attacks.publisher import Attacker, list_image
from tests.attacks.victim import Victim
from tests.factory.images import BASE, make_image
from tests.factory.platforms import AMD64, ARM64
from tests.factory.releases import listed_image, make_release, publish_fake


@pytest.mark.parametrize(("first", "second"), [("web", "bob/web"), ("bob/web", "web")])
def test_a_reference_behind_an_alias_does_not_move_when_its_name_is_dropped(
    mallory: Attacker, ann: Victim, first: str, second: str
) -> None:
    """A18: ``bob/web@1.0`` means the name it meant first; also when that is gone, and with both there."""
    release = make_release(first, "1.0", "meant")
    mallory.publish(release)
    ann.subscribe(mallory, "bob")
    assert ann.resolve("bob/web@1.0").release == release
    mallory.publish(make_release(second, "1.0", "evil"))
    ann.sync(mallory)
    assert ann.resolve("bob/web@1.0").release == release
    mallory.publish(gone=[(first, "1.0")])
    ann.sync(mallory)
    with pytest.raises(ReleaseNotFoundError):
        ann.resolve("bob/web@1.0")
    mallory.publish(release)
    ann.sync(mallory)
    assert ann.resolve("bob/web@1.0").release == release


def test_two_names_that_came_together_stay_unclear(mallory: Attacker, ann: Victim) -> None:
    mallory.publish(make_release("web", "1.0"), make_release("bob/web", "1.0"))
    ann.subscribe(mallory, "bob")
    mallory.publish(gone=[("web", "1.0")])
    ann.sync(mallory)
    with pytest.raises(AmbiguousReferenceError):
        ann.resolve("bob/web@1.0")
    assert ann.resolve("bob/bob/web@1.0")


def test_mine_means_the_own_catalogue(mallory: Attacker, ann: Victim) -> None:
    """Nobody's name begins with ``mine/``."""
    mallory.publish(make_release("mine/web", "1.0", "evil"), make_release("web", "1.0", "bob's"))
    ann.subscribe(mallory, "bob")
    with pytest.raises(ReleaseNotFoundError):
        ann.resolve("mine/web@1.0")
    assert ann.resolve("bob/mine/web@1.0").catalogue.alias == "bob"
    with ann.home() as home:
        publish_fake(home, "app", "1.0")
        assert ann.resolve("mine/app@1.0").catalogue.own
        with pytest.raises(AmbiguousReferenceError):
            publish_fake(home, "mine/tool", "1.0")


class Tags:
    """An engine of which only the tags matter."""

    def __init__(self) -> None:
        self.tags: list[str] = []

    def tag_owner(self, name: str, version: str) -> None:
        """No tag is there yet."""

    def info(self) -> SimpleNamespace:
        return SimpleNamespace(store="classic")

    def spare_layers(self, *_: object) -> frozenset[object]:
        return frozenset()

    def load(self, tar: Iterable[bytes], size: int, progress: object) -> int:
        return sum(map(len, tar))

    def check_loaded(self, loaded: object, config: object, *_: object) -> SimpleNamespace:
        return SimpleNamespace(id=str(config))

    def tag(self, image_id: str, name: str, version: str) -> None:
        self.tags.append(f"{name}:{version}")


def test_a_stranger_names_no_tag(mallory: Attacker, ann: Victim) -> None:
    """C17: what is pulled by its CID or digest alone gets the alias of its catalogue in front of the name."""
    image = mallory.store(make_image([BASE]))
    mallory.publish(list_image("postgres", "16", image, AMD64))
    ann.subscribe(mallory, "bob")
    for typed, tag in (
        (str(image.archive), "bob/postgres:16"),
        (f"ipfs://{image.archive}", "bob/postgres:16"),
        (str(image.config), "bob/postgres:16"),
        ("postgres@16", "postgres:16"),
        ("bob/postgres@16", "bob/postgres:16"),
    ):
        engine = Tags()
        with ann.home() as home, ann.network(mallory) as network:
            assert pull(home, typed, platform=AMD64, engine=cast(Engine, engine), network=network).tag == tag
        assert engine.tags == [tag]


def test_an_old_image_does_not_age_a_new_one(mallory: Attacker, ann: Victim) -> None:
    """--min-age counts from when the image for the platform was seen, not its version."""
    old = {ARM64: listed_image("old arm")}
    mallory.publish(make_release("web", "1.0"), make_release("web", "2.0", images=old))
    ann.subscribe(mallory, "bob")
    ann.wait(timedelta(days=5))
    mallory.publish(make_release("web", "2.0", images={**old, AMD64: listed_image("fresh amd64")}))
    ann.sync(mallory)
    three = timedelta(days=3)
    assert ann.resolve("web", latest=True).release.version == "2.0"
    assert ann.resolve("web", latest=True, min_age=three).release.version == "1.0"
    assert ann.resolve("web", latest=True, min_age=three, platform=ARM64).release.version == "2.0"
    assert ann.resolve("web@2.0").first_seen != ann.resolve("web@2.0", platform=ARM64).first_seen
    ann.wait(three)
    assert ann.resolve("web", latest=True, min_age=three).release.version == "2.0"


def test_another_format_does_not_inherit_the_age_of_an_image(mallory: Attacker, ann: Victim) -> None:
    """Nothing here can hold the archive of another format against the config, so it is as new as it is."""
    image = listed_image("app")
    mallory.publish(list_image("web", "1.0", image, AMD64))
    ann.subscribe(mallory, "bob")
    ann.wait(timedelta(days=5))
    moved = replace(image, format="dcat-image/9", archive=listed_image("evil").archive)
    mallory.publish(list_image("web", "1.0", moved, AMD64))
    ann.sync(mallory)
    with pytest.raises(ReleaseNotFoundError, match="no version to choose"):
        ann.resolve("web", latest=True, min_age=timedelta(days=3))
    assert ann.resolve("web", latest=True).image == moved
    mallory.publish(list_image("web", "1.0", image, AMD64))
    ann.sync(mallory)
    assert ann.resolve("web", latest=True, min_age=timedelta(days=3)).image == image


def test_the_history_of_many_changes_is_not_denied(mallory: Attacker, ann: Victim) -> None:
    """Beyond 1,000 changes of a sync, the count stands for each of them."""
    mallory.publish(make_release("web", "1.0"))
    ann.subscribe(mallory, "bob")
    mallory.publish(*(make_release("app", str(number)) for number in range(1100)))
    ann.sync(mallory)
    with ann.home() as home:
        for reference in ("bob/app@5", "bob/app", "app@7"):
            kinds = {entry.change.kind for entry in log(home, reference)}
            assert kinds == {"synced"}
        with pytest.raises(ReleaseNotFoundError):
            log(home, "bob/other")


def test_a_second_alias_keeps_the_first(mallory: Attacker, carol: Attacker, ann: Victim) -> None:
    mallory.publish(make_release("web", "1.0", "bob's"))
    carol.publish(make_release("web", "1.0", "carol's"))
    ann.subscribe(mallory, "bob")
    done = ann.subscribe(mallory, "robert")
    assert (done.first, done.subscription.alias, done.subscription.others) == (False, "robert", ("bob",))
    assert ann.resolve("bob/web@1.0").release == ann.resolve("robert/web@1.0").release
    with pytest.raises(AmbiguousReferenceError):
        ann.subscribe(carol, "bob")
    with ann.home() as home:
        for alias in ("bob", "robert"):
            assert [listed.release.version for listed in list_releases(home, [f"{alias}/web"])] == ["1.0"]
            assert len(list_names(home, catalogue=alias)) == 1
            assert {entry.change.catalogue for entry in log(home, f"{alias}/web")} == {str(mallory.name)}
    assert ann.sync_all(mallory, aliases=["bob"]).updates[0].state == "unchanged"
    ann.unsubscribe("bob")
    with pytest.raises(ReleaseNotFoundError):
        ann.resolve("robert/web@1.0")
