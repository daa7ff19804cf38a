"""``catalogue.json``: the head of a snapshot, as RFC 8785 JSON and LF."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from catalog.errors import CidError, SnapshotError
from catalog.ipld.cid import Cid, parse_cid
from catalog.limits import MAX_ANNOTATION_LENGTH, MAX_RELEASES
from catalog.snapshot.json import check_extra, decode_json, encode_json
from catalog.snapshot.line import check_time

FORMAT = "dcat-catalogue/1"
_KEYS = frozenset({"format", "previous", "published", "releases", "title"})


@dataclass(frozen=True, slots=True)
class Catalogue:
    """A snapshot's head: ``releases`` is the number of lines, ``previous`` the last snapshot, ``extra`` the keys of newer
    formats.
    """

    title: str
    published: str
    previous: Cid | None
    releases: int
    extra: Mapping[str, object] = field(default_factory=dict)


def encode_catalogue(catalogue: Catalogue) -> bytes:
    """Return the file's bytes."""
    fields: dict[str, object] = {
        "format": FORMAT,
        "previous": None if catalogue.previous is None else str(catalogue.previous),
        "published": catalogue.published,
        "releases": catalogue.releases,
        "title": catalogue.title,
    }
    return encode_json(fields | dict(catalogue.extra)) + b"\n"


def decode_catalogue(data: bytes) -> Catalogue:
    """Read the file; raise `SnapshotError` for anything else."""
    if data[-1:] != b"\n":
        raise SnapshotError("catalogue.json does not end with a line feed")
    fields = decode_json(data[:-1])
    if fields.get("format") != FORMAT:
        raise SnapshotError(
            f"the catalogue has the format {str(fields.get('format'))[:60]!r}",
            why=f"this dcat reads {FORMAT}",
            hint="a newer dcat may read it",
        )
    if missing := _KEYS - fields.keys():
        raise SnapshotError(f'catalogue.json has no "{min(missing)}"')
    extra = {key: value for key, value in fields.items() if key not in _KEYS}
    check_extra(extra)
    title, releases = fields["title"], fields["releases"]
    if not isinstance(title, str) or len(title) > MAX_ANNOTATION_LENGTH:
        raise SnapshotError(f"the catalogue's title is not text of at most {MAX_ANNOTATION_LENGTH} characters")
    if type(releases) is not int or not 0 <= releases <= MAX_RELEASES:
        raise SnapshotError(f"the catalogue claims {str(releases)[:40]} releases", why=f"at most {MAX_RELEASES} are read")
    return Catalogue(title, check_time(fields["published"], "published"), _read_previous(fields["previous"]), releases, extra)


def _read_previous(value: object) -> Cid | None:
    if value is None:
        return None
    try:
        if isinstance(value, str) and value[:1] == "b":
            return parse_cid(value)
    except CidError:
        pass
    raise SnapshotError("the catalogue's previous snapshot is not a CIDv1 in base32")
