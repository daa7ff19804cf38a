"""How many releases of the own catalogue changed since it was last put into a Kubo node or a cluster."""

from itertools import islice

from catalog.errors import UnavailableError, VerificationError
from catalog.home.home import Home
from catalog.index.catalogue import CatalogueRow
from catalog.ipld.cid import parse_cid
from catalog.limits import MAX_LISTED_CHANGES
from catalog.own.nodes import kubo_state
from catalog.snapshot.difference import diff_snapshots
from catalog.snapshot.reader import open_snapshot


def find_unshared(home: Home, row: CatalogueRow, place: str, releases: int) -> int:
    """Return how many releases a place, by its key, does not have as the signed catalogue has them; nobody is asked.

    At least one where the place has another snapshot, or an older record of this one. All ``releases`` where it has none, or where
    the snapshot that it has is not here any more.
    """
    state = kubo_state(home, place)
    if row.root is None or row.sequence is None:
        return 0
    if state.root == row.root:
        return int(state.sequence < row.sequence)
    if not state.root:
        return max(1, releases)
    try:
        before, after = (open_snapshot(parse_cid(root), home.blocks) for root in (state.root, row.root))
        return max(1, sum(1 for _ in islice(diff_snapshots(before, after), MAX_LISTED_CHANGES)))
    except (UnavailableError, VerificationError):
        return max(1, releases)
