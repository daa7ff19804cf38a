"""``dcat sync``: bring followed catalogues up to date, and share what is pending of the own one."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from catalog.errors import CatalogueNotFoundError, DcatError
from catalog.followed.mirroring import Mirrored, mirror_catalogue
from catalog.followed.updating import Update, update_followed
from catalog.home.home import Home
from catalog.model.reference import nearest
from catalog.own.share import Shared, share_own
from catalog.own.signing import offer_accepted
from catalog.progress import Progress, silent
from catalog.sources.network import Network
from catalog.trust.ownership import Subscription, list_subscriptions


@dataclass(frozen=True, slots=True)
class Synced:
    """What a sync did: an update for each catalogue, in the order of subscription, and the state of the own one.

    ``shared`` is None without an own catalogue, or where ``share_error`` says why it could not be shared; ``mirrored`` is empty
    unless it was asked for.
    """

    updates: tuple[Update, ...]
    shared: Shared | None
    share_error: DcatError | None = None
    mirrored: tuple[Mirrored, ...] = ()

    @property
    def first_error(self) -> DcatError | None:
        """The failure that a command ends with: that of the first catalogue, where two values for one sequence count as one."""
        for update in self.updates:
            if update.error is not None:
                return update.error
            if update.equivocations:
                return update.equivocations[0]
        return self.share_error


def sync(
    home: Home,
    network: Network,
    aliases: Sequence[str] = (),
    *,
    mirror: bool = False,
    deltas: bool = True,
    progress: Progress = silent,
) -> Synced:
    """Refresh the catalogues of ``aliases``, or all that are followed; with ``mirror``, fetch every image of them too.

    Pending own releases get a delta each, unless ``deltas`` is false. A failure of one catalogue is in its update, and the others
    continue. Raise `CatalogueNotFoundError` for an unknown alias.
    """
    with home.trust.read() as connection:
        subscriptions = _choose(connection, aliases)
    offer_accepted(home)
    updates = update_followed(home, network, subscriptions, progress=progress)
    mirrored = []
    if mirror:
        for update in updates:
            mirrored.append(mirror_catalogue(home, network, update.catalogue, update.alias, progress=progress))
    shared, share_error = None, None
    if not aliases:
        try:
            shared = share_own(home, network, deltas=deltas, progress=progress)
        except DcatError as error:
            share_error = error
    return Synced(tuple(updates), shared, share_error, tuple(mirrored))


def _choose(connection: Connection, aliases: Sequence[str]) -> list[Subscription]:
    followed = list_subscriptions(connection)
    if not aliases:
        return followed
    chosen = []
    for alias in dict.fromkeys(aliases):
        found = [entry for entry in followed if alias in (entry.alias, entry.catalogue, *entry.others)]
        if not found:
            known = [entry.alias for entry in followed]
            raise CatalogueNotFoundError(
                f'no catalogue "{alias}" is followed here',
                why=f"followed are {', '.join(known)}" if known else "no catalogue is followed here",
                nearest=nearest(alias, known),
            )
        chosen += found
    return chosen
