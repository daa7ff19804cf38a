"""Which release and image a reference means in this home, and what users should know of them.

Reads through `catalog.lookup.view` only: no network, no writes, no heavy import. `catalog.lookup.meaning` finds the one catalogue
that a name means; the version, digest or CID is then looked for in that catalogue. Nothing falls through to another one.
"""

from __future__ import annotations

from contextlib import contextmanager
from datetime import datetime, timedelta

from catalog.errors import (
    PlatformNotFoundError,
    RecordExpiredError,
    ReleaseConflictError,
    ReleaseNotFoundError,
)
from catalog.index.catalogue import CatalogueRow
from catalog.lookup.meaning import find_meaning
from catalog.lookup.opening import open_view
from catalog.lookup.releases import Row, conflicts_of, get_release, times_seen, usable_releases
from catalog.lookup.view import View
from catalog.model.platform import Platform, parse_platform
from catalog.model.reference import Reference, parse_reference
from catalog.model.release import IMAGE_FORMAT, Image, Release, format_time, parse_time
from catalog.record import record

TYPE_CHECKING = False  # see catalog.record
if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Literal

    from catalog.trust.freshness import Age

    NoticeKind = Literal["yanked", "expired", "unchecked", "clock", "refused", "format"]


@record(frozen=True, slots=True)
class Notice:
    """What users should know of a release that resolves; ``warns`` is false where it is only a note."""

    kind: NoticeKind
    text: str
    warns: bool = True


@record(frozen=True, slots=True)
class Resolved:
    """A release that a reference means, in its catalogue.

    ``platform`` and ``image`` are those asked for, or those that a digest or CID named; else None.
    ``first_seen`` is when this home first saw that image; without one, the release.
    """

    reference: Reference
    catalogue: CatalogueRow
    release: Release
    platform: Platform | None
    image: Image | None
    first_seen: str | None
    notices: tuple[Notice, ...]


