"""The releases of a name, as the index holds them, and what the trust store has noted of their contents."""

from __future__ import annotations

from catalog.index.order import encode_order
from catalog.model.digest import ConfigDigest
from catalog.model.platform import Platform, parse_platform
from catalog.model.release import Image, Release
from catalog.record import record
from catalog.snapshot.line import decode_line
from catalog.trust.content import Content, content_of
from catalog.trust.provisional import time_seen

TYPE_CHECKING = False  # see catalog.record
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from catalog.lookup.view import View


@record(frozen=True, slots=True)
class Row:
    """A release, and the platform of the image that it was found by (else empty)."""

    line: bytes
    platform: str = ""

    @property
    def release(self) -> Release:
        return decode_line(self.line)


@record(frozen=True, slots=True)
class ConflictRow:
    """A change of the content of a release: the old config, and the image that it has now. ``state`` is open or refused."""

    platform: Platform
    old: ConfigDigest
    image: Image
    state: str


def get_release(view: View, catalogue: str, name: str, version: str) -> Row | None:
    """Return one release, removed ones too; None where the catalogue does not have it."""
    rows = view.ask(
        "SELECT line FROM releases WHERE generation = ? AND name = ? AND sort = ?",
        view.generation(catalogue),
        name,
        encode_order(version),
    )
    return Row(rows[0][0]) if rows else None


def newest_releases(view: View, catalogue: str, name: str, most: int) -> list[Row]:
    """Return the newest releases of a name, removed ones too, newest version first."""
    statement = "SELECT line FROM releases WHERE generation = ? AND name = ? ORDER BY sort DESC LIMIT ?"
    return [Row(line) for (line,) in view.ask(statement, view.generation(catalogue), name, most)]


def usable_releases(view: View, catalogue: str, name: str) -> Iterator[Row]:
    """Yield the releases that are neither yanked nor removed, newest version first."""
    for version in view.versions(catalogue, name):
        rows = view.ask(
            "SELECT line FROM releases WHERE generation = ? AND name = ? AND sort = ? AND yanked IS NULL",
            view.generation(catalogue),
            name,
            encode_order(version),
        )
        if rows:
            yield Row(rows[0][0])


def conflicts_of(view: View, catalogue: str, name: str, version: str) -> list[ConflictRow]:
    """Return the changes of contents that were not accepted."""
    rows = view.ask_trust(
        "SELECT platform, old_config, new_line, state FROM conflicts JOIN catalogues USING (catalogue_id) "
        "WHERE catalogue = ? AND name = ? AND version = ? ORDER BY platform",
        catalogue,
        name,
        version,
    )
    found = []
    for text, old, line, state in rows:
        platform = parse_platform(text)
        found.append(ConflictRow(platform, ConfigDigest(old), decode_line(line).images[platform], state))
    return found


def times_seen(
    view: View, catalogue: str, name: str, version: str, images: Mapping[Platform, Image] | None = None
) -> dict[str, str]:
    """Return when this home first saw the current images of a release, by platform.

    An image of ``images`` that is in another format than the current one counts from when it was seen in that format.
    """
    key = (catalogue, name, version)
    columns = "platform, first_seen, config, format, archive, manifest"
    join = "JOIN catalogues USING (catalogue_id) WHERE catalogue = ? AND name = ? AND version = ?"
    rows = [
        row
        for table in ("former_contents", "contents")  # of two that are alike, the current one counts
        for row in view.ask_trust(f"SELECT {columns}, '{table}' FROM {table} {join}", *key)  # noqa: S608
    ]
    times = {platform: time_seen(noted) for platform, noted, *_, table in rows if table == "contents"}
    for platform, noted, *content, _ in rows:
        image = (images or {}).get(parse_platform(platform))
        if image is not None and Content(*content) == content_of(image):
            times[platform] = time_seen(noted)
    return times
