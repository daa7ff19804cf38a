"""Releases by the content of an image: which one a digest or the CID of an archive means.

A digest decides the archive, so lines that disagree cannot all be true, and a later line must not displace an earlier one: what
this home saw first counts (docs/safety.md, A26).
"""

from __future__ import annotations

from catalog.index.catalogue import CatalogueRow
from catalog.ipld.cid import Cid
from catalog.lookup.releases import Row, get_release, times_seen
from catalog.lookup.view import View
from catalog.model.digest import ConfigDigest, ManifestDigest
from catalog.model.platform import parse_platform
from catalog.model.reference import Reference
from catalog.model.release import Image
from catalog.record import record
from catalog.trust.provisional import SEEN

TYPE_CHECKING = False  # see catalog.record
if TYPE_CHECKING:
    from collections.abc import Iterator

_HELD_BY = {"archive": "substr(archive, -32)", "config": "config", "manifest": "manifest"}  # in the trust store
_MANY = 64  # images of one digest that are compared with each other
_Content = tuple[Cid, ConfigDigest, ManifestDigest]


@record(frozen=True, slots=True)
class Held:
    """Where an image was found by its archive, config or manifest; `held_row` reads the release."""

    catalogue: str
    release_id: int
    name: str
    version: str
    platform: str


def find_content(view: View, reference: Reference) -> tuple[CatalogueRow, Row] | None:
    """Return the release that holds what a reference without a name means, in the first catalogue that shows it; None for none."""
    order = {row.catalogue: place for place, row in enumerate(view.catalogues())}
    for catalogue, row in sorted(find_holding(view, reference), key=lambda pair: order.get(pair[0], len(order))):
        shown = view.catalogue(catalogue)
        if shown is not None:
            return shown, row
    return None


def find_holding(view: View, reference: Reference, catalogue: str | None = None, name: str | None = None) -> list[tuple[str, Row]]:
    """Return the images with the digest or CID of a reference, all of one content: the own catalogue's, else the first seen."""
    if reference.cid is not None:
        return _held_by(view, "archive", reference.cid.digest, catalogue, name)
    if reference.digest is None:
        return []
    found = _held_by(view, "config", reference.digest.raw, catalogue, name)
    return found or _held_by(view, "manifest", reference.digest.raw, catalogue, name)


def holding(
    view: View, column: str, digest: bytes, *, catalogue: str | None = None, name: str | None = None, most: int = -1
) -> list[Held]:
    """Return the images with this archive, config or manifest (``column``), by name, newest version first."""
    if column not in _HELD_BY:
        raise ValueError(column)
    indexed = "substr(archive, 1, 6) = substr(?1, 1, 6) AND " if column == "archive" else ""
    rows = view.ask(
        "SELECT catalogues.catalogue, release_id, name, version, platform "  # noqa: S608
        "FROM images JOIN releases USING (release_id) JOIN catalogues USING (generation) "
        f"WHERE {indexed}images.{column} = ?1 "
        + ("" if catalogue is None else "AND releases.generation = ?3 AND releases.name = ?4 ")
        + "ORDER BY name, sort DESC, platform LIMIT ?2",
        digest,
        most,
        *(() if catalogue is None else (view.generation(catalogue), name)),
    )
    return [Held(*row) for row in rows]


def held_row(view: View, held: Held) -> Row:
    """Return the release of an image that `holding` found."""
    ((line,),) = view.ask("SELECT line FROM releases WHERE release_id = ?", held.release_id)
    return Row(line, held.platform)


def first_seen(
    view: View, column: str, digest: bytes, *, catalogue: str | None = None, name: str | None = None, most: int
) -> Iterator[tuple[str, Row]]:
    """Yield the images with this archive, config or manifest that this home saw first, the own ones before all.

    Of those that are current here, ``most`` are looked at. Reads the row of every content, in little memory.
    """
    scope = "" if catalogue is None else "AND catalogue = ?3 AND name = ?4 "
    rows = view.ask_trust(
        "SELECT catalogue, name, version, platform FROM contents JOIN catalogues USING (catalogue_id) "  # noqa: S608
        f"WHERE {_HELD_BY[column]} = ?1 {scope}"
        f"ORDER BY own DESC, {SEEN}, position LIMIT ?2",
        digest,
        most,
        *(() if catalogue is None else (catalogue, name)),
    )
    for found, there, version, platform in rows:
        row = get_release(view, found, there, version)
        image = None if row is None else row.release.images.get(parse_platform(platform))
        if row is not None and image is not None and _digest_of(image, column) == digest:
            yield found, Row(row.line, platform)


def _held_by(view: View, column: str, digest: bytes, catalogue: str | None, name: str | None) -> list[tuple[str, Row]]:
    found = holding(view, column, digest, catalogue=catalogue, name=name, most=_MANY + 1)
    if len(found) > _MANY:  # somebody lists it over and over: what was seen first counts, the rest is not read
        first = next(first_seen(view, column, digest, catalogue=catalogue, name=name, most=_MANY), None)
        if first is not None:
            return [first]
    return _first_seen_content(view, [(held.catalogue, held_row(view, held)) for held in found[:_MANY]])


def _first_seen_content(view: View, found: list[tuple[str, Row]]) -> list[tuple[str, Row]]:
    """Return those of the images found by one digest or CID that have one content: the own catalogue's, else the first seen."""
    if len(found) < 2:
        return found
    places = {row.catalogue: place for place, row in enumerate(view.catalogues())}
    ranks: dict[_Content, tuple[bool, str, int]] = {}
    contents: dict[_Content, list[tuple[str, Row]]] = {}
    for catalogue, row in found:
        release = row.release
        image = release.images[parse_platform(row.platform)]
        shown = view.catalogue(catalogue)
        seen = times_seen(view, catalogue, release.name, release.version, release.images).get(row.platform, "")
        rank = (shown is None or not shown.own, seen, places.get(catalogue, len(places)))
        content = (image.archive, image.config, image.manifest)
        ranks[content] = min(rank, ranks.get(content, rank))
        contents.setdefault(content, []).append((catalogue, row))
    return contents[min(ranks, key=ranks.__getitem__)]


def _digest_of(image: Image, column: str) -> bytes:
    return {"archive": image.archive.digest, "config": image.config.raw, "manifest": image.manifest.raw}[column]
