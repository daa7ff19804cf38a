"""What a snapshot changed: one entry for each release, or only numbers where there are very many."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from catalog.index.history import Change, ChangeKind
from catalog.limits import MAX_LISTED_CHANGES
from catalog.model.platform import Platform
from catalog.model.release import Release
from catalog.snapshot.difference import ReleaseDifference
from catalog.trust.conflicts import Conflict

_MAX_REASON = 300


@dataclass(slots=True)
class ChangeList:
    """The changes of one catalogue. ``entries`` are the first `MAX_LISTED_CHANGES`, ``counts`` all of them by kind."""

    catalogue: str
    at: str
    entries: list[Change] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    def add(self, kind: ChangeKind, name: str, version: str, platform: str = "", **detail: object) -> None:
        self.counts[kind] = self.counts.get(kind, 0) + 1
        if len(self.entries) < MAX_LISTED_CHANGES:
            self.entries.append(Change(self.catalogue, self.at, kind, name, version, platform, detail))

    def history(self) -> list[Change]:
        """Return the changes for the history: every entry, or one with the counts."""
        if self.total == len(self.entries):
            return self.entries
        return [Change(self.catalogue, self.at, "synced", detail=dict(self.counts))]


def describe(changes: ChangeList, differences: Iterable[ReleaseDifference], conflicts: Iterable[Conflict]) -> None:
    """Add an entry for each difference and each conflict."""
    disputed = {(conflict.name, conflict.version, conflict.platform) for conflict in conflicts}
    for name, version, platform in sorted(disputed):
        changes.add("conflict", name, version, str(platform))
    for difference in differences:
        _describe_one(changes, difference.before, difference.after, disputed)


def _describe_one(
    changes: ChangeList, before: Release | None, after: Release | None, disputed: set[tuple[str, str, Platform]]
) -> None:
    if after is None:
        if before is not None:
            changes.add("removed", before.name, before.version, gone=True)
        return
    if before is None or (before.removed is not None and after.removed is None):
        changes.add("published", after.name, after.version)
        return
    if after.removed is not None and before.removed is None:
        changes.add("removed", after.name, after.version)
        return
    if after.yanked != before.yanked:
        kind: ChangeKind = "unyanked" if after.yanked is None else "yanked"
        changes.add(kind, after.name, after.version, reason=_shorten(after.yanked or ""))
    added = [platform for platform in after.images if platform not in before.images]
    for platform in added:
        changes.add("platform", after.name, after.version, str(platform))
    told = after.yanked != before.yanked or added or any((after.name, after.version, p) in disputed for p in after.images)
    if not told:
        changes.add("annotated", after.name, after.version)


def _shorten(reason: str) -> str:
    """Return a publisher's text as the history keeps it: the catalogue may write another one with every snapshot."""
    return reason if len(reason) <= _MAX_REASON else reason[: _MAX_REASON - 1] + "…"
