"""``dcat recover``: merge what the own key signed elsewhere: after a restored backup, or in a new home."""

from catalog.home.home import Home
from catalog.own.share import Shared, recover_own
from catalog.progress import Progress, silent
from catalog.sources.network import Network


def recover(home: Home, network: Network, *, progress: Progress = silent) -> Shared:
    """Merge every record of the own name that any source has and this home did not sign, and sign above them.

    Raise `UnavailableError` where no source answered, `RollbackError` where the key was revoked.
    """
    return recover_own(home, network, progress=progress)
