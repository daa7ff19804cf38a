"""The own catalogue in an IPFS Cluster: its blocks go into the node of one peer, and the cluster keeps them in several nodes.

Blocks and records go through one real Kubo node, the pin through the cluster's REST API. A cluster's answer to a pin proves
nothing, so its peers are asked until the wanted number of nodes say that they pin the snapshot. Only then is that snapshot
remembered as shared, are archives deleted from the home (`catalog.own.moving`) and is the snapshot before unpinned. Until then both
are pinned, the node keeps a pin of its own, and everything stays here: nothing is lost whatever the cluster does. The next share
goes on.

How the cluster is asked: `catalog.own.replicas`.
"""

from dataclasses import dataclass, replace

from catalog.clients.cluster import ClusterRefusalError
from catalog.errors import UnavailableError
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
from catalog.own.replicas import ClusterPin
from catalog.own.upload import PinBeside, Uploaded, upload_snapshot
from catalog.progress import Progress, Step
from catalog.sources.network import ReplicaRule


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

    Raise `UnavailableError` where the node or the cluster is down or refuses. What they accepted stays there, and the next call
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


def explain_replicas(found: ReplicaState) -> str:
    """Return in words that there are too few replicas, and why."""
    return f"{found.pinned} of {found.least} replicas" + (f": {found.problem}" if found.problem else "")
