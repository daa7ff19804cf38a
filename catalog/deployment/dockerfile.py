"""Dockerfiles: the images that ``FROM``, ``COPY --from`` and ``RUN --mount=…,from=`` name.

Read are the parser directives (``escape``), comments, continued lines, here-documents, ``ARG`` before the first ``FROM`` and the
variables that it sets, and the names of stages, which are not images. Source: Dockerfile reference; BuildKit,
frontend/dockerfile/parser and frontend/dockerfile/shell.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from catalog.deployment.mention import Mention, Slot
from catalog.errors import InvalidInputError
from catalog.limits import MAX_DOCKERFILE_LINES

_DIRECTIVE = re.compile(r"#[ \t]*([A-Za-z][A-Za-z0-9]*)[ \t]*=[ \t]*(.*?)[ \t]*")
_HEREDOC = re.compile(r"[0-9]*<<(-?)([^<\s]+)")
_VARIABLE = re.compile(r"\$(?:([A-Za-z_][A-Za-z0-9_]*)|\{([A-Za-z_][A-Za-z0-9_]*)(?:(:?[-+])([^{}$]*))?\})")
_WITH_HEREDOCS = frozenset({"RUN", "COPY", "ADD"})
_SCRATCH = "scratch"


@dataclass(frozen=True, slots=True)
class _Word:
    """A word of an instruction, without its quotes, and its place; ``is_plain``: it stands on one line as it is."""

    text: str
    start: int
    stop: int
    is_plain: bool


def find_in_dockerfile(text: str) -> Iterator[Mention]:
    """Yield the images that a Dockerfile names, not its stages; raise `InvalidInputError`."""
    stages: set[str] = set()
    arguments: dict[str, str] = {}
    count = 0
    for words in _instructions(text):
        instruction = words[0].text.upper()
        if instruction == "ARG" and not count:
            for word in words[1:]:
                name, sign, value = word.text.partition("=")
                if sign:
                    arguments[name] = _expand(value, arguments)
        elif instruction == "FROM":
            yield from _find_in_from(words, stages, arguments, count)
            count += 1
        elif instruction in ("COPY", "ADD", "RUN"):
            yield from _find_in_options(words, stages, count)


def _find_in_from(words: list[_Word], stages: set[str], arguments: dict[str, str], number: int) -> Iterator[Mention]:
    rest = [word for word in words[1:] if not word.text.startswith("--")]
    if not rest:
        raise InvalidInputError("this is not a Dockerfile", why="a FROM names nothing")
    image = rest[0]
    name = rest[2].text.lower() if len(rest) == 3 and rest[1].text.upper() == "AS" else ""
    found = _expand(image.text, arguments)
    if found.lower() not in stages and found != _SCRATCH:
        yield Mention(found, f"stage {name or number}", _slot(image, 0))
    if name:
        stages.add(name)


def _find_in_options(words: list[_Word], stages: set[str], number: int) -> Iterator[Mention]:
    for word in words[1:]:
        if not word.text.startswith("--"):
            return
        if word.text.startswith("--from="):
            at = len("--from=")
        elif word.text.startswith("--mount=") and (match := re.search(r"[=,]from=", word.text)):
            at = match.end()
        else:
            continue
        name = word.text[at:].partition(",")[0]
        if name and name.lower() not in stages and not name.isdecimal() and name != _SCRATCH:
            yield Mention(name, f"{words[0].text.upper()} in stage {number - 1}", _slot(word, at, len(name)))


def _slot(word: _Word, at: int, length: int | None = None) -> tuple[Slot, ...]:
    if not word.is_plain:
        return ()
    start = word.start + at
    return (Slot(start, word.stop if length is None else start + length),)


def _expand(text: str, arguments: dict[str, str]) -> str:
    """Return a word with the variables replaced that are known; what is not known stays as it stands."""

    def value_of(match: re.Match[str]) -> str:
        value = arguments.get(match[1] or match[2])
        operator, other = match[3] or "", match[4] or ""
        is_set = value is not None and (value or not operator.startswith(":"))
        if operator.endswith("-"):
            return str(value) if is_set else other
        if operator.endswith("+"):
            return other if is_set else ""
        return match[0] if value is None else value

    return _VARIABLE.sub(value_of, text)


def _instructions(text: str) -> Iterator[list[_Word]]:
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
        if words[0].text.upper() in _WITH_HEREDOCS:
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


def _split(text: str, parts: list[tuple[int, int]], escape: str) -> list[_Word]:
    """Return the words of an instruction that stands in these parts of the text, which follow each other without a break."""
    words: list[_Word] = []
    found: list[str] = []
    start = stop = -1
    quote = ""
    is_plain = True

    def end() -> None:
        nonlocal found, start, is_plain
        if start >= 0:
            words.append(_Word("".join(found), start, stop, is_plain))
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


def _heredocs(text: str, words: list[_Word]) -> list[tuple[str, bool]]:
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
