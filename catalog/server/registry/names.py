"""What names, tags and digests mean in this home, as the registry asks."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from heapq import merge
from itertools import islice
from pathlib import Path

from catalog.errors import DcatError
from catalog.limits import MAX_LISTED_TAGS
from catalog.lookup.locate import Lookup, Resolved, open_lookup
from catalog.lookup.releases import conflicts_of, newest_releases, usable_releases
from catalog.lookup.view import View
from catalog.model.digest import Digest
from catalog.model.platform import Platform
from catalog.model.reference import parse_reference
from catalog.model.release import Image, Release

_PAGE = 256


@dataclass(frozen=True, slots=True)
class NamedRelease:
    """A release under the name that it was asked for.

    ``yanked`` is the reason, if it was yanked; ``followed`` is the catalogue that it belongs to, unless that is the own one.
    """

    name: str
    release: Release
    followed: str | None = None

    @property
    def images(self) -> Mapping[Platform, Image]:
        return self.release.images

    @property
    def yanked(self) -> str | None:
        return self.release.yanked


class HomeReleases:
    """The releases of a home: the own ones, and those of the catalogues that it follows."""

    def __init__(self, home: Path, now: Callable[[], datetime]) -> None:
        self._home = home
        self._now = now

    def find_tag(self, name: str, tag: str) -> NamedRelease | None:
        """Return the release of a version; None where there is none, or it is removed or in conflict."""
        with open_lookup(self._home) as lookup:
            resolved = self._resolve(lookup, f"{name}:{tag}")
        return _name(name, resolved) if resolved is not None and resolved.release.version == tag else None

    def find_image(self, name: str, digest: Digest) -> tuple[NamedRelease, Platform, Image] | None:
        """Return the image with this config or manifest digest under ``name``, with its release."""
        with open_lookup(self._home) as lookup:
            resolved = self._resolve(lookup, f"{name}@{digest}")
        if resolved is None or resolved.platform is None or resolved.image is None:
            return None
        return _name(name, resolved), resolved.platform, resolved.image

    def iterate(self, name: str) -> Iterator[NamedRelease]:
        """Yield the releases under a name that may be shown, the newest version first."""
        with open_lookup(self._home) as lookup:
            try:
                catalogue, there = lookup.locate(name)
            except DcatError:
                return
            rows = newest_releases(lookup.view, catalogue.catalogue, there, MAX_LISTED_TAGS)
            for release in (row.release for row in rows):
                if release.removed is None and release.images and not _is_contested(lookup.view, catalogue.catalogue, release):
                    yield NamedRelease(name, release, None if catalogue.own else catalogue.catalogue)

    def has_name(self, name: str) -> bool:
        """Return whether a name means something here."""
        with open_lookup(self._home) as lookup:
            try:
                lookup.locate(name)
            except DcatError:
                return False
        return True

    def is_chosen(self, name: str) -> bool:
        """Return whether a name was chosen here: it means the own catalogue, or has an alias in front."""
        with open_lookup(self._home) as lookup:
            try:
                catalogue, _ = lookup.locate(name)
            except DcatError:
                return False
            return catalogue.own or lookup.view.alias_holder(name.partition("/")[0]) is not None

    def list_tags(self, name: str) -> list[str] | None:
        """Return the versions that are neither yanked nor removed, sorted as text; None for an unknown name."""
        with open_lookup(self._home) as lookup:
            try:
                catalogue, there = lookup.locate(name)
            except DcatError:
                return None
            usable = islice(usable_releases(lookup.view, catalogue.catalogue, there), MAX_LISTED_TAGS)
            return sorted(release.version for release in (row.release for row in usable) if release.images)

    def list_names(self, after: str, most: int) -> list[str]:
        """Return at most ``most`` names that follow ``after``, sorted as text."""
        with open_lookup(self._home) as lookup:
            aliases = dict(lookup.view.aliases())
            sources = [_names(lookup.view, catalogue, f"{alias}/", after) for alias, catalogue in aliases.items()]
            own = lookup.view.own()
            if own is not None:
                sources.append(_names(lookup.view, own.catalogue, "", after))
            return list(islice(merge(*sources), most))

    def _resolve(self, lookup: Lookup, text: str) -> Resolved | None:
        try:
            return lookup.resolve(parse_reference(text), now=self._now())
        except DcatError:
            return None


def _name(name: str, resolved: Resolved) -> NamedRelease:
    catalogue = resolved.catalogue
    return NamedRelease(name, resolved.release, None if catalogue.own else catalogue.catalogue)


def _is_contested(view: View, catalogue: str, release: Release) -> bool:
    return any(conflict.state == "open" for conflict in conflicts_of(view, catalogue, release.name, release.version))


def _names(view: View, catalogue: str, prefix: str, after: str) -> Iterator[str]:
    """Yield the names of a catalogue behind ``prefix`` that follow ``after``, sorted, by pages."""
    if after < prefix:
        start = ""
    elif after.startswith(prefix):
        start = after[len(prefix) :]
    else:
        return
    while True:
        page = view.names_after(catalogue, start, _PAGE)
        yield from (prefix + name for name in page)
        if len(page) < _PAGE:
            return
        start = page[-1]


def tags_after(tags: list[str], last: str, most: int) -> tuple[list[str], bool]:
    """Return at most ``most`` tags that follow ``last``, and whether more follow."""
    rest = [tag for tag in tags if tag > last]
    return rest[:most], len(rest) > most
