"""The file ``_headers`` of Netlify and Cloudflare Pages, by which these hosts know the media type of a manifest.

A rule is a path and, below it, header lines. In a path ``:word`` stands for one part, and ``*``, once in a path, for any text.
Where several rules match, Netlify takes the header of the last one, while Cloudflare joins the values with a comma unless the later
rule drops the earlier value (``! Content-Type``, a line that Netlify skips). Cloudflare reads `MAX_RULES` rules and no more.

So the first rules say that every manifest of a name of up to six parts is a manifest, and later rules name what is an index: each
such tag, or, where most tags of a name are indexes, all of its tags but those that are not. Indexes by digest follow, the newest
first, as far as there is room. A name that has no room is named in a comment, and its indexes are served with the wrong type.

Considered: ``/v2/*/manifests/*`` for all names (Cloudflare refuses two wildcards), a rule for each name (100 names at most).
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from catalog.image.canonical import INDEX_TYPE, MANIFEST_TYPE
from catalog.model.reference import version_key

HEADERS_PATH: Final = "_headers"
MARK: Final = b"# Written anew by each dcat export --static. To keep your own changes, delete this line.\n"
MAX_RULES: Final = 100  # of Cloudflare Pages
_DEPTH: Final = 6
_MOST_NAMED: Final = 20  # in the comment

_CONTENT: Final = ("Content-Type: application/octet-stream", "Cache-Control: public, max-age=31536000, immutable")
_RULES: Final = (
    ("/v2/", ("Content-Type: application/json", "Docker-Distribution-API-Version: registry/2.0")),
    ("/v2/*", ("X-Content-Type-Options: nosniff",)),
    ("/outlines/*", _CONTENT),
    ("/packs/*", _CONTENT),
    ("/deltas/*", _CONTENT),
    ("/routing/v1/ipns/*", ("Content-Type: application/vnd.ipfs.ipns-record", "Cache-Control: no-cache")),
    ("/dcat/v1/*", ("Content-Type: application/json", "Cache-Control: no-cache")),
)


@dataclass(frozen=True, slots=True)
class IndexedName:
    """A name of which some tags are indexes, and which tags are not."""

    name: str
    indexes: tuple[str, ...]
    manifests: tuple[str, ...]


def build_header_rules(names: Iterable[IndexedName], digest_of: Callable[[str, str], str]) -> bytes:
    """Return the file. ``names`` are those with indexes, the most important first; ``digest_of`` name and tag is an index's."""
    rules = [_rule(path, *lines) for path, lines in _RULES]
    for depth in range(1, _DEPTH + 1):
        parts = "/".join(f":part{number}" for number in range(1, depth + 1))
        rules.append(_rule(f"/v2/{parts}/manifests/:reference", f"Content-Type: {MANIFEST_TYPE}"))
    taken: list[IndexedName] = []
    left_out: list[str] = []
    for entry in names:
        needed = list(_rules_of(entry))
        if len(rules) + len(needed) > MAX_RULES or entry.name.count("/") >= _DEPTH:
            left_out.append(entry.name)
        else:
            taken.append(entry)
            rules += needed
    for name, tag in _by_age(taken):
        if len(rules) == MAX_RULES:
            break
        # What stands behind a colon would be the name of a placeholder.
        rules.append(_type_rule(name, digest_of(name, tag).replace(":", "*"), INDEX_TYPE))
    return MARK + "\n".join([*_describe(left_out), *rules, ""]).encode()


def _rules_of(entry: IndexedName) -> Iterator[str]:
    """Yield the fewest rules by which each tag of a name has its type."""
    if len(entry.indexes) <= 2 + len(entry.manifests):
        yield from (_type_rule(entry.name, tag, INDEX_TYPE) for tag in entry.indexes)
    else:
        yield _type_rule(entry.name, "*", INDEX_TYPE)
        yield _type_rule(entry.name, "sha256*", MANIFEST_TYPE)
        yield from (_type_rule(entry.name, tag, MANIFEST_TYPE) for tag in entry.manifests)


def _by_age(names: Sequence[IndexedName]) -> Iterator[tuple[str, str]]:
    """Yield name and tag of indexes: the newest of each name, then the second newest of each, and so on."""
    ordered = [(entry.name, sorted(entry.indexes, key=version_key, reverse=True)) for entry in names]
    for place in range(max((len(tags) for _, tags in ordered), default=0)):
        yield from ((name, tags[place]) for name, tags in ordered if place < len(tags))


def _type_rule(name: str, reference: str, media_type: str) -> str:
    return _rule(f"/v2/{name}/manifests/{reference}", "! Content-Type", f"Content-Type: {media_type}")


def _rule(path: str, *lines: str) -> str:
    return "\n".join([path, *(f"  {line}" for line in lines)])


def _describe(left_out: Sequence[str]) -> Iterator[str]:
    yield "# Netlify and Cloudflare Pages read this file, see docs/guides/hosting.md."
    if left_out:
        more = f", and {len(left_out) - _MOST_NAMED} more" if len(left_out) > _MOST_NAMED else ""
        yield f"# No room is left for the releases of several platforms of {', '.join(left_out[:_MOST_NAMED])}{more}:"
        yield f"# Cloudflare Pages reads {MAX_RULES} rules. docker and podman cannot pull them from these hosts."
