from datetime import timedelta
from pathlib import Path

from catalog.operations.outdated import outdated
from catalog.operations.subscribe import subscribe
from catalog.operations.sync import sync
from catalog.trust.store import Pin, put_pin
from tests.factory.releases import publish_fake
from tests.fakes.homes import network_of, open_at, share


def test_newer_versions_of_what_is_here(tmp_path: Path) -> None:
    with open_at(tmp_path / "bob") as bob:
        first = publish_fake(bob, "web", "1.9")
        publish_fake(bob, "api", "1")
        share(bob)
        name = bob.read_key().name
        with open_at(tmp_path / "ann") as ann:
            subscribe(ann, network_of(bob), name, "bob")
            (image,) = first.images.values()
            with ann.trust.write() as connection:
                put_pin(connection, Pin(str(image.archive), str(name), "web", "1.9", "linux/amd64", "pulled", ann.time))
            assert outdated(ann).outdated == ()
            assert outdated(ann).names == 1
        with open_at(tmp_path / "bob", days=1) as later_bob, open_at(tmp_path / "ann", days=1) as later:
            publish_fake(later_bob, "web", "1.10")
            publish_fake(later_bob, "api", "2")
            share(later_bob)
            sync(later, network_of(later_bob))
            (entry,) = outdated(later).outdated
            assert (entry.reference, entry.newest, entry.places) == ("web@1.9", "web@1.10", ("here",))
            assert [e.reference for e in outdated(later, engine_tags=["bob/api:1", "unknown:3", "web:1.9"]).outdated] == [
                "bob/api@1",
                "web@1.9",
            ]
            assert outdated(later, ["api"]).outdated == ()
            assert outdated(later, min_age=timedelta(days=3)).outdated == ()
        with open_at(tmp_path / "ann", days=5) as waiting:
            assert len(outdated(waiting, min_age=timedelta(days=3)).outdated) == 1
        with open_at(tmp_path / "ann", days=40) as expired:
            found = outdated(expired)
            assert found.outdated == ()
            assert found.notices
            assert len(outdated(expired, allow_stale=True).outdated) == 1
