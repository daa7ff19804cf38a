"""The own catalogue's next snapshot, where that of the last one is not whole here any more."""

from dataclasses import replace
from pathlib import Path

from catalog.index.subscriptions import get_catalogue, show_catalogue
from catalog.own.snapshots import dag_sizes, write_own_snapshot
from catalog.snapshot.reader import open_snapshot, read_head
from catalog.snapshot.writer import write_snapshot
from tests.factory.releases import publish_fake
from tests.fakes.homes import open_at, share


def test_keys_of_newer_formats_stay_when_a_snapshot_is_written_whole(tmp_path: Path) -> None:
    with open_at(tmp_path / "home") as home:
        release = publish_fake(home, "web", "1.0")
        share(home)
        catalogue = home.own_catalogue() or ""
        sizes = dag_sizes(home.blocks)
        last = write_snapshot(
            [release],
            title="",
            published=home.time,
            previous=None,
            dag_size=sizes,
            put=lambda block: home.blocks.put_many([block]),
            extra={"of-tomorrow": [1]},
        ).root
        with home.index.write() as connection:
            show_catalogue(connection, replace(get_catalogue(connection, catalogue), root=str(last)))
        changed = publish_fake(home, "web", "1.1")

        edited = write_own_snapshot(home, catalogue, last, [changed], home.blocks)
        home.blocks.delete([open_snapshot(last, home.blocks).images.cid])
        whole = write_own_snapshot(home, catalogue, last, [changed], home.blocks)
        assert whole == edited
        assert read_head(whole.root, home.blocks).extra == {"of-tomorrow": [1]}
