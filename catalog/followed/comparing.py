"""Comparing a snapshot with the contents that its releases were seen with. Only reads."""

from collections.abc import Iterable

from sqlalchemy import Connection

from catalog.errors import ReleaseNotFoundError
from catalog.home.home import Home
from catalog.index.releases import get_release
from catalog.ipns.record import Record
from catalog.limits import MAX_OPEN_CONFLICTS
from catalog.model.release import Release
from catalog.snapshot.difference import ReleaseDifference
from catalog.trust.comparison import Comparison, FindHeld, compare_contents
from catalog.trust.contents import has_contents


def compare_differences(home: Home, record: Record, differences: list[ReleaseDifference]) -> Comparison:
    """Compare the releases that a snapshot changed, as `compare_whole` compares all of a catalogue."""
    after = (difference.after for difference in differences if difference.after is not None)
    catalogue = str(record.name)
    with home.trust.read() as connection, home.index.read() as index:
        held = _held(index, catalogue)
        gone = gone_keys(differences)
        return compare_contents(connection, catalogue, after, home.time, held=held, gone=gone, most=MAX_OPEN_CONFLICTS)


def compare_whole(home: Home, record: Record, releases: Iterable[Release], *, settled: bool = False) -> Comparison:
    """Compare all releases of a catalogue; new contents are not kept in memory: `see_contents` takes them from the index.

    With ``settled``, contents that only a suspicious snapshot has shown do not count: the record is a proper one.
    """
    catalogue = str(record.name)
    with home.trust.read() as connection:
        if not has_contents(connection, catalogue):
            return Comparison(catalogue)
        with home.index.read() as index:
            held = _held(index, catalogue)
            found = compare_contents(
                connection,
                catalogue,
                releases,
                home.time,
                held=held,
                whole=True,
                settled=settled,
                most=MAX_OPEN_CONFLICTS,
            )
    return found


def gone_keys(differences: list[ReleaseDifference]) -> list[tuple[str, str]]:
    """Return name and version of each release that a snapshot has no longer."""
    return [
        (difference.before.name, difference.before.version)
        for difference in differences
        if difference.after is None and difference.before is not None
    ]


def _held(index: Connection, catalogue: str) -> FindHeld:
    def find(name: str, version: str) -> Release | None:
        try:
            return get_release(index, catalogue, name, version)
        except ReleaseNotFoundError:
            return None

    return find
