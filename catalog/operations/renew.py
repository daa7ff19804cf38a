"""Keep names alive: renew the own record in time, and offer those of followed catalogues on."""

from catalog.followed.offering import offer_record
from catalog.home.home import Home
from catalog.ipns.name import parse_ipns_name
from catalog.own.share import share_own
from catalog.sources.network import Network
from catalog.trust.ownership import list_subscriptions


def renew(home: Home, network: Network) -> list[str]:
    """Sign what is not signed yet or ends soon, and put it and the followed catalogues' records where that is due.

    Return the failures in words; the next call tries again. Raise what `share_own` raises, after everything else was done.
    """
    with home.trust.read() as connection:
        followed = list_subscriptions(connection)
    failures = [offer_record(home, network, parse_ipns_name(subscription.catalogue)) for subscription in followed]
    shared = share_own(home, network)
    if shared is not None:
        failures.append(shared.pending)
    return [failure for failure in failures if failure]
