"""The instructions of a Dockerfile, as words with their places in the text.

Read are the parser directives (``escape``), comments, continued lines and here-documents. Source: Dockerfile reference; BuildKit,
frontend/dockerfile/parser.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from catalog.errors import InvalidInputError
from catalog.limits import MAX_DOCKERFILE_LINES

_DIRECTIVE = re.compile(r"#[ \t]*([A-Za-z][A-Za-z0-9]*)[ \t]*=[ \t]*(.*?)[ \t]*")
_HEREDOC = re.compile(r"[0-9]*<<(-?)([^<\s]+)")
_WITH_HEREDOCS = frozenset({"RUN", "COPY", "ADD"})


@dataclass(frozen=True, slots=True)
class Word:
    """A word of an instruction, without its quotes, and its place; ``is_plain``: it stands on one line as it is."""

    text: str
    start: int
    stop: int
    is_plain: bool


def read_instructions(text: str) -> Iterator[list[Word]]:
    """Yield the words of each instruction; here-documents are passed over."""
    lines = _lines(text)
    if len(lines) > MAX_DOCKERFILE_LINES:
        raise InvalidInputError("the file is too large", why=f"it has more than {MAX_DOCKERFILE_LINES} lines")
    escape = _find_escape(text, lines)
    at = 0
    while at < len(lines):
        start, stop = lines[at]
        if not (stripped := text[start:stop].strip()) or stripped.startswith("#"):
            at += 1
            continue
        parts: list[tuple[int, int]] = []
        while True:
            start, stop = lines[at]
            at += 1
            line = text[start:stop]
            if parts and (not line.strip() or line.lstrip().startswith("#")):  # within an instruction these are left out
                if at == len(lines):
                    break
                continue
            bare = line.rstrip(" \t")
            is_continued = bare.endswith(escape)
            parts.append((start, start + len(bare) - is_continued))
            if not is_continued or at == len(lines):
                break
        words = _split(text, parts, escape)
        if not words:
            continue
        first = words[1] if words[0].text.upper() == "ONBUILD" and len(words) > 1 else words[0]
        if first.text.upper() in _WITH_HEREDOCS:
            at = _skip_heredocs(text, lines, at, _heredocs(text, words))
        yield words


def _lines(text: str) -> list[tuple[int, int]]:
    """Return start and end of each line, without its end."""
    found, start = [], len(text) - len(text.removeprefix("\ufeff"))
    while start < len(text):
        stop = text.find("\n", start)
        stop = len(text) if stop < 0 else stop
        found.append((start, stop - (stop > start and text[stop - 1] == "\r")))
        start = stop + 1
    return found


def _find_escape(text: str, lines: list[tuple[int, int]]) -> str:
    """Return the escape character: directives stand before anything else, each once."""
    seen: set[str] = set()
    for start, stop in lines:
        match = _DIRECTIVE.fullmatch(text, start, stop)
        if match is None or match[1].lower() in seen:
            break
        seen.add(match[1].lower())
        if match[1].lower() == "escape":
            if match[2] not in ("\\", "`"):
                raise InvalidInputError("this is not a Dockerfile", why="the escape directive takes a backslash or a backtick")
            return match[2]
    return "\\"


def _split(text: str, parts: list[tuple[int, int]], escape: str) -> list[Word]:
    """Return the words of an instruction that stands in these parts of the text, which follow each other without a break."""
    words: list[Word] = []
    found: list[str] = []
    start = stop = -1
    quote = ""
    is_plain = True

    def end() -> None:
        nonlocal found, start, is_plain
        if start >= 0:
            words.append(Word("".join(found), start, stop, is_plain))
        found, start, is_plain = [], -1, True

    for begin, finish in parts:
        if start >= 0:
            is_plain = False  # the word goes on behind a continued line
        at = begin
        while at < finish:
            character = text[at]
            at += 1
            if not quote and character in " \t":
                end()
                continue
            if start < 0:
                start = at - 1
            stop = at
            if character == quote:
                quote, is_plain = "", False
            elif not quote and character in "'\"":
                quote, is_plain = character, False
            elif character == escape and quote != "'" and at < finish:
                found.append(text[at])
                at += 1
                stop, is_plain = at, False
            else:
                found.append(character)
    end()
    return words


def _heredocs(text: str, words: list[Word]) -> list[tuple[str, bool]]:
    """Return the ends of the here-documents that an instruction begins, each with whether tabs before it are left out."""
    found = []
    for word in words[1:]:
        match = _HEREDOC.fullmatch(text, word.start, word.stop)
        if match is not None:
            found.append((match[2].strip("'\""), bool(match[1])))
    return found


def _skip_heredocs(text: str, lines: list[tuple[int, int]], at: int, ends: list[tuple[str, bool]]) -> int:
    for end, is_tabbed in ends:
        while at < len(lines):
            line = text[slice(*lines[at])]
            at += 1
            if (line.lstrip("\t") if is_tabbed else line) == end:
                break
        else:
            raise InvalidInputError("this is not a Dockerfile", why=f'the here-document "{end[:60]}" has no end')
    return at
