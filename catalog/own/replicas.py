"""The pin of a catalogue in an IPFS Cluster: how it is asked for, and how long a share waits for it.

The catalogue has one pin. Where the peers that keep the last snapshot are enough, they are told to move (``pin-update``), and then
walk only what differs; that ignores the wanted numbers and copies the last allocation, dead peers included, so otherwise the
snapshot is allocated anew, with the near peer among the allocations: else the cluster would unpin it from this node.
"""

from time import monotonic, sleep
from typing import Final

from catalog.clients.cluster import ClusterClient
from catalog.clients.cluster_reply import Allocation, Replicas
from catalog.errors import SourceTimeoutError
from catalog.ipld.cid import Cid
from catalog.progress import Progress, Step
from catalog.sources.network import ReplicaRule

_FIRST_PAUSE: Final = 0.05
_LONGEST_PAUSE: Final = 1.0
_REMINDER: Final = 10.0  # seconds until a pin is told again that a peer does not know of: it may have been down when it was told
_RECOVERY: Final = 3.0  # seconds for which failures are not believed after peers were told to try again


class ClusterPin:
    """The pin of a catalogue in a cluster. ``batching`` says whether the cluster showed a pin only after a while."""

    def __init__(self, cluster: ClusterClient, near: str, name: str, rule: ReplicaRule, progress: Progress) -> None:
        self._cluster = cluster
        self._near = near
        self._name = name
        self._rule = rule
        self._progress = progress
        self.batching: bool | None = None

    def ensure(self, cid: Cid, last: Cid | None) -> Replicas:
        """Have the cluster keep ``cid``, and wait until enough nodes do; return what was found in the end.

        ``last`` is what it kept before. Raise `ClusterRefusalError` where the cluster refuses the pin.
        """
        allocation = self._cluster.allocation(cid)
        if allocation is None:
            self._pin(cid, last)
            self.batching = self._cluster.allocation(cid) is None
            return self._wait(cid)
        found = self.ask(cid)
        wanted = self._is_as_wanted(allocation)
        if wanted and found.pinned >= self._rule.least:
            return found
        if found.is_settled or not wanted:  # nobody is at work on it: some failed, or never heard of it
            self._pin(cid, None)
        return self._wait(cid)

    def _pin(self, cid: Cid, last: Cid | None) -> None:
        if last is not None and last != cid and self._can_move(last):
            self._cluster.move_pin(last, cid, self._name)
        else:
            self._cluster.pin(cid, self._name, least=self._rule.least, most=self._rule.most, near=self._near)

    def _can_move(self, last: Cid) -> bool:
        """Return whether the peers that keep ``last`` are as many as wanted, all at work, and the near one is among them."""
        allocation = self._cluster.allocation(last)
        if allocation is None or not self._is_as_wanted(allocation):
            return False
        found = self.ask(last)
        return found.pinned >= min(self._rule.most, max(self._rule.least, len(allocation.peers))) and found.keeps(self._near)

    def _is_as_wanted(self, allocation: Allocation) -> bool:
        wanted = (allocation.least, allocation.most) == (self._rule.least, self._rule.most)
        return wanted and self._near in allocation.peers

    def _wait(self, cid: Cid) -> Replicas:
        """Ask until enough nodes keep it, or nobody is at work on it any more, or time is up."""
        end = monotonic() + self._cluster.timeouts.replicas
        pause, believed, seen = _FIRST_PAUSE, 0.0, -1
        reminder = monotonic() + _REMINDER
        while True:
            found = self.ask(cid)
            if found.pinned != seen:
                seen = found.pinned
                self._progress(Step("phase", f"Waiting for replicas in the cluster: {seen} of {self._rule.least}"))
            now = monotonic()
            if found.pinned >= self._rule.least or now >= end:
                return found
            if found.failures and found.is_settled:
                if not believed:
                    self._cluster.recover(cid)
                    believed = now + _RECOVERY
                elif now > believed:
                    return found
            elif found.is_settled and now > reminder:
                self._pin(cid, None)
                reminder = now + _REMINDER
            sleep(min(pause, max(0.0, end - now)))
            pause = min(pause * 1.5, _LONGEST_PAUSE)

    def ask(self, cid: Cid) -> Replicas:
        """Return what the peers say; where they keep the near one waiting, what that says of itself."""
        try:
            return self._cluster.replicas(cid)
        except SourceTimeoutError:
            return self._cluster.replicas(cid, local=True)
