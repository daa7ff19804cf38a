"""Whether what a catalogue shows now has the contents that its releases were seen with (docs/safety.md, A7, A17).

A sync compares first, with reads only (`compare_contents`), and writes the result in one short transaction (`note_contents`).
Nothing else may change the contents of the catalogue in between: syncs and decisions hold the sync lock of the home.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice

from sqlalchemy import Connection

from catalog.errors import ReleaseConflictError
from catalog.model.digest import ConfigDigest
from catalog.model.platform import Platform
from catalog.model.release import Release
from catalog.trust.conflicts import Conflict, NotedConflicts, describe_change, end_conflicts, put_conflict
from catalog.trust.content import Content, content_of
from catalog.trust.contents import (
    ImageKey,
    SeenImage,
    add_other_formats,
    complete_contents,
    find_former,
    find_number,
    read_current,
    see_contents,
    seen_image,
)
from catalog.trust.store import catalogue_id

_BATCH = 2000
_MAX_NOTED = 20_000  # of a snapshot that is read whole: contents in other formats, and completed ones


@dataclass(slots=True)
class Comparison:
    """What `compare_contents` found in one catalogue: everything that `note_contents` must write.

    ``conflicts`` are the releases among those compared whose content differs, whether noted before or not; ``open`` counts all open
    conflicts of the catalogue. A ``flooded`` comparison was not finished and must not be written.
    """

    catalogue: str
    conflicts: list[Conflict] = field(default_factory=list)
    open: int = 0
    flooded: bool = False
    fresh: list[SeenImage] = field(default_factory=list)
    other_formats: list[SeenImage] = field(default_factory=list)
    completed: list[tuple[ImageKey, Content]] = field(default_factory=list)
    settled: list[ImageKey] = field(default_factory=list)
    changed: list[Conflict] = field(default_factory=list)


FindHeld = Callable[[str, str], Release | None]


def compare_contents(
    connection: Connection,
    catalogue: str,
    releases: Iterable[Release],
    at: str,
    *,
    held: FindHeld | None = None,
    gone: Iterable[tuple[str, str]] = (),
    whole: bool = False,
    settled: bool = False,
    most: int | None = None,
) -> Comparison:
    """Compare new and changed releases of a catalogue with the contents they were seen with. Only reads.

    ``held`` returns the release of a name and version from the index; ``gone`` are the names and versions that the catalogue no
    longer has. With ``whole``, ``releases`` are all that the catalogue has, and new contents are left to `see_contents`:
    there may be millions. With ``settled``, contents that only a suspicious snapshot has shown do not count
    (`catalog.trust.provisional`). The comparison ends early once more than ``most`` conflicts would be open
    (``Comparison.flooded``).
    """
    number = find_number(connection, catalogue)
    found = Comparison(catalogue)
    noted = NotedConflicts(connection, catalogue)
    found.open = noted.open
    for key in gone:
        _settle(found, key, noted.take(key), ())
    stream = iter(releases)
    while batch := list(islice(stream, _BATCH)):
        keys = [(*_key(release), str(platform)) for release in batch for platform in release.images]
        current = {} if number is None else read_current(connection, number, keys, settled=settled)
        for release in batch:
            before = noted.take(_key(release))
            differing = _compare_release(connection, number, found, release, current, at, held, before)
            _settle(found, _key(release), before, differing)
            if most is not None and found.open > most:
                found.flooded = True
                return found
        if whole:
            found.fresh.clear()
            del found.other_formats[_MAX_NOTED:], found.completed[_MAX_NOTED:]
    if whole:
        for key, before in noted.take_rest():
            _settle(found, key, before, ())
    return found


def note_contents(connection: Connection, found: Comparison, at: str) -> None:
    """Write what a comparison found: new contents, conflicts, and that other conflicts are over."""
    number = catalogue_id(connection, found.catalogue)
    see_contents(connection, found.catalogue, found.fresh, at)
    add_other_formats(connection, number, found.other_formats, at)
    complete_contents(connection, number, found.completed)
    end_conflicts(connection, found.catalogue, found.settled)
    for conflict in found.changed:
        put_conflict(connection, conflict)


def check_own_content(connection: Connection, catalogue: str, release: Release, at: str) -> None:
    """Note the content of a release that is being published; raise `ReleaseConflictError` where it was published with another."""
    found = compare_contents(connection, catalogue, [release], at)
    for conflict in found.conflicts:
        raise ReleaseConflictError(
            f"{release.reference} was published with other content",
            why=f"for {conflict.platform} {describe_change(conflict)}; a version never changes",
            hint="publish it as another version",
        )
    note_contents(connection, found, at)


def _compare_release(
    connection: Connection,
    number: int | None,
    found: Comparison,
    release: Release,
    current: Mapping[ImageKey, Content],
    at: str,
    held: FindHeld | None,
    before: Mapping[Platform, Conflict],
) -> dict[Platform, Conflict]:
    """Compare the images of one release; return its conflicts. ``before`` are those that were noted already."""
    differing: dict[Platform, Conflict] = {}
    for platform, image in release.images.items():
        key, content = (release.name, release.version, str(platform)), content_of(image)
        known = current.get(key)
        if known is None or number is None:
            found.fresh.append(seen_image(key, image))
            continue
        if known.archive is None:
            known = _complete(found, key, known, content, None if held is None else held(*_key(release)), platform)
        elif known.config == content.config and known.format != content.format:
            former = find_former(connection, number, key, content)
            if former is None:
                found.other_formats.append(seen_image(key, image))
                continue
            known = former
        if not known.is_changed_to(content):
            continue
        noted = before.get(platform)
        if noted is not None and content_of(noted.image) == content:
            conflict = replace(noted, release=release)
        else:
            was = noted.held if noted is not None else None if held is None else held(*_key(release))
            old = ConfigDigest(known.config)
            conflict = Conflict(found.catalogue, release.name, release.version, platform, old, release, was, at, "open")
            found.open += noted is None or noted.state != "open"
        if conflict != noted:
            found.changed.append(conflict)
        differing[platform] = conflict
        found.conflicts.append(conflict)
    return differing


def _settle(found: Comparison, key: tuple[str, str], before: Mapping[Platform, Conflict], differing: Collection[Platform]) -> None:
    """Note the conflicts of a release that are over: the old content came back, or the image is gone."""
    for platform, conflict in before.items():
        if platform not in differing:
            found.settled.append((*key, str(platform)))
            found.open -= conflict.state == "open"


def _complete(
    found: Comparison, key: ImageKey, current: Content, content: Content, held: Release | None, platform: Platform
) -> Content:
    """Return a content that was noted without archive and manifest with those that the index has, else with the new ones."""
    image = held.images.get(platform) if held is not None else None
    known = content_of(image) if image is not None and image.config.raw == current.config else content
    if known.config != current.config:
        return current
    found.completed.append((key, known))
    return known


def _key(release: Release) -> tuple[str, str]:
    return release.name, release.version
