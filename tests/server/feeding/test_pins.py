"""`serve --fetch`: what was fetched stays, until all of it takes too much."""

import json
import time
from pathlib import Path

import pytest

from catalog.blockstores.holding import is_whole
from catalog.trust.store import list_pins
from tests.server.feeding.world import WorldMaker, publish_for_two


def test_the_oldest_is_let_go_of_where_all_that_was_fetched_takes_too_much(
    make_world: WorldMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only of what came so: what the user pulled stays."""
    monkeypatch.setattr("catalog.server.feeding.pins.MAX_FETCHED_SIZE", 1)
    world = make_world(tmp_path, deltas=False)
    publish_for_two(world)

    def fetch(name: str, version: str) -> None:
        world.log.clear()
        manifest = json.loads(served.ask(f"/v2/team/{name}/manifests/{version}").body)
        for layer in manifest["layers"]:
            assert served.ask(f"/v2/team/{name}/blobs/{layer['digest']}").status == 200
        world.wait_for_log()

    with world.serving() as served:
        fetch("web", "1.1")
        older = served.image("team/web@1.1").archive
        assert is_whole(older, served.home.blocks)
        index = json.loads(served.ask("/v2/team/app/manifests/1.0").body)
        fetch("app", index["manifests"][0]["digest"])
        deadline = time.monotonic() + 60
        while is_whole(older, served.home.blocks) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not is_whole(older, served.home.blocks)
        assert is_whole(served.image("team/web@1.0").archive, served.home.blocks)
        with served.home.trust.read() as connection:
            assert {(pin.name, pin.reason) for pin in list_pins(connection)} == {("web", "pulled"), ("app", "fetched")}
