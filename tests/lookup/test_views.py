"""Views that stay open show the state of their transaction, and are opened again where the files changed."""

from pathlib import Path

import pytest

from catalog.errors import StorageError
from catalog.home.home import open_home
from catalog.lookup import views as room
from catalog.lookup.opening import Files, open_files
from catalog.lookup.views import Views
from tests.factory.releases import publish_fake
from tests.factory.times import NOW


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Files]:
    """The files that were opened by views so far."""
    files: list[Files] = []

    def note(home: Path) -> Files:
        files.append(open_files(home))
        return files[-1]

    monkeypatch.setattr(room, "open_files", note)
    return files


def test_files_are_opened_once_for_each_state(tmp_path: Path, opened: list[Files]) -> None:
    views = Views(tmp_path)
    with open_home(tmp_path, now=NOW) as home:
        publish_fake(home, "web", "1.0")
        own = home.own_catalogue()
        assert own is not None
        for _ in range(3):
            with views.open("first") as view:
                assert view.versions(own, "web") == ["1.0"]
        assert len(opened) == 1
        with views.open("first") as one, views.open("first") as other:  # side by side
            assert one.versions(own, "web") == other.versions(own, "web")
        assert len(opened) == 2
        publish_fake(home, "web", "1.1")
        with views.open("second") as view:
            assert view.versions(own, "web") == ["1.1", "1.0"]
        assert len(opened) == 3


def test_a_view_sees_what_was_written_since_the_last_one(tmp_path: Path) -> None:
    """Also where the state was not noticed to be another."""
    views = Views(tmp_path)
    with open_home(tmp_path, now=NOW) as home:
        publish_fake(home, "web", "1.0")
        own = home.own_catalogue()
        assert own is not None
        with views.open("same") as view:
            assert view.versions(own, "web") == ["1.0"]
            publish_fake(home, "web", "1.1")
            assert view.versions(own, "web") == ["1.0"]
        with views.open("same") as view:
            assert view.versions(own, "web") == ["1.1", "1.0"]


def test_files_are_not_kept_after_an_error(tmp_path: Path, opened: list[Files]) -> None:
    views = Views(tmp_path)
    with open_home(tmp_path, now=NOW) as home:
        publish_fake(home, "web", "1.0")
    with pytest.raises(StorageError), views.open("same"):
        raise StorageError("a disk that is gone")
    with views.open("same"):
        pass
    assert len(opened) == 2


def test_a_home_without_files_is_empty_until_it_has_some(tmp_path: Path) -> None:
    views = Views(tmp_path)
    with views.open("nothing") as view:
        assert view.catalogues() == []
    with open_home(tmp_path, now=NOW) as home:
        publish_fake(home, "web", "1.0")
    with views.open("something") as view:
        assert [row.label for row in view.catalogues()] == ["mine"]
