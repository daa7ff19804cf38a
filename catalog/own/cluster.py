"""The own catalogue in an IPFS Cluster: its blocks go into the node of one peer, and the cluster keeps them in several nodes.

Blocks and records go through one real Kubo node, the pin through the cluster's REST API. A cluster's answer to a pin proves
nothing, so its peers are asked until the wanted number of nodes say that they pin the snapshot. Only then is that snapshot
remembered as shared, are archives deleted from the home (`catalog.own.moving`) and is the snapshot before unpinned. Until then both
are pinned, the node keeps a pin of its own, and everything stays here: nothing is lost whatever the cluster does. The next share
goes on.

The catalogue has one pin. Where the peers that keep the last snapshot are enough, they are told to move (``pin-update``), and then
walk only what differs; that ignores the wanted numbers and copies the last allocation, dead peers included, so otherwise the
snapshot is allocated anew, with the near peer among the allocations: else the cluster would unpin it from this node.
"""

from dataclasses import dataclass, replace
from time import monotonic, sleep
from typing import Final

from catalog.clients.cluster import Allocation, ClusterClient, ClusterRefusalError, Replicas
from catalog.errors import SourceTimeoutError, UnavailableError
from catalog.home.home import Home
from catalog.ipld.cid import Cid, parse_cid
from catalog.ipns.record import Record
from catalog.own.kubo import next_state, offer_record
from catalog.own.moving import explain_place, move_archives
from catalog.own.nodes import (
    KuboState,
    ReplicaState,
    kubo_state,
    pin_name,
    remember_replicas,
    remember_state,
    replica_state,
)
from catalog.own.places import Place
from catalog.own.upload import PinBeside, Uploaded, upload_snapshot
from catalog.progress import Progress, Step
from catalog.sources.network import ReplicaRule

_FIRST_PAUSE: Final = 0.05
_LONGEST_PAUSE: Final = 1.0
_REMINDER: Final = 10.0  # seconds until a pin is told again that a peer does not know of: it may have been down when it was told
_RECOVERY: Final = 3.0  # seconds for which failures are not believed after peers were told to try again


@dataclass(frozen=True, slots=True)
class ClusterShare:
    """The result of a share through a cluster: what it was given, with the releases that lost blocks, and the replicas of that.

    ``pending`` says why there are not enough replicas, empty where there are.
    """

    uploaded: Uploaded
    replicas: ReplicaState
    pending: str


def share_to_cluster(home: Home, place: Place, rule: ReplicaRule, record: Record, progress: Progress) -> ClusterShare:
    """Put the snapshot of ``record`` into the place's node, have its cluster keep it, and then put the record.

    Raises `UnavailableError` where the node or the cluster is down or refuses. What they accepted stays there, and the next call
    continues. Too few replicas are no error: the result says so.
    """
    with home.lock("kubo"):
        return _Share(home, place, rule, record, progress).run()


class _Share:
    def __init__(self, home: Home, place: Place, rule: ReplicaRule, record: Record, progress: Progress) -> None:
        assert place.cluster is not None
        self._home = home
        self._place = place
        self._rule = rule
        self._record = record
        self._progress = progress
        self._state = kubo_state(home, place.key)
        self._known = replica_state(home, place.key)
        self._pin = ClusterPin(place.cluster, place.near, pin_name(record.name), rule, progress)

    def run(self) -> ClusterShare:
        root = self._record.snapshot_cid
        done = Uploaded(root, "", ())
        whole = self._state.root == str(root) and not self._state.substitute
        if not whole or not self._place.node.is_pinned(root):
            self._progress(Step("phase", "Sharing the catalogue through the cluster's node"))
            done = self._upload()
        counted = self._count(done.top, self._last_root())
        enough = counted.pinned >= self._rule.least
        if enough:
            self._state = next_state(self._state, root, done.substitute)
            remember_state(self._home, self._place.key, self._state)
            if not done.substitute:
                move_archives(self._home, self._place, root)
                counted = self._release(done.top, counted)
        if enough or whole:  # it was shared before with enough replicas: its record is kept alive
            offer_record(self._home, self._place, self._record, self._state, self._progress)
        return ClusterShare(done, counted, "" if enough else explain_replicas(counted))

    def _upload(self) -> Uploaded:
        self._note_left(self._record.snapshot_cid)
        try:
            done = upload_snapshot(self._home, self._place, PinBeside(self._place.node), self._record, self._state)
        except UnavailableError as error:
            explain_place(self._home, self._place, error)
            raise
        self._note_left(done.top)
        return done

    def _last_root(self) -> Cid | None:
        """Return what the cluster kept last with enough replicas."""
        text = self._state.substitute or self._state.root
        return parse_cid(text) if text else None

    def _note_left(self, cid: Cid) -> None:
        """Remember a root before it is pinned, and the ones before it: all but the last are unpinned in the end."""
        last = self._last_root()
        left = dict.fromkeys([*self._known.left, *([str(last)] if last is not None else []), str(cid)])
        self._remember(replace(self._known, left=tuple(left)))

    def _count(self, top: Cid, last: Cid | None) -> ReplicaState:
        """Have the cluster pin, wait for the replicas, and remember how many there are."""
        try:
            found = self._pin.ensure(top, last)
            pinned, problem = found.pinned, "; ".join(found.failures)
        except ClusterRefusalError as error:  # too few peers: the node's own pin is what there is
            pinned, problem = max(self._pin.ask(top).pinned, int(self._place.node.is_pinned(top))), error.text
        except UnavailableError as error:
            self._remember(replace(self._known, problem=error.message))
            raise
        known = replace(
            self._known,
            root=str(top),
            pinned=pinned,
            least=self._rule.least,
            most=self._rule.most,
            checked=self._home.time,
            problem=problem if pinned < self._rule.least else "",
            batching=self._known.batching if self._pin.batching is None else self._pin.batching,
        )
        self._remember(known)
        return known

    def _release(self, top: Cid, counted: ReplicaState) -> ReplicaState:
        """Unpin what was kept before ``top``, in cluster and node; what cannot be unpinned now waits for the next share.

        Nothing is unpinned while blocks are lost: a peer that is down now may have the last copy.
        """
        assert self._place.cluster is not None
        alone = kubo_state(self._home, self._place.node.url)  # from before the cluster
        earlier = [text for text in (alone.root, alone.substitute) if text]
        kept = []
        for text in dict.fromkeys([*counted.left, *earlier]):
            if text == str(top):
                continue
            try:
                self._place.cluster.unpin(parse_cid(text))
                self._place.node.remove_pin(text)
            except UnavailableError:
                kept.append(text)
        if earlier:
            remember_state(self._home, self._place.node.url, KuboState())
        counted = replace(counted, left=tuple(kept))
        self._remember(counted)
        return counted

    def _remember(self, known: ReplicaState) -> None:
        self._known = known
        remember_replicas(self._home, self._place.key, known)


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

        ``last`` is what it kept before. Raises `ClusterRefusalError` where the cluster refuses the pin.
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


def explain_replicas(found: ReplicaState) -> str:
    """Return in words that there are too few replicas, and why."""
    return f"{found.pinned} of {found.least} replicas" + (f": {found.problem}" if found.problem else "")
