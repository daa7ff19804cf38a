"""What the trust store notes when releases of the own catalogue change, in one transaction."""

from collections.abc import Sequence

from sqlalchemy import Connection

from catalog.model.release import Release
from catalog.trust.comparison import check_own_content
from catalog.trust.ownership import check_own_name, claim_names
from catalog.trust.store import note_unshared


def note_own_releases(connection: Connection, catalogue: str, releases: Sequence[Release], at: str) -> None:
    """Note new and changed releases of the own catalogue: contents, names, and that they are not shared yet.

    Raise `ReleaseConflictError` for content other than was published, `AmbiguousReferenceError` for a name that belongs to another
    catalogue here.
    """
    names = sorted({release.name for release in releases})
    for name in names:
        check_own_name(connection, name)
    for release in releases:
        check_own_content(connection, catalogue, release, at)
    claim_names(connection, catalogue, names)
    note_unshared(connection, releases)
