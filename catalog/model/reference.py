"""References to releases as people type them: parsing, formatting, and the order of versions.

``[alias/]name@version``, ``name:version``, ``name@sha256:…``, ``name@<CID>``, a bare archive CID, ``ipfs://<CID>``.
After ``@``, ``sha256:`` and 64 hex digits is a digest, a valid CID is a CID, anything else a version. Names follow Docker's
repository grammar and versions its tag grammar (distribution/reference, regexp.go), so both can be an engine's tags.
Whether the first part of a name is an alias depends on the subscriptions of a home: `catalog.lookup.locate` decides that.
"""

import re
from collections.abc import Iterable

from catalog.errors import (
    CidError,
    InvalidNameError,
    InvalidReferenceError,
    InvalidVersionError,
)
from catalog.ipld.cid import Cid, parse_cid
from catalog.limits import MAX_NAME_LENGTH, MAX_VERSION_LENGTH
from catalog.model.digest import Digest, is_hex
from catalog.record import record

MINE = "mine"
"""Stands for the own catalogue where an alias may stand, so no name of a reference begins with ``mine/``."""

_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_NAME = re.compile(rf"{_PART}(?:/{_PART})*", re.ASCII)
_VERSION = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*", re.ASCII)
_RESERVED_ENDINGS = (".tar.zst", ".delta")
_UNPUBLISHABLE_VERSION = "latest"


@record(frozen=True, slots=True)
class Reference:
    """A parsed reference: a name with at most one of version, digest and CID, or a CID alone (then ``name`` is empty)."""

    name: str = ""
    version: str = ""
    digest: Digest | None = None
    cid: Cid | None = None

    def __str__(self) -> str:
        target = self.version or (str(self.digest) if self.digest else "") or (str(self.cid) if self.cid else "")
        return f"{self.name}@{target}" if self.name and target else self.name or target


def check_name(name: str) -> str:
    """Return ``name`` if it is valid; raise `InvalidNameError` otherwise."""
    if not name or len(name) > MAX_NAME_LENGTH or not _NAME.fullmatch(name):
        raise InvalidNameError(
            f'"{name[:100]}" is not a valid name',
            why="a name is lower-case letters and digits, joined by single . _ __ or dashes, in parts divided by /; at most 255",
        )
    parts = name.split("/")
    if any(part.endswith(_RESERVED_ENDINGS) for part in parts):
        raise InvalidNameError(f'"{name}" is not a valid name', why="no part of a name ends in .tar.zst or .delta")
    if is_hex(name):
        raise InvalidNameError(f'"{name}" is not a valid name', why="64 hex digits read as a digest")
    return name


def check_version(version: str) -> str:
    """Return ``version`` if it is valid; raise `InvalidVersionError` otherwise."""
    if not version or len(version) > MAX_VERSION_LENGTH or not _VERSION.fullmatch(version):
        raise InvalidVersionError(
            f'"{version[:100]}" is not a valid version',
            why="a version is letters, digits, . _ and dashes, at most 128, no . or - first",
        )
    if is_hex(version) or _read_cid(version) is not None:
        raise InvalidVersionError(f'"{version}" is not a valid version', why="it reads as a digest or a CID")
    return version


def check_publishable(name: str, version: str) -> None:
    """Raise unless this name and version may be published."""
    check_name(name)
    check_version(version)
    if version == _UNPUBLISHABLE_VERSION:
        raise InvalidVersionError(
            f'"{version}" cannot be published',
            why="a version never changes, and latest means the newest",
            hint="give a version",
        )


def parse_reference(text: str) -> Reference:
    """Read a reference; a name without a version is one too (its operation decides whether that is enough)."""
    bare = text.removeprefix("ipfs://")
    if bare != text:
        try:
            return Reference(cid=parse_cid(bare))
        except CidError as error:
            why = f"ipfs:// must be followed by a CID, and this is not one: {error.message}"
            raise InvalidReferenceError(f'"{text[:120]}" is not a valid reference', why=why) from error
    scheme, separator, _ = text.partition("://")
    if separator:  # not shown: its part before an @ may hold a password
        raise InvalidNameError(
            f'"{scheme[:20]}://…" is not a valid name',
            why="a reference is not a URL",
            hint="take an image from there by its full reference",
        )
    cid = _read_cid(bare)
    if cid is not None:
        return Reference(cid=cid)
    if text.startswith("sha256:"):
        return Reference(digest=Digest.parse(text))
    name, separator, target = text.partition("@")
    if not separator:
        name, separator, target = text.partition(":")
        if "/" in target or (separator and target.isdigit() and "." in name and "/" not in name and not _NAME.fullmatch(name)):
            raise InvalidNameError(
                f'"{text[:120]}" is not a valid name',
                why="names carry no registry host and no port",
                hint="take an image from there by its full reference",
            )
        if separator:
            return Reference(check_name(name), check_version(target))
        return Reference(check_name(name))
    check_name(name)
    if target.startswith("sha256:"):
        return Reference(name, digest=Digest.parse(target))
    cid = _read_cid(target)
    if cid is not None:
        return Reference(name, cid=cid)
    return Reference(name, check_version(target))


def _read_cid(text: str) -> Cid | None:
    if len(text) < 46:
        return None
    try:
        return parse_cid(text)
    except CidError:
        return None


def nearest(typed: str, known: Iterable[str], *, edits: int = 2, most: int = 3) -> list[str]:
    """Return those of ``known`` that differ from ``typed`` by at most ``edits`` edits, nearest first.

    An edit is a character more, less or other, or two neighbours swapped (optimal string alignment).
    """
    found = []
    for candidate in known:
        if abs(len(candidate) - len(typed)) <= edits and (distance := _distance(typed, candidate, edits)) <= edits:
            found.append((distance, candidate))
    return [candidate for _, candidate in sorted(found)[:most]]


def _distance(one: str, other: str, enough: int) -> int:
    before: list[int] = []
    last = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        row = [i]
        for j, b in enumerate(other, 1):
            cost = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (a != b))
            if i > 1 and j > 1 and a == other[j - 2] and one[i - 2] == b:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        if min(row) > enough:
            return enough + 1
        before, last = last, row
    return last[-1]


_TOKEN = re.compile(r"\d+|[a-z]+", re.ASCII)
_PRE_RELEASE = {"dev": -5, "alpha": -4, "a": -4, "beta": -3, "b": -3, "pre": -2, "preview": -2, "rc": -1, "c": -1}

VersionKey = tuple[tuple[int, int, str], ...]


def version_key(version: str) -> tuple[VersionKey, str]:
    """Return a key that sorts versions as people read them: numbers as numbers, ``1.0-rc1`` before ``1.0``, ``v1.0`` like ``1.0``.

    A total order: versions with equal numbers and words are ordered by their text.
    """
    text = version.lower()
    if re.match(r"v\d", text):
        text = text[1:]
    tokens: list[tuple[int, int, str]] = []
    for token in _TOKEN.findall(text):
        if token[0].isdigit():
            tokens.append((2, int(token), ""))
        elif token in _PRE_RELEASE:
            tokens.append((0, _PRE_RELEASE[token], ""))
        else:
            tokens.append((1, 1, token))
    # The end of a version sorts after a pre-release word and before any continuation.
    tokens.append((1, 0, ""))
    return tuple(tokens), version
