"""How Netlify and Cloudflare Pages apply a ``_headers`` file, as their documents and their own parsers have it.

Written from developers.cloudflare.com/pages/configuration/headers (and workers-sdk, which drops and joins headers),
docs.netlify.com/manage/routing/headers (and netlify's headers-parser, where later rules win).
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

Apply = Callable[[str, str], dict[str, str]]
"""Text of the file and path of a request to the headers that the file asks for."""


@dataclass
class _Rule:
    path: str
    headers: list[tuple[str, str]] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)


def cloudflare_headers(text: str, path: str) -> dict[str, str]:
    """100 rules; one ``*`` a path; a header that several rules set is joined, unless a rule drops what was set before."""
    found: dict[str, str] = {}
    for rule in list(_parse(text))[:100]:
        assert rule.path.count("*") <= 1, f"Cloudflare refuses {rule.path}"
        assert all(len(line) <= 2000 for line in (rule.path, *(f"{name}: {value}" for name, value in rule.headers)))
        pattern = "(.*)".join(re.escape(part) for part in rule.path.split("*"))
        if re.fullmatch(re.sub(r":[A-Za-z]\w*", "[^/]+", pattern), path):
            for name in rule.dropped:
                found.pop(name.lower(), None)
            for name, value in rule.headers:
                before = found.get(name.lower())
                found[name.lower()] = value if before is None else f"{before}, {value}"
    return found


def netlify_headers(text: str, path: str) -> dict[str, str]:
    """A path part that begins with ``:`` is any one part, ``*`` as the last part anything below; the last rule wins."""
    found: dict[str, str] = {}
    for rule in _parse(text):
        parts = []
        for part in rule.path.strip("/").split("/"):
            parts.append("[^/]+" if part.startswith(":") else "(.*)".join(re.escape(piece) for piece in part.split("*")))
        if re.fullmatch("/" + "/".join(parts) + "/?", path, re.IGNORECASE):
            found.update((name.lower(), value) for name, value in rule.headers)
    return found


def _parse(text: str) -> Iterator[_Rule]:
    rule: _Rule | None = None
    for line in map(str.strip, text.splitlines()):
        if line.startswith("/"):
            if rule is not None:
                yield rule
            rule = _Rule(line)
        elif line and not line.startswith("#"):
            assert rule is not None, f"{line} stands before all paths"
            name, colon, value = line.partition(":")
            if colon:
                rule.headers.append((name.strip(), value.strip()))
            elif line.startswith("! "):
                rule.dropped.append(line[2:])
    if rule is not None:
        yield rule
