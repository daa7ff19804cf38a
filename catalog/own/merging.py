"""Merging a record of the own name that this home did not sign: after a restored backup, or with the same key on two machines.

Such a record is never signed over. Its snapshot is merged release by release with the own catalogue (`catalog.trust.merge`), from
the newest snapshot that both sides know, so that neither loses a release; the next record's sequence is above both.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from sqlalchemy import Connection

from catalog.errors import ReleaseNotFoundError, UnavailableError, VerificationError
from catalog.home.home import Home
from catalog.index.history import Change, ChangeKind
from catalog.index.releases import get_release
from catalog.index.update import IndexUpdate
from catalog.ipld.block import BlockSource
from catalog.ipld.cid import Cid
from catalog.ipns.record import Record
from catalog.limits import MAX_ANCESTORS, MAX_SNAPSHOT_SIZE
from catalog.model.digest import ConfigDigest
from catalog.model.platform import Platform
from catalog.model.release import Release
from catalog.snapshot.difference import ReleaseDifference, diff_snapshots
from catalog.snapshot.reader import Snapshot, open_snapshot
from catalog.sources.store import FetchingBlockstore
from catalog.trust.contents import accept_contents
from catalog.trust.merge import merge_release
from catalog.trust.ownership import claim_names
from catalog.trust.store import note_unshared

_BATCH = 1000


@dataclass(slots=True)
class MergeReport:
    """The result of a merge: ``releases`` that are new or changed here, and ``lost``, own contents that were replaced."""

    sequence: int
    root: Cid
    releases: list[str] = field(default_factory=list)
    lost: list[tuple[str, Platform, ConfigDigest]] = field(default_factory=list)


def merge_record(home: Home, own_root: Cid | None, theirs: Record, store: FetchingBlockstore) -> MergeReport:
    """Merge the snapshot of ``theirs`` into the own catalogue; releases that differ from it are noted as not shared yet.

    ``own_root`` is the snapshot that this home signed last. Raise `UnavailableError` where the other snapshot cannot be fetched.
    """
    snapshot = open_snapshot(theirs.snapshot_cid, store)
    store.fetch_dag([snapshot.releases.cid], size=MAX_SNAPSHOT_SIZE)
    report = MergeReport(theirs.sequence, snapshot.root)
    batch: list[ReleaseDifference] = []
    for difference in _differences(home, own_root, snapshot, store):
        batch.append(difference)
        if len(batch) == _BATCH:
            _merge_batch(home, str(theirs.name), batch, report)
            batch = []
    _merge_batch(home, str(theirs.name), batch, report)
    return report


def _differences(home: Home, own_root: Cid | None, theirs: Snapshot, store: BlockSource) -> Iterator[ReleaseDifference]:
    """Yield the changes from the newest common ancestor to the other snapshot, or all its releases where there is none."""
    base = _common_ancestor(own_root, theirs, home.blocks, store)
    if base is None:
        for release in theirs.read():
            yield ReleaseDifference(None, release)
    else:
        yield from diff_snapshots(base, theirs)


def _common_ancestor(own_root: Cid | None, theirs: Snapshot, own_blocks: BlockSource, store: BlockSource) -> Snapshot | None:
    own = {snapshot.root: snapshot for snapshot in _ancestors(own_root, own_blocks)}
    if theirs.root in own:
        return own[theirs.root]
    return next((own[snapshot.root] for snapshot in _ancestors(theirs.catalogue.previous, store) if snapshot.root in own), None)


def _ancestors(root: Cid | None, source: BlockSource) -> Iterator[Snapshot]:
    """Yield a snapshot and its predecessors, as far back as they can be read."""
    for _ in range(MAX_ANCESTORS):
        if root is None:
            return
        try:
            snapshot = open_snapshot(root, source)
        except (UnavailableError, VerificationError):
            return
        yield snapshot
        root = snapshot.catalogue.previous


def _merge_batch(home: Home, catalogue: str, batch: list[ReleaseDifference], report: MergeReport) -> None:
    with home.lock("own"):
        _take_batch(home, catalogue, batch, report)


def _take_batch(home: Home, catalogue: str, batch: list[ReleaseDifference], report: MergeReport) -> None:
    taken: list[Release] = []
    unshared: list[Release] = []
    changes: list[Change] = []
    with home.index.read() as connection:
        for difference in batch:
            if difference.after is None:
                continue
            mine = _find(connection, catalogue, difference.after)
            merged = merge_release(difference.before, mine, difference.after)
            report.lost += [(merged.release.reference, platform, config) for platform, config in merged.lost.items()]
            if merged.release != difference.after:
                unshared.append(merged.release)
            if merged.release != mine:
                taken.append(merged.release)
                report.releases.append(merged.release.reference)
                kind: ChangeKind = "published" if mine is None else "annotated"
                detail = {"merged": report.sequence}
                changes.append(Change(catalogue, home.time, kind, merged.release.name, merged.release.version, detail=detail))
    if not taken and not unshared:
        return

    def trust(connection: Connection) -> None:
        for release in taken:
            accept_contents(connection, catalogue, release, home.time)
        claim_names(connection, catalogue, sorted({release.name for release in taken}))
        note_unshared(connection, [*taken, *unshared])

    home.commit(IndexUpdate(catalogue, releases=taken, changes=changes), trust)


def _find(connection: Connection, catalogue: str, release: Release) -> Release | None:
    try:
        return get_release(connection, catalogue, release.name, release.version)
    except ReleaseNotFoundError:
        return None
