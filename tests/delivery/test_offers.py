"""Which deltas are considered for an image: those of the catalogue that it is wanted from."""

from dataclasses import replace
from pathlib import Path

from catalog.index.releases import get_release
from catalog.ipld.cid import cid_of
from catalog.ipns.name import parse_ipns_name
from catalog.model.release import DeltaLink
from catalog.operations.pull import pull
from catalog.operations.subscribe import subscribe
from catalog.own.share import share_own
from catalog.progress import Step
from tests.delivery.versions import NOBODY, follower, open_at, publisher, warnings
from tests.factory.platforms import HOST
from tests.fakes.homes import network_of


def test_what_another_catalogue_states_of_the_same_archive_does_not_count(tmp_path: Path) -> None:
    publisher(tmp_path / "team", ("1.0", "1.1"))
    publisher(tmp_path / "other", ("1.0", "1.1"), deltas=False)
    with open_at(tmp_path / "team") as team, open_at(tmp_path / "other") as other, follower(tmp_path / "home", team) as home:
        name = other.own_catalogue()
        assert name is not None
        with other.index.read() as connection:
            base, release = (get_release(connection, name, "web", version) for version in ("1.0", "1.1"))
        other.blocks.put(cid_of(b"?"), b"?")
        lie = {base.images[HOST].archive: DeltaLink(cid_of(b"?"), 1)}
        other.put_own([replace(release, images={HOST: replace(release.images[HOST], deltas=lie)})], [])
        assert share_own(other, NOBODY, deltas=False) is not None
        network = network_of(team, other)
        subscribe(home, network, parse_ipns_name(name), "other")

        steps: list[Step] = []
        planned = pull(
            home, "team/web@1.1", platform=HOST, engine=None, network=network, dry_run=True, progress=steps.append
        ).planned
        assert planned is not None
        assert planned.size > 1
        done = pull(home, "team/web@1.1", platform=HOST, engine=None, network=network, progress=steps.append).fetched
        assert done is not None
        assert done.delta is not None
        assert done.delta.complete
        assert warnings(steps) == []
