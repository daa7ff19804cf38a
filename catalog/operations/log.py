"""``dcat log``: the history of changes."""

from dataclasses import dataclass

from sqlalchemy import Connection

from catalog.errors import ReleaseNotFoundError
from catalog.home.home import Home
from catalog.index.entry import may_mean, qualify
from catalog.index.history import Change, list_changes
from catalog.index.releases import get_release, list_releases
from catalog.index.subscriptions import CatalogueRow, list_catalogues
from catalog.model.reference import parse_reference
from catalog.trust.ownership import rewrite_alias


@dataclass(frozen=True, slots=True)
class LoggedChange:
    """A change; ``catalogue`` is None where it is no longer shown here."""

    change: Change
    catalogue: CatalogueRow | None

    @property
    def reference(self) -> str:
        """The reference of what changed, from this home; empty where the catalogue as a whole changed."""
        text = f"{self.change.name}@{self.change.version}" if self.change.version else self.change.name
        return qualify(self.catalogue, text) if self.catalogue is not None and text else text


def log(home: Home, reference: str = "", *, limit: int = 100) -> tuple[LoggedChange, ...]:
    """Return the changes, newest first: all of them, or those of a name or of one release, in every catalogue that has it.

    Many changes that came at once are one entry, which is among those of every release that the catalogue has. Raise
    `ReleaseNotFoundError` where nothing of that name ever changed.
    """
    if "/" in reference:
        with home.trust.read() as connection:
            reference = rewrite_alias(connection, reference)
    with home.index.read() as connection:
        rows = list_catalogues(connection)
        by_key = {row.catalogue: row for row in rows}
        if not reference:
            changes = list_changes(connection, limit=limit)
        else:
            wanted = parse_reference(reference)
            changes = []
            for row, name in may_mean(rows, wanted.name) if wanted.name else ():
                changes += list_changes(connection, catalogue=row.catalogue, name=name, version=wanted.version or None, limit=limit)
                if _has(connection, row.catalogue, name, wanted.version):
                    changes += list_changes(connection, catalogue=row.catalogue, kind="synced", limit=limit)
            if not changes:
                raise ReleaseNotFoundError(f'nothing of "{reference}" ever changed here', why="no catalogue has or had it")
            changes = sorted(changes, key=lambda change: change.change_id, reverse=True)[:limit]
        return tuple(LoggedChange(change, by_key.get(change.catalogue)) for change in changes)


def _has(connection: Connection, catalogue: str, name: str, version: str) -> bool:
    if not version:
        return bool(list_releases(connection, catalogue, name, limit=1))
    try:
        return bool(get_release(connection, catalogue, name, version))
    except ReleaseNotFoundError:
        return False
