"""The own catalogue as one share sees it: its newest record, what is not shared yet, what others signed with its key."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from catalog.delivery import open_store
from catalog.errors import RollbackError
from catalog.home.home import Home
from catalog.ipld.block import Blockstore
from catalog.ipld.cid import Cid
from catalog.ipns.name import IpnsName
from catalog.ipns.record import Record
from catalog.limits import SUSPICIOUS_SEQUENCE_JUMP
from catalog.model.release import Release
from catalog.own.moving import open_held
from catalog.own.signing import needs_renewal, own_record, sign_snapshot, take_own_record
from catalog.own.snapshots import write_own_snapshot
from catalog.progress import Progress, Step
from catalog.sources.network import Network
from catalog.trust.decision import floor_of
from catalog.trust.store import list_refused, list_unshared, refuse_record

if TYPE_CHECKING:
    from catalog.own.deltas import MadeDelta
    from catalog.own.merging import MergeReport


class OwnCatalogue:
    """The own catalogue, read once under the share lock: only the share that made this object changes it meanwhile.

    ``record`` is the newest record that this home signed, None before the first. ``merged`` reports what was merged in.
    """

    def __init__(self, home: Home, network: Network, name: IpnsName, progress: Progress) -> None:
        self._home = home
        self._network = network
        self._progress = progress
        self._above: list[int] = []
        self.name = name
        self.record = own_record(home, name)
        self.merged: MergeReport | None = None

    def list_new(self, found: Iterable[Record | None]) -> list[Record]:
        """Return the records, lowest sequence first, that this home did not sign, merge or refuse; each once.

        Raise `RollbackError` where one of them revokes the key; it is the last record of this home from then on.
        """
        with self._home.trust.read() as connection:
            known = list_refused(connection, str(self.name))
        new = {floor_of(record): record for record in found if record is not None and self._is_above(record)}
        for record in new.values():
            if record.revoked:
                take_own_record(self._home, record)
                raise RollbackError(f"the key of {self.name} was revoked", why="its last record was found at a source")
        return sorted((record for floor, record in new.items() if floor not in known), key=lambda record: record.sequence)

    def find_higher(self, found: Iterable[Record | None]) -> Record | None:
        """Return the highest of the records that are new here.

        Raise `RollbackError` where its sequence is suspiciously far above this home's, and as `list_new` does.
        """
        new = self.list_new(found)
        if not new:
            return None
        if self.is_suspicious(new[-1]):
            held = self.record.sequence if self.record is not None else 0
            raise RollbackError(
                f"a record of your catalogue with sequence {new[-1].sequence} was found, and {held} was the last one signed here",
                why="the key is used elsewhere, or somebody else has it",
                hint="recover takes in what it points to; revoke the key if it is not yours",
            )
        return new[-1]

    def is_suspicious(self, record: Record) -> bool:
        """Return whether the sequence of a record is too far above this home's newest one to be from another home of the key."""
        held = self.record.sequence if self.record is not None else 0
        return record.sequence - held > SUSPICIOUS_SEQUENCE_JUMP

    def refuse(self, record: Record) -> None:
        """Never take a record: it is not new here any more."""
        with self._home.trust.write() as connection:
            refuse_record(connection, str(self.name), floor_of(record))

    def merge(self, record: Record) -> None:
        """Merge what a record points to that this home did not sign; the record itself is not new here any more.

        Raise `UnavailableError` where its snapshot cannot be fetched.
        """
        from catalog.own.merging import merge_record

        report = merge_record(self._home, self._last_root, record, open_store(self._home, self._network, str(self.name)))
        self.refuse(record)
        self._above.append(record.sequence)
        if self.merged is not None:
            report.releases = [*self.merged.releases, *report.releases]
            report.lost = [*self.merged.lost, *report.lost]
        self.merged = report

    def make_deltas(self, held: Blockstore | None = None) -> "list[MadeDelta]":
        """Make the deltas of releases that are not shared yet; ``held`` is the result of `open_held`, if the caller has it."""
        from catalog.own.deltas import make_deltas

        if self._is_revoked or not self._list_unshared():
            return []
        archives = held if held is not None else open_held(self._home, self._network)
        return make_deltas(self._home, str(self.name), self._last_root, self._progress, archives)

    def sign(self) -> tuple[Record, bool]:
        """Sign what is not shared yet or was merged in, or renew a record that ends soon.

        Return the newest record, and whether it was signed now. Raise `RollbackError` where the key was revoked.
        """
        if self.record is None or self._is_revoked or self.merged is not None or self._list_unshared():
            return self._write(self._last_root), True
        if needs_renewal(self._home, self.record):
            self.record = sign_snapshot(self._home, self.record.snapshot_cid, self.record)
            return self.record, True
        return self.record, False

    def sign_anew(self) -> Record:
        """Write the whole snapshot from the index, whatever is left of the last one, and sign it.

        Raise `UnavailableError` where the root of an archive cannot be fetched, `RollbackError` where the key was revoked.
        """
        return self._write(None)

    def _write(self, last: Cid | None) -> Record:
        if self._is_revoked:
            raise RollbackError(f"the key of {self.name} was revoked", why="nothing can be signed above its last record")
        self._progress(Step("phase", "Signing the catalogue"))
        noted = self._list_unshared()
        previous = self.merged.root if self.merged is not None else None if last is not None else self._last_root
        changed = [release for _, release in noted]
        archives = open_store(self._home, self._network, str(self.name))
        written = write_own_snapshot(self._home, str(self.name), last, changed, archives, previous=previous)
        self.record = sign_snapshot(
            self._home,
            written.root,
            self.record,
            above=self._above,
            shared_up_to=noted[-1][0] if noted else 0,
            published=self._home.time,
        )
        return self.record

    def _list_unshared(self) -> list[tuple[int, Release]]:
        with self._home.trust.read() as connection:
            return list_unshared(connection)

    @property
    def _is_revoked(self) -> bool:
        return self.record is not None and self.record.revoked

    @property
    def _last_root(self) -> Cid | None:
        return self.record.snapshot_cid if self.record is not None else None

    def _is_above(self, record: Record) -> bool:
        own = self.record
        if own is None:
            return True
        return record.sequence > own.sequence or (record.sequence == own.sequence and record.value != own.value)
