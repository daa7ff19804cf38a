"""One CID: what it is, what it links, and the releases that it belongs to."""

from dataclasses import dataclass

from catalog.errors import CidError, CodecError, PathNotFoundError
from catalog.index.releases import find_archive
from catalog.index.subscriptions import list_catalogues
from catalog.ipld.cid import DAG_CBOR, DAG_PB, RAW, parse_cid
from catalog.ipld.dag_pb import PBLink, decode_node
from catalog.server.pages.visit import Visit
from catalog.unixfs.node import decode_data

_LINKS = 200
_OWNERS = 200
_CODECS = {RAW: "raw", DAG_PB: "dag-pb", DAG_CBOR: "dag-cbor"}


@dataclass(frozen=True, slots=True)
class LinkRow:
    """A link of the block; ``here`` is whether what it leads to is held."""

    cid: str
    name: str
    size: int | None
    here: bool


@dataclass(frozen=True, slots=True)
class OwnerRow:
    """A release whose archive this is."""

    label: str
    reference: str
    platform: str


@dataclass(frozen=True, slots=True)
class CidPage:
    """A block that is held. ``kind`` is what UnixFS calls it, ``links`` the first of ``total``; ``size`` is that of the block
    itself."""

    cid: str
    codec: str
    kind: str
    size: int
    content: int | None
    links: tuple[LinkRow, ...]
    total: int
    owners: tuple[OwnerRow, ...]


def cid(visit: Visit, cid: str) -> CidPage:
    """Make the page of a CID; raise `CidError` for what is not one, `PathNotFoundError` for a block that is not here."""
    try:
        parsed = parse_cid(cid)
    except CidError as error:
        raise CidError(f'"{cid[:120]}" is not a CID', why=error.message) from error
    owners = _find_owners(visit, cid)
    if not visit.blocks.has(parsed):
        raise PathNotFoundError(f"no block {parsed} is here", why="this server shows only what its home holds")
    data = visit.blocks.get(parsed)
    kind = "bytes"
    content: int | None = len(data)
    found: tuple[PBLink, ...] = ()
    if parsed.codec == DAG_PB:
        kind, content = "node", None
        try:
            found, message = decode_node(data)
            if message is not None:
                node = decode_data(message)
                kind, content = node.type.name.lower().replace("_", " "), node.filesize
        except CodecError:
            kind = "malformed"
    rows = tuple(
        LinkRow(str(link.cid), (link.name or b"").decode("utf-8", "backslashreplace"), link.tsize, visit.blocks.has(link.cid))
        for link in found[:_LINKS]
    )
    return CidPage(str(parsed), _CODECS.get(parsed.codec, "other"), kind, len(data), content, rows, len(found), owners)


def _find_owners(visit: Visit, text: str) -> tuple[OwnerRow, ...]:
    parsed = parse_cid(text)
    with visit.home.index.read() as connection:
        labels = {row.catalogue: row.label for row in list_catalogues(connection)}
        found = find_archive(connection, parsed, most=_OWNERS)
    return tuple(
        OwnerRow(labels[catalogue], release.reference, str(platform))
        for catalogue, release in found
        for platform, image in sorted(release.images.items())
        if image.archive.digest == parsed.digest
    )
