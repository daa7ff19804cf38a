"""Publishing in a home and reading its index, for the tests of this room."""

from catalog.home.home import Home
from catalog.index.history import Change
from catalog.index.releases import list_names
from catalog.model.release import Release


def publish(home: Home, *releases: Release) -> None:
    own, _ = home.create_own_catalogue()
    home.put_own(releases, [Change(own, home.time, "published", release.name, release.version) for release in releases])


def shown(home: Home) -> list[str]:
    with home.index.read() as connection:
        return [f"{entry.name}@{entry.newest}" for entry in list_names(connection)]
