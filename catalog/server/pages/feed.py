"""Atom feeds of new releases: of a catalogue, and of one name (RFC 4287)."""

from markupsafe import escape as escape_xml

from catalog.index.history import list_changes
from catalog.index.releases import list_releases
from catalog.lookup.releases import get_release
from catalog.model.reference import check_name
from catalog.model.release import Release
from catalog.model.text import escape, format_size
from catalog.server.pages.links import catalogue_link, name_link, release_link
from catalog.server.pages.views.name import unknown_name
from catalog.server.pages.visit import Visit

_ENTRIES = 50
_EPOCH = "1970-01-01T00:00:00Z"


def name_feed(visit: Visit, label: str, name: str) -> str:
    """Return the feed of a name's releases, newest version first."""
    row = visit.catalogue(label)
    check_name(name)
    with visit.home.index.read() as connection:
        found = list_releases(connection, row.catalogue, name, limit=_ENTRIES)
    if not found:
        raise unknown_name(visit, row, name)
    page = name_link(row.label, name)
    return _feed(visit, row.catalogue, f"{row.label}/{name}", page, f"{page}.atom", found, row.label)


def catalogue_feed(visit: Visit, label: str) -> str:
    """Return the feed of the releases that a catalogue added last, as this home saw them."""
    row = visit.catalogue(label)
    with visit.home.index.read() as connection:
        changes = list_changes(connection, catalogue=row.catalogue, limit=4 * _ENTRIES)
    found: dict[tuple[str, str], Release] = {}
    for change in changes:
        if change.kind == "published" and (change.name, change.version) not in found and len(found) < _ENTRIES:
            known = get_release(visit.view, row.catalogue, change.name, change.version)
            if known is not None:
                found[change.name, change.version] = known.release
    page = catalogue_link(row.label)
    return _feed(visit, row.catalogue, f"Releases of {row.label}", page, f"{page}.atom", list(found.values()), row.label)


def _feed(visit: Visit, catalogue: str, title: str, page: str, own: str, releases: list[Release], label: str) -> str:
    shown = [release for release in releases if release.removed is None]
    updated = max((release.published for release in shown), default=_EPOCH)
    entries = "".join(_entry(visit, catalogue, label, release) for release in shown)
    identity = f"ipns://{catalogue}{own}"
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n<feed xmlns="http://www.w3.org/2005/Atom">'
        f"<id>{_text(identity)}</id><title>{_text(title)}</title><updated>{_text(updated)}</updated>"
        f'<link rel="self" type="application/atom+xml" href="{_text(visit.server + own)}"/>'
        f'<link rel="alternate" type="text/html" href="{_text(visit.server + page)}"/>'
        f"<author><name>{_text(label)}</name></author>{entries}</feed>\n"
    )


def _entry(visit: Visit, catalogue: str, label: str, release: Release) -> str:
    address = visit.server + release_link(label, release.reference)
    platforms = ", ".join(f"{platform} {format_size(image.size)}" for platform, image in sorted(release.images.items()))
    title = release.annotations.get("title", "")
    summary = ". ".join(
        part for part in (title, platforms, f"Yanked: {release.yanked}" if release.yanked is not None else "") if part
    )
    return (
        f"<entry><id>{_text(f'ipns://{catalogue}/releases/{release.reference}')}</id><title>{_text(release.reference)}</title>"
        f'<updated>{_text(release.published)}</updated><link rel="alternate" type="text/html" href="{_text(address)}"/>'
        f"<summary>{_text(summary)}</summary></entry>"
    )


def _text(text: str) -> str:
    return str(escape_xml(escape(text).replace("\ufffe", "\\u{fffe}").replace("\uffff", "\\u{ffff}")))
