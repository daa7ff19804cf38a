"""The home behind the pages is opened once for each of its states; opening it still finishes and makes again what is missing."""

from pathlib import Path

import pytest

from catalog.home.home import open_home
from catalog.server.pages.opening import OpenedHome
from tests.factory.releases import publish_fake
from tests.factory.times import NOW


def test_the_index_is_opened_once_for_each_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[object] = []
    with open_home(tmp_path, now=NOW) as home:
        publish_fake(home, "web", "1.0")

        def finish(journal: object, *, required: bool) -> bool:
            looks.append((journal, required))
            return True

        monkeypatch.setattr("catalog.home.journal.Journal.finish", finish)
        opened = OpenedHome(home)
        found = []
        for state in ("first", "first", "second"):
            with opened.read(state, NOW) as (at, _):
                found.append(at.index)
    assert found[0] is found[1] is not found[2]
    assert len(looks) == 2


def test_a_lost_index_is_made_again(tmp_path: Path) -> None:
    with open_home(tmp_path, now=NOW) as home:
        publish_fake(home, "web", "1.0")
        opened = OpenedHome(home)
        with opened.read("whole", NOW) as (_, view):
            (own,) = view.catalogues()
        for path in tmp_path.glob("index.sqlite*"):
            path.unlink()
        with opened.read("lost", NOW) as (_, view):
            assert view.versions(own.catalogue, "web") == ["1.0"]
