"""The own catalogue in a Kubo node: its blocks under one pin, its record offered to the node's network.

The blocks that the node lacks of the snapshot's DAG, archives included, go there in one import; the pin of the catalogue then moves
from the last snapshot to this one, so that Kubo's GC keeps what is released and frees the rest. The snapshot that a node has is
remembered by the node's URL, so that nothing is sent twice and no block is asked for one by one. Afterwards the leaves of archives
live in the node only (`catalog.own.moving`). The catalogue's key never leaves the home.

Where the pin is lost, blocks may be: the node is asked which it lacks, and everything else is shared without the archives that lost
some (`catalog.own.incomplete`).
"""

from contextlib import suppress
from dataclasses import replace

from catalog.errors import UnavailableError
from catalog.home.home import Home
from catalog.ipld.cid import Cid
from catalog.ipns.record import Record
from catalog.own.moving import explain_place, move_archives
from catalog.own.nodes import KuboState, distrust, kubo_state, moved_to, pin_name, remember_state
from catalog.own.places import Place
from catalog.own.upload import SinglePin, Uploaded, upload_snapshot
from catalog.progress import Progress, Step
from catalog.sources.kubo import KuboRouting


def share_to_kubo(home: Home, place: Place, record: Record, progress: Progress) -> Uploaded:
    """Put the snapshot of ``record`` into the node, then the record; neither is sent again if the node has it.

    Return what the node pins now, and the releases that lost blocks; the rest of the snapshot is shared. Raise `UnavailableError`
    where the node is down or refuses. What it accepted stays there, and the next call continues.
    """
    with home.lock("kubo"):
        state = kubo_state(home, place.key)
        root = record.snapshot_cid
        done = Uploaded(root, "", ())
        if state.root != str(root) or state.substitute or _lost_pin(home, place, root):
            progress(Step("phase", "Sharing the catalogue through Kubo"))
            pins = SinglePin(place.node, pin_name(record.name))
            try:
                done = upload_snapshot(home, place, pins, record, state)
            except UnavailableError as error:
                _doubt(home, place, pin_name(record.name))
                explain_place(home, place, error)
                raise
            state = next_state(state, root, done.substitute)
            remember_state(home, place.key, state)
        if not state.substitute:
            move_archives(home, place, root)
        offer_record(home, place, record, state, progress)
    return done


def next_state(state: KuboState, root: Cid, substitute: str) -> KuboState:
    """Return the state of a place that keeps ``root`` now; a record of it that was offered before stays offered."""
    if state.root == str(root):
        return replace(state, substitute=substitute)
    return KuboState(str(root), substitute=substitute)


def offer_record(home: Home, place: Place, record: Record, state: KuboState, progress: Progress) -> None:
    """Publish the record through the node, unless that was done."""
    if state.sequence < record.sequence:
        progress(Step("phase", "Offering the record to Kubo's network"))
        KuboRouting(place.node).put(record.name, record.encoded)
        remember_state(home, place.key, replace(state, sequence=record.sequence, offered=home.time))


def _lost_pin(home: Home, place: Place, root: Cid) -> bool:
    """Return whether the node is up and pins the snapshot no more that it was given; blocks may be lost then."""
    try:
        pinned = place.node.is_pinned(root)
    except UnavailableError:
        return False
    if not pinned:
        distrust(home, place.key)
    return not pinned


def _doubt(home: Home, place: Place, pin: str) -> None:
    """Distrust a node that is up and refuses to pin: blocks that moved there may be lost."""
    if moved_to(home).url == place.key:
        with suppress(UnavailableError):
            place.node.find_pins(pin)
            distrust(home, place.key)
