"""Dockerfiles: the images that ``FROM``, ``COPY --from`` and ``RUN --mount=…,from=`` name.

Variables have the values of ``ARG`` before the first ``FROM``; the names of stages are not images. Source: Dockerfile reference;
BuildKit, frontend/dockerfile/shell.
"""

import re
from collections.abc import Iterator

from catalog.deployment.instructions import Word, read_instructions
from catalog.deployment.mention import Mention, Slot
from catalog.errors import InvalidInputError

_VARIABLE = re.compile(r"\$(?:([A-Za-z_][A-Za-z0-9_]*)|\{([A-Za-z_][A-Za-z0-9_]*)(?:(:?[-+])([^{}$]*))?\})")
_SCRATCH = "scratch"
_MAX_WORD = 2048  # variables that name each other twice would double with each line


def find_in_dockerfile(text: str) -> Iterator[Mention]:
    """Yield the images that a Dockerfile names, not its stages; raise `InvalidInputError`."""
    stages: set[str] = set()
    arguments: dict[str, str] = {}
    count = 0
    for words in read_instructions(text):
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


def _find_in_from(words: list[Word], stages: set[str], arguments: dict[str, str], number: int) -> Iterator[Mention]:
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


def _find_in_options(words: list[Word], stages: set[str], number: int) -> Iterator[Mention]:
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


def _slot(word: Word, at: int, length: int | None = None) -> tuple[Slot, ...]:
    if not word.is_plain:
        return ()
    start = word.start + at
    return (Slot(start, word.stop if length is None else start + length),)


def _expand(text: str, arguments: dict[str, str]) -> str:
    """Return a word with the variables replaced that are known; what is not known, or would be too long, stays as it stands."""
    if len(text) > _MAX_WORD:
        return text

    def value_of(match: re.Match[str]) -> str:
        value = arguments.get(match[1] or match[2])
        operator, other = match[3] or "", match[4] or ""
        is_set = value is not None and (value or not operator.startswith(":"))
        if operator.endswith("-"):
            return str(value) if is_set else other
        if operator.endswith("+"):
            return other if is_set else ""
        return match[0] if value is None else value

    expanded = _VARIABLE.sub(value_of, text)
    return expanded if len(expanded) <= _MAX_WORD else text