class Lookup:
    """The look-ups, over one state of a home. Make one with `open_lookup`."""

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
        long ago. An expired record refuses that unless ``allow_stale``.

        Raise `ReleaseNotFoundError`, `PlatformNotFoundError`, `AmbiguousReferenceError`, `ReleaseConflictError`,
        `RecordExpiredError`, `InvalidReferenceError`.
        """
        if isinstance(reference, str):
            reference = parse_reference(reference)
        if not reference.name:
            catalogue, row = self._find_content(reference)
        else:
            catalogue, name = self.locate(reference.name, str(reference))
            row = self._choose(catalogue, name, reference, platform, now if latest else None, min_age)
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
        if image is not None and image.format != IMAGE_FORMAT:
            text = f'the archive of {release.reference} has the format "{image.format[:60]}", which this dcat cannot check'
            notices.append(Notice("format", text))
        times = times_seen(self.view, catalogue.catalogue, release.name, release.version, release.images)
        seen = min(times.values(), default=None) if chosen is None else times.get(str(chosen))
        return Resolved(reference, catalogue, release, chosen, image, seen, tuple(notices))

    def locate(self, name: str, typed: str = "") -> tuple[CatalogueRow, str]:
        """Return the catalogue that a name means here, and its name there; the catalogue has the name.

        Raise `ReleaseNotFoundError` and `AmbiguousReferenceError`, with ``typed`` in their text.
        """
        found = find_meaning(self.view, name, typed)
        return found.catalogue, found.name

    def _choose(
        self,
        catalogue: CatalogueRow,
        name: str,
        reference: Reference,
        platform: Platform | None,
        latest_at: datetime | None,
        min_age: timedelta | None,
    ) -> Row:
        if reference.digest is not None or reference.cid is not None:
            from catalog.lookup.contents import find_holding

            for _, row in find_holding(self.view, reference, catalogue.catalogue, name):
                return row
            raise ReleaseNotFoundError(
                f'no release "{reference}" in the catalogue "{catalogue.label}"',
                why=f'no release of "{name}" there has that content',
            )
        if reference.version:
            exact = get_release(self.view, catalogue.catalogue, name, reference.version)
            if exact is None:
                from catalog.lookup.unknown import unknown_version

                raise unknown_version(self.view, catalogue, name, reference)
            return exact
        if latest_at is None:
            from catalog.lookup.unknown import unnamed_version

            raise unnamed_version(self.view, catalogue, name, reference)
        before = None if min_age is None else format_time(latest_at - min_age)
        return self._newest(catalogue, name, reference, platform, before)

    def _newest(
        self, catalogue: CatalogueRow, name: str, reference: Reference, platform: Platform | None, before: str | None
    ) -> Row:
        """Return the newest usable version, with ``before`` one whose image for ``platform`` was seen here by then."""
        young = 0
        for row in usable_releases(self.view, catalogue.catalogue, name):
            if before is None:
                return row
            if self._is_seen_by(before, catalogue.catalogue, row.release, platform):
                return row
            young += 1
        why = f"{young} were first seen here more recently than that" if young else "every one is yanked or removed"
        raise ReleaseNotFoundError(f'"{reference}" has no version to choose', why=why)

    def _is_seen_by(self, before: str, catalogue: str, release: Release, platform: Platform | None) -> bool:
        """Return whether the image for ``platform`` was first seen here by a time; where there is none, whether every image was."""
        images = times_seen(self.view, catalogue, release.name, release.version, release.images)
        times = [images[str(known)] for known in release.images if str(known) in images]
        if platform is not None and str(platform) in images and platform in release.images:
            times = [images[str(platform)]]
        return bool(times) and max(times) <= before

    def _find_content(self, reference: Reference) -> tuple[CatalogueRow, Row]:
        from catalog.lookup.contents import find_content

        found = find_content(self.view, reference)
        if found is None:
            from catalog.lookup.unknown import describe_catalogues

            raise ReleaseNotFoundError(f"no release here holds {reference}", why=describe_catalogues(self.view))
        return found

    def _judge_age(self, catalogue: CatalogueRow, now: datetime, *, latest: bool, allow_stale: bool) -> Iterator[Notice]:
        if catalogue.own or catalogue.expires is None:
            return
        from catalog.trust.freshness import judge_freshness  # here, since an own catalogue is always fresh

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
        if fresh.age == "fresh":
            return
        kinds: dict[Age, NoticeKind] = {"expired": "expired", "clock looks wrong": "clock"}
        yield Notice(kinds.get(fresh.age, "unchecked"), f'catalogue "{catalogue.label}": {fresh.text}', fresh.warns)

    def _judge_conflicts(self, catalogue: CatalogueRow, release: Release, platform: Platform | None) -> Iterator[Notice]:
        for conflict in conflicts_of(self.view, catalogue.catalogue, release.name, release.version):
            if platform is not None and platform != conflict.platform:
                continue
            old, new = conflict.old, conflict.image.config
            change = f"{old} became {new}" if old != new else f"its archive became {conflict.image.archive}, under the same config"
            text = f"{release.reference} changed its content for {conflict.platform}: {change}"
            if conflict.state == "open":
                raise ReleaseConflictError(text, why=f'the catalogue "{catalogue.label}" shows another image than it did')
            image = release.images.get(conflict.platform)
            if image is None or image.config == old:
                yield Notice("refused", text + ", which was refused here")

    def _image_for(self, release: Release, platform: Platform) -> Image:
        image = release.images.get(platform)
        if image is None:
            there = sorted(str(known) for known in release.images)
            why = f"it has {', '.join(there) or 'none'}"
            raise PlatformNotFoundError(f"{release.reference} has no image for {platform}", why=why, nearest=there)
        return image


@contextmanager
def open_lookup(home: Path | str) -> Iterator[Lookup]:
    """Open a home for the quick look-up; one that does not exist is empty."""
    with open_view(home) as view:
        yield Lookup(view)
