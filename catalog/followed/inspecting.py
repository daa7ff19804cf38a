"""What each configured source answers, for ``doctor``: it is asked for a record, as a sync would ask it."""

from collections import defaultdict
from dataclasses import dataclass

from catalog.home.home import Home
from catalog.ipns.name import IpnsName, parse_ipns_name
from catalog.sources.http_records import HttpRouting
from catalog.sources.network import Network
from catalog.sources.records import Answer, ask_routings
from catalog.trust.ownership import list_subscriptions


@dataclass(frozen=True, slots=True)
class SourceReport:
    """The answer of a source, and the catalogue that it was asked for; both are None where there is no catalogue to ask for."""

    source: str
    name: IpnsName | None = None
    answer: Answer | None = None


def inspect_sources(home: Home, network: Network) -> list[SourceReport]:
    """Ask each HTTP source for one record, all at once, and return what each answered.

    A source that was named for a catalogue is asked for that one only (docs/safety.md, A22), another one for the own catalogue,
    else for the first that is followed.
    """
    with home.trust.read() as connection:
        followed = [entry.catalogue for entry in list_subscriptions(connection)]
    own = home.own_catalogue()
    usual = own if own is not None else next(iter(followed), "")
    asked: defaultdict[str, list[HttpRouting]] = defaultdict(list)
    for routing in network.routings:
        if isinstance(routing, HttpRouting):
            asked[network.tied.get(routing.name, usual)].append(routing)
    reports = [SourceReport(routing.name) for routing in asked.pop("", [])]
    for text, routings in asked.items():
        name = parse_ipns_name(text)
        budget = network.timeouts.budget
        answers = ask_routings(routings, name, home.now, budget=budget, grace=budget)
        reports += [SourceReport(answer.source, name, answer) for answer in answers]
    return reports
