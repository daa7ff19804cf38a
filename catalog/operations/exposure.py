"""What a server of this home shows to others."""

from dataclasses import dataclass

from catalog.home.home import Home
from catalog.index.subscriptions import count_releases, list_catalogues
from catalog.model.text import format_count
from catalog.trust.store import list_pins


@dataclass(frozen=True, slots=True)
class Exposed:
    """The numbers of what becomes visible. ``followed`` are the labels of the catalogues that this home follows."""

    names: int
    releases: int
    followed: tuple[str, ...]
    pinned: int

    @property
    def lines(self) -> list[str]:
        """A line for each, for users."""
        lines = [
            f"your catalogue: {format_count(self.releases, 'release')} of {format_count(self.names, 'name')}, with their images"
        ]
        if self.followed:
            lines.append(f"that you follow {', '.join(self.followed)}, and their newest snapshots")
        if self.pinned:
            lines.append(f"{format_count(self.pinned, 'image')} that you pulled or pinned")
        return lines


def list_exposed(home: Home) -> Exposed:
    """Count what a server of this home would show."""
    names = releases = 0
    followed: list[str] = []
    with home.index.read() as connection:
        for row in list_catalogues(connection):
            if row.own:
                names, releases = count_releases(connection, row.catalogue)
            else:
                followed.append(row.label)
    with home.trust.read() as connection:
        pinned = len(list_pins(connection))
    return Exposed(names, releases, tuple(followed), pinned)
