"""Text of publishers as Markdown, to an allow-list of tags.

Read: paragraphs, headings, lists, quotes, fenced and indented code; emphasis, code spans, links to ``http`` and ``https``. Every
other character is text, HTML included: the output is made of the tags that stand here and of escaped text, so nothing can be let
through by mistake. There are no images, since a page loads nothing from elsewhere.
Considered: a full CommonMark parser and a sanitiser behind it. That is two libraries whose gaps have been holes before
(CVE-2020-27832).
"""

import re

from markupsafe import Markup
from markupsafe import escape as escape_html

from catalog.model.text import escape

_LINK = re.compile(r"\[([^\[\]]{1,300})\]\((https?://[^\s()<>\"']{1,500})\)")
_BARE = re.compile(r"https?://[^\s()<>\"'\[\]]{1,500}[^\s()<>\"'\[\].,;:!?]")
_CODE = re.compile(r"`([^`]{1,500})`")
_STRONG = re.compile(r"\*\*([^*\s](?:[^*]{0,300}[^*\s])?)\*\*")
_EMPHASIS = re.compile(r"(?<![\w*])[*_]([^*_\s](?:[^*_]{0,300}[^*_\s])?)[*_](?![\w*])")
_HEADING = re.compile(r"(#{1,6})\s+(.*?)\s*#*")
_ITEM = re.compile(r"\s{0,3}(?:[-*+]|(\d{1,3})[.)])\s+(.*)")
_MAX_SIZE = 16 * 1024
_INLINE = ((_CODE, "code"), (_STRONG, "strong"), (_EMPHASIS, "em"))


def render_markdown(text: str) -> Markup:
    """Return text as HTML of harmless tags."""
    lines = text[:_MAX_SIZE].replace("\r\n", "\n").split("\n")
    parts: list[Markup] = []
    at = 0
    while at < len(lines):
        at = _read_part(lines, at, parts)
    return Markup("\n").join(parts)


def _read_part(lines: list[str], at: int, parts: list[Markup]) -> int:
    """Read one paragraph, list, heading or block of code; return the number of the line behind it."""
    line = lines[at]
    if not line.strip():
        return at + 1
    if line.lstrip().startswith("```"):
        end = next((number for number in range(at + 1, len(lines)) if lines[number].lstrip().startswith("```")), len(lines))
        parts.append(_code(lines[at + 1 : end]))
        return end + 1
    heading = _HEADING.fullmatch(line)
    if heading:
        level = min(len(heading[1]) + 2, 6)
        parts.append(Markup("<h{0}>{1}</h{0}>").format(level, _inline(heading[2])))
        return at + 1
    end = at
    while end < len(lines) and lines[end].strip() and (end == at or not _starts_part(lines[end], line)):
        end += 1
    if line.startswith("    "):
        parts.append(_code([entry.removeprefix("    ") for entry in lines[at:end]]))
    elif _ITEM.fullmatch(line):
        parts.append(_list(lines[at:end]))
    elif line.startswith(">"):
        parts.append(
            Markup("<blockquote><p>{}</p></blockquote>").format(_inline(" ".join(entry.lstrip("> ") for entry in lines[at:end])))
        )
    else:
        parts.append(Markup("<p>{}</p>").format(_inline(" ".join(entry.strip() for entry in lines[at:end]))))
    return end


def _starts_part(line: str, first: str) -> bool:
    if line.lstrip().startswith("```") or _HEADING.fullmatch(line):
        return True
    return bool(_ITEM.fullmatch(line)) and not _ITEM.fullmatch(first)


def _code(lines: list[str]) -> Markup:
    return Markup("<pre><code>{}</code></pre>").format(Markup("\n").join(_text(line) for line in lines))


def _list(lines: list[str]) -> Markup:
    items: list[str] = []
    ordered = False
    for line in lines:
        match = _ITEM.fullmatch(line)
        if match:
            ordered = ordered or (not items and match[1] is not None)
            items.append(match[2])
        elif items:
            items[-1] += f" {line.strip()}"
    tag = "ol" if ordered else "ul"
    return Markup("<{0}>{1}</{0}>").format(tag, Markup("").join(Markup("<li>{}</li>").format(_inline(item)) for item in items))


def _inline(text: str) -> Markup:
    """Return the text of a paragraph: links first, then what is marked up between them."""
    made = Markup("")
    at = 0
    while at < len(text):
        found = _LINK.search(text, at)
        bare = _BARE.search(text, at)
        if bare and (found is None or bare.start() < found.start()):
            made += _mark(text[at : bare.start()]) + _link(bare[0], _text(bare[0]))
            at = bare.end()
        elif found:
            made += _mark(text[at : found.start()]) + _link(found[2], _mark(found[1]))
            at = found.end()
        else:
            made += _mark(text[at:])
            break
    return made


def _link(address: str, text: Markup) -> Markup:
    return Markup('<a href="{}" rel="nofollow noopener noreferrer">{}</a>').format(escape(address), text)


def _mark(text: str) -> Markup:
    """Return text with its code spans and emphasis marked up."""
    made = Markup("")
    at = 0
    while at < len(text):
        found = [
            (match.start(), order, match, tag)
            for order, (pattern, tag) in enumerate(_INLINE)
            if (match := pattern.search(text, at))
        ]
        if not found:
            break
        start, _, match, tag = min(found, key=lambda entry: entry[:2])
        inside = _text(match[1]) if tag == "code" else _mark(match[1])
        made += _text(text[at:start]) + Markup("<{0}>{1}</{0}>").format(tag, inside)
        at = match.end()
    return made + _text(text[at:])


def _text(text: str) -> Markup:
    return escape_html(escape(text))
