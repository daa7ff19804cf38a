"""The requested form of an answer: the ``format`` parameter, else ``Accept``; and the parameters of a CAR.

Source: ipfs/specs, trustless-gateway.md and IPIP-523: ``format`` takes precedence over ``Accept``; the ``car-*`` parameters of the
URL take precedence over those of ``Accept``, which count when its type is that of the format.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from catalog.server.gateway.listing import JSON, TEXT, ListingType
from catalog.server.gateway.selection import ByteRange, Scope
from catalog.sources.protocol import CAR_TYPE, RAW_TYPE, RECORD_TYPE

Format = Literal["raw", "car", "ipns-record", "file"]

_TYPES: Mapping[str, Format] = {RAW_TYPE: "raw", CAR_TYPE: "car", RECORD_TYPE: "ipns-record"}
_FILE_TYPES = frozenset({"*/*", "application/*", "application/octet-stream", "application/zstd"})
_TEXT_TYPES = frozenset({"*/*", "text/*", "text/plain"})
_JSON_TYPES = frozenset({"application/json", "application/*"})
_NUMBER = re.compile(r"-?[0-9]{1,19}", re.ASCII)


class UnsupportedError(Exception):
    """A form or parameter that is not served; ``status`` is 400 for a malformed one, 406 for an unsupported one."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status
        self.why = why


@dataclass(frozen=True, slots=True)
class Form:
    """The requested form, its parameters in Accept, and whether Accept alone chose it.

    Without a format, what the path leads to decides: ``file`` is whether its bytes are accepted, ``listing`` is how a directory is
    listed, None where no list is accepted.
    """

    format: Format
    parameters: Mapping[str, str]
    by_accept: bool
    file: bool = True
    listing: ListingType | None = TEXT


@dataclass(frozen=True, slots=True)
class CarQuery:
    """The selection of a CAR."""

    scope: Scope
    byte_range: ByteRange | None
    duplicates: bool

    @property
    def content_type(self) -> str:
        return f"{CAR_TYPE}; version=1; order=dfs; dups={'y' if self.duplicates else 'n'}"

    def format(self) -> str:
        """Return a text that differs for queries that select differently."""
        wanted = "" if self.byte_range is None else f"{self.byte_range.first}:{self.byte_range.last}"
        return f"{self.scope}.{wanted}.{self.duplicates}"


def negotiate(query: Mapping[str, str], accept: str) -> Form:
    """Return the form that a request asks for; raise `UnsupportedError` for one that is not served."""
    offers = [_parse_media_type(part) for part in accept.split(",") if part.strip()]
    named = query.get("format")
    if named is not None:
        for media_type, known in _TYPES.items():
            if known == named:
                return Form(known, next((given for offer, given in offers if offer == media_type), {}), by_accept=False)
        raise UnsupportedError(406, "supported formats are raw, car and ipns-record")
    for offer, given in offers:
        if offer in _TYPES:
            return Form(_TYPES[offer], given, by_accept=True)
    types = {offer for offer, _ in offers} or {"*/*"}
    file, listing = bool(types & _FILE_TYPES), _choose_listing(types)
    if not file and listing is None:
        raise UnsupportedError(406, f"supported types are {RAW_TYPE}, {CAR_TYPE}, {RECORD_TYPE}, files as they are, and lists")
    return Form("file", {}, by_accept=True, file=file, listing=listing)


def parse_car_query(query: Mapping[str, str], given: Mapping[str, str]) -> CarQuery:
    """Return the parameters of a CAR, from the URL and from Accept."""
    if query.get("car-version", given.get("version", "1")) != "1":
        raise UnsupportedError(406, "only CARs of version 1 are supported")
    if query.get("car-order", given.get("order", "dfs")) not in ("dfs", "unk"):
        raise UnsupportedError(406, "supported orders are dfs and unk")
    duplicates = query.get("car-dups", given.get("dups", "n"))
    if duplicates not in ("y", "n"):
        raise UnsupportedError(400, "dups must be y or n")
    scopes: dict[str, Scope] = {"block": "block", "entity": "entity", "all": "all"}
    byte_range = _parse_byte_range(query["entity-bytes"]) if "entity-bytes" in query else None
    scope = scopes.get(query.get("dag-scope", "all" if byte_range is None else "entity"))
    if scope is None:
        raise UnsupportedError(400, "dag-scope must be block, entity or all")
    if byte_range is not None and scope == "all":
        scope = "entity"
    return CarQuery(scope, byte_range, duplicates == "y")


def _choose_listing(types: set[str]) -> ListingType | None:
    """Return how a directory is listed: programs name JSON, people accept anything."""
    if "application/json" in types or (types & _JSON_TYPES and not types & _TEXT_TYPES):
        return JSON
    return TEXT if types & _TEXT_TYPES else None


def _parse_byte_range(text: str) -> ByteRange:
    first, _, last = text.partition(":")
    if not _NUMBER.fullmatch(first) or not (last == "*" or _NUMBER.fullmatch(last)):
        raise UnsupportedError(400, "entity-bytes must be from:to, two numbers, or * for the end")
    return ByteRange(int(first), None if last == "*" else int(last))


def _parse_media_type(text: str) -> tuple[str, dict[str, str]]:
    media_type, *parameters = (part.strip() for part in text.split(";"))
    pairs = (parameter.partition("=") for parameter in parameters)
    return media_type.lower(), {name.strip().lower(): value.strip().strip('"').lower() for name, _, value in pairs}
