"""What a reference means in this home, by the rules of design.md, section 4; and what a word may become, for completion.

Asks `catalog.lookup.view` only: no network, nothing written, nothing heavy imported.

1. A name whose first part is an alias means that catalogue's name without it, else its name as a whole, never another catalogue's.
2. Any other name is the own catalogue's, where that has it and the user did not move it; else its owner's.
3. The version, digest or CID is looked for in that one catalogue. Nothing falls through to another one.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

from catalog.errors import (
    AmbiguousReferenceError,
    PlatformNotFoundError,
    RecordExpiredError,
    ReleaseConflictError,
    ReleaseNotFoundError,
)
from catalog.index.catalogue import CatalogueRow
from catalog.lookup.nearby import Near, elsewhere, near_names
from catalog.lookup.view import Row, View, open_view
from catalog.model.platform import Platform, parse_platform
from catalog.model.reference import Reference, nearest, parse_reference
from catalog.model.release import Image, Release, format_time, parse_time
from catalog.trust.freshness import Age, judge_freshness

_SHOWN_VERSIONS = 5

NoticeKind = Literal["yanked", "expired", "unchecked", "clock", "refused"]


@dataclass(frozen=True, slots=True)
class Notice:
    """What people should know of a release that resolves all the same; ``warns`` is false where it is only a note."""

    kind: NoticeKind
    text: str
    warns: bool = True


@dataclass(frozen=True, slots=True)
class Resolved:
    """A release that a reference means, in its catalogue.

    ``platform`` and ``image`` are those asked for, or those that a digest or CID named; None where neither was the case.
    ``first_seen`` is when this home first saw the release.
    """

    reference: Reference
    catalogue: CatalogueRow
    release: Release
    platform: Platform | None
    image: Image | None
    first_seen: str | None
    notices: tuple[Notice, ...]


class Lookup:
    """The questions, over one state of a home. Make one with `open_lookup`."""

    def __init__(self, view: View) -> None:
        self.view = view

    def resolve(
        self,
        reference: Reference | str,
        *,
        now: datetime,
        platform: Platform | None = None,
        latest: bool = False,
        min_age: timedelta | None = None,
        allow_stale: bool = False,
    ) -> Resolved:
        """Return the release that a reference means, with its image for ``platform`` (None: no image is chosen).

        ``latest`` chooses the newest version that is neither yanked nor removed; with ``min_age`` one that this home first saw that
        long ago. A catalogue whose record expired refuses that unless ``allow_stale``.

        Raises `ReleaseNotFoundError`, `PlatformNotFoundError`, `AmbiguousReferenceError`, `ReleaseConflictError`,
        `RecordExpiredError`, `InvalidReferenceError`.
        """
        if isinstance(reference, str):
            reference = parse_reference(reference)
        if not reference.name:
            catalogue, row = self._find_content(reference)
        else:
            catalogue, name = self.locate(reference.name, str(reference))
            row = self._choose(catalogue, name, reference, now if latest else None, min_age)
        release = row.release
        if release.removed is not None:
            raise ReleaseNotFoundError(
                f"{release.reference} was removed by its publisher",
                why=f'the catalogue "{catalogue.label}" took it out on {release.removed}',
            )
        notices = [*self._judge_age(catalogue, now, latest=latest, allow_stale=allow_stale)]
        chosen = parse_platform(row.platform) if row.platform else platform
        notices += self._judge_conflicts(catalogue, release, chosen)
        if release.yanked is not None:
            notices.append(Notice("yanked", f"{release.reference} was yanked: {release.yanked or 'no reason given'}"))
        image = None if chosen is None else self._image_for(release, chosen)
        seen = self.view.first_seen(catalogue.catalogue, release.name, release.version)
        return Resolved(reference, catalogue, release, chosen, image, seen, tuple(notices))

    def locate(self, name: str, typed: str = "") -> tuple[CatalogueRow, str]:
        """Return the catalogue that a name means here, and its name there; whether it has the name is seen first.

        Raises `ReleaseNotFoundError` and `AmbiguousReferenceError`, with ``typed`` in their text.
        """
        typed = typed or name
        first, _, rest = name.partition("/")
        holder = self.view.alias_holder(first) if rest else None
        if holder is not None:
            row = self.view.catalogue(holder.catalogue)
            if not holder.followed or row is None:
                raise ReleaseNotFoundError(
                    f'no release "{typed}" here', why=f'the catalogue "{first}" is no longer followed, or was never synced'
                )
            return row, self._name_behind_alias(row, first, rest, typed)
        owner = self.view.owner(name)
        own = self.view.own()
        if own is not None and self.view.has_name(own.catalogue, name) and not (owner and owner.preferred and not owner.own):
            return own, name
        if owner is None:
            raise self._unknown_name(name, typed)
        if owner.provisional is not None:
            raise AmbiguousReferenceError(
                f'"{typed}" is not clear yet',
                why=f'the catalogue "{owner.provisional}" was subscribed to before "{owner.alias}" and was not synced yet',
                hint=f'write {owner.alias}/{name} to mean that of "{owner.alias}"',
            )
        row = self.view.catalogue(owner.catalogue)
        if row is None or not (owner.followed or owner.own):
            raise ReleaseNotFoundError(
                f'no release "{typed}" here',
                why=f'the name "{name}" belongs to the catalogue "{owner.alias or owner.catalogue}", which is no longer followed',
                nearest=elsewhere(self.view, name),
            )
        if not self.view.has_name(row.catalogue, name):
            raise self._unknown_name(name, typed)
        return row, name

    def complete_names(self, prefix: str, most: int) -> list[str]:
        """Return the names that begin with ``prefix``, each as it resolves here, sorted."""
        found = []
        for row in self.view.catalogues():
            for name in self.view.names_from(row.catalogue, prefix, most):
                owner = self.view.owner(name)
                mine = row.own and not (owner and owner.preferred and not owner.own)
                if mine or (owner is not None and owner.catalogue == row.catalogue and not self._is_own(name)):
                    found.append(name)
        for alias, catalogue in self.view.aliases():
            if f"{alias}/".startswith(prefix) or prefix.startswith(f"{alias}/"):
                names = self.view.names_from(catalogue, prefix[len(alias) + 1 :], most)
                found += [f"{alias}/{name}" for name in names]
        return sorted(set(found))[:most]

    def complete_versions(self, name: str, prefix: str, most: int) -> list[str]:
        """Return the versions of a name that begin with ``prefix`` and are not removed, newest first; none for an unknown name."""
        try:
            row, found = self.locate(name)
        except (ReleaseNotFoundError, AmbiguousReferenceError):
            return []
        return self.view.versions(row.catalogue, found, prefix=prefix, most=most)

    def _is_own(self, name: str) -> bool:
        own = self.view.own()
        return own is not None and self.view.has_name(own.catalogue, name)

    def _name_behind_alias(self, row: CatalogueRow, alias: str, rest: str, typed: str) -> str:
        whole = f"{alias}/{rest}"
        has_rest, has_whole = self.view.has_name(row.catalogue, rest), self.view.has_name(row.catalogue, whole)
        if has_rest and has_whole:
            raise AmbiguousReferenceError(
                f'"{typed}" is not clear',
                why=f'the catalogue "{alias}" has both "{rest}" and "{whole}"',
                hint=f"write {alias}/{whole} to mean the second",
                nearest=[f"{alias}/{whole}"],
            )
        if not has_rest and not has_whole:
            near = near_names(self.view, rest, catalogue=row.catalogue)
            raise ReleaseNotFoundError(
                f'no release "{typed}" in the catalogue "{alias}"',
                why=self._say_near(f'it has no name "{rest}"', near),
                nearest=[f"{alias}/{found.name}" for found in near],
            )
        return rest if has_rest else whole

    def _choose(
        self, catalogue: CatalogueRow, name: str, reference: Reference, latest_at: datetime | None, min_age: timedelta | None
    ) -> Row:
        if reference.digest is not None or reference.cid is not None:
            for _, row in self._holding(reference, catalogue.catalogue, name):
                return row
            raise ReleaseNotFoundError(
                f'no release "{reference}" in the catalogue "{catalogue.label}"',
                why=f'no release of "{name}" there has that content',
            )
        if reference.version:
            exact = self.view.release(catalogue.catalogue, name, reference.version)
            if exact is None:
                raise self._unknown_version(catalogue, name, reference)
            return exact
        if latest_at is None:
            versions = self.view.versions(catalogue.catalogue, name, most=_SHOWN_VERSIONS)
            raise AmbiguousReferenceError(
                f'"{reference}" names no version',
                why="there is no implicit version; "
                + (f"the newest are {', '.join(versions)}" if versions else "it has none left"),
                nearest=[f"{reference.name}@{version}" for version in versions],
            )
        return self._newest(catalogue, name, reference, latest_at, min_age)

    def _newest(self, catalogue: CatalogueRow, name: str, reference: Reference, now: datetime, min_age: timedelta | None) -> Row:
        before = None if min_age is None else format_time(now - min_age)
        young = 0
        for version, row in self.view.usable(catalogue.catalogue, name):
            if before is None:
                return row
            seen = self.view.first_seen(catalogue.catalogue, name, version)
            if seen is not None and seen <= before:
                return row
            young += 1
        why = f"{young} were first seen here more recently than that" if young else "every one is yanked or removed"
        raise ReleaseNotFoundError(f'"{reference}" has no version to choose', why=why)

    def _find_content(self, reference: Reference) -> tuple[CatalogueRow, Row]:
        found = self._holding(reference)
        order = {row.catalogue: place for place, row in enumerate(self.view.catalogues())}
        for catalogue, row in sorted(found, key=lambda pair: order.get(pair[0], len(order))):
            shown = self.view.catalogue(catalogue)
            if shown is not None:
                return shown, row
        raise ReleaseNotFoundError(f"no release here holds {reference}", why=self._say_where())

    def _holding(self, reference: Reference, catalogue: str | None = None, name: str | None = None) -> list[tuple[str, Row]]:
        if reference.cid is not None:
            return self.view.holding("archive", reference.cid.digest, catalogue=catalogue, name=name)
        if reference.digest is None:
            return []
        found = self.view.holding("config", reference.digest.raw, catalogue=catalogue, name=name)
        return found or self.view.holding("manifest", reference.digest.raw, catalogue=catalogue, name=name)

    def _judge_age(self, catalogue: CatalogueRow, now: datetime, *, latest: bool, allow_stale: bool) -> Iterator[Notice]:
        if catalogue.own or catalogue.expires is None:
            return
        fresh = judge_freshness(
            now,
            expires=parse_time(catalogue.expires),
            checked=None if catalogue.checked is None else parse_time(catalogue.checked),
            newest_signed=None if catalogue.published is None else parse_time(catalogue.published),
        )
        if latest and fresh.latest_refused and not allow_stale:
            raise RecordExpiredError(
                f'the newest version in the catalogue "{catalogue.label}" is not known',
                why=fresh.text,
                hint="name an exact version",
            )
        if fresh.age is Age.FRESH:
            return
        kinds: dict[Age, NoticeKind] = {Age.EXPIRED: "expired", Age.CLOCK_WRONG: "clock"}
        yield Notice(kinds.get(fresh.age, "unchecked"), f'catalogue "{catalogue.label}": {fresh.text}', fresh.warns)

    def _judge_conflicts(self, catalogue: CatalogueRow, release: Release, platform: Platform | None) -> Iterator[Notice]:
        for at, old, new, state in self.view.conflicts(catalogue.catalogue, release.name, release.version):
            if platform is not None and str(platform) != at:
                continue
            text = f"{release.reference} changed its content for {at}: sha256:{old.hex()} became sha256:{new.hex()}"
            if state == "open":
                raise ReleaseConflictError(text, why=f'the catalogue "{catalogue.label}" shows another image than it did')
            image = release.images.get(parse_platform(at))
            if image is None or image.config.raw == old:
                yield Notice("refused", text + ", which was refused here")

    def _image_for(self, release: Release, platform: Platform) -> Image:
        image = release.images.get(platform)
        if image is None:
            there = sorted(str(known) for known in release.images)
            why = f"it has {', '.join(there) or 'none'}"
            raise PlatformNotFoundError(f"{release.reference} has no image for {platform}", why=why, nearest=there)
        return image

    def _unknown_version(self, catalogue: CatalogueRow, name: str, reference: Reference) -> ReleaseNotFoundError:
        versions = self.view.versions(catalogue.catalogue, name)
        near = nearest(reference.version, versions)
        known = f"it has {', '.join(versions[:_SHOWN_VERSIONS])}" if versions else "it has none left"
        return ReleaseNotFoundError(
            f'no release "{reference}" in {_in(catalogue)}',
            why=f'"{name}" has no version "{reference.version}"; {known}',
            nearest=[f"{reference.name}@{version}" for version in near],
        )

    def _unknown_name(self, name: str, typed: str) -> ReleaseNotFoundError:
        near = near_names(self.view, name)
        suffix = typed.removeprefix(name)
        reached = [found.reached for found in near] or elsewhere(self.view, name)
        why = self._say_near(f'no name "{name}"', near)
        return ReleaseNotFoundError(
            f'no release "{typed}" in {self._say_where()}', why=why, nearest=[found + suffix for found in reached]
        )

    def _say_near(self, lacking: str, near: Sequence[Near]) -> str:
        if not near:
            return lacking
        versions = self.view.versions(near[0].catalogue.catalogue, near[0].name, most=2)
        return f'{lacking}; the nearest is "{near[0].reached}"' + (f" ({', '.join(versions)})" if versions else "")

    def _say_where(self) -> str:
        rows = self.view.catalogues()
        followed = sum(not row.own for row in rows)
        parts = ["your catalogue"] if len(rows) > followed else []
        if followed:
            parts.append(f"{followed} subscription{'s' if followed > 1 else ''}")
        return " or ".join(parts) or "this home, which has no catalogue yet"


@contextmanager
def open_lookup(home: Path) -> Iterator[Lookup]:
    """Open a home for the quick look-up; one that does not exist is empty."""
    with open_view(home) as view:
        yield Lookup(view)


def _in(catalogue: CatalogueRow) -> str:
    return "your catalogue" if catalogue.own else f'the catalogue "{catalogue.label}"'
