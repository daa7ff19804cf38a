"""Every regular expression that meets foreign text takes time in proportion to its length: 1 MiB of the worst input in a second."""

import ast
import importlib
import re
import time
from collections.abc import Iterator, Mapping
from re import _constants as kinds  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from types import ModuleType
from typing import Any

import pytest

from tests.needs import ROOT

SIZE = 1 << 20
SAMPLE = 1 << 14
METHODS = ("search", "match", "fullmatch", "findall", "finditer", "sub", "split")
CLASSES = {kinds.CATEGORY_DIGIT: "0", kinds.CATEGORY_WORD: "w", kinds.CATEGORY_SPACE: " "}

Use = tuple[str, re.Pattern[Any], str]


def all_uses() -> list[Use]:
    """Return every pattern of the program with the method that it is used by."""
    found: dict[tuple[str, str], Use] = {}
    for path in sorted([*(ROOT / "catalog").rglob("*.py"), *(ROOT / "cli").rglob("*.py")]):
        source = path.read_text(encoding="utf-8")
        if "re." not in source:
            continue
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        module = importlib.import_module(name)
        for label, pattern, method in (*named_patterns(module, source), *inline_patterns(source)):
            found.setdefault((repr(pattern.pattern), method), (f"{name}:{label}.{method}", pattern, method))
    return list(found.values())


def named_patterns(module: ModuleType, source: str) -> Iterator[Use]:
    for label, value in vars(module).items():
        for pattern in patterns_in(value):
            methods = set(re.findall(rf"\b{re.escape(label)}\.({'|'.join(METHODS)})\(", source)) or {"match"}
            yield from ((label, pattern, method) for method in methods)


def patterns_in(value: object) -> Iterator[re.Pattern[Any]]:
    if isinstance(value, re.Pattern):
        yield value
    elif isinstance(value, Mapping):
        for entry in value.values():
            yield from patterns_in(entry)
    elif isinstance(value, tuple | list | frozenset | set):
        for entry in value:
            yield from patterns_in(entry)


def inline_patterns(source: str) -> Iterator[Use]:
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="re"), attr=method), args=[ast.Constant(value=text), *_]):
                if method in METHODS and isinstance(text, str | bytes):
                    yield f"line {node.lineno}", re.compile(text), method


def pieces_of(tree: Any, characters: set[str], runs: set[str]) -> None:
    """Collect from a parsed pattern a character of each class, and the texts that it names."""
    run = ""
    for kind, argument in tree:
        if kind is kinds.LITERAL:
            run += chr(argument)
            characters.add(chr(argument))
            continue
        runs.add(run)
        run = ""
        if kind is kinds.IN:
            for member, value in argument:
                if member is kinds.LITERAL:
                    characters.add(chr(value))
                elif member is kinds.RANGE:
                    characters.update((chr(value[0]), chr(value[1])))
                elif member is kinds.CATEGORY:
                    characters.add(CLASSES.get(value, "y"))
        elif kind in (kinds.ANY, kinds.NOT_LITERAL):
            characters.add("y")
        elif kind in (kinds.MAX_REPEAT, kinds.MIN_REPEAT):
            pieces_of(argument[2], characters, runs)
        elif kind is kinds.SUBPATTERN:
            pieces_of(argument[3], characters, runs)
        elif kind is kinds.BRANCH:
            for branch in argument[1]:
                pieces_of(branch, characters, runs)
        elif kind in (kinds.ASSERT, kinds.ASSERT_NOT):
            pieces_of(argument[1], characters, runs)
    runs.add(run)


def worst_units(pattern: re.Pattern[Any]) -> Iterator[tuple[str, str]]:
    """Yield beginnings, and what is repeated behind them."""
    characters: set[str] = {"y", "0", "\n"}
    runs: set[str] = set()
    pieces_of(
        parser.parse(pattern.pattern, pattern.flags & ~re.UNICODE if isinstance(pattern.pattern, bytes) else 0), characters, runs
    )
    runs.discard("")
    few = sorted(characters)[:12]
    yield from (("", character) for character in sorted(characters))
    for run in sorted(runs):
        yield "", run
        for character in few:
            yield run, character
            yield "", run + character
            yield "", run + character * 20
    yield from (("", one + other) for one in few for other in few)


def make(pattern: re.Pattern[Any], start: str, unit: str, size: int) -> Any:
    text = start + unit * (size // len(unit))
    return text.encode("latin-1", "replace") if isinstance(pattern.pattern, bytes) else text


def seconds(pattern: re.Pattern[Any], method: str, text: Any) -> float:
    began = time.process_time()
    if method == "sub":
        pattern.sub(b"" if isinstance(text, bytes) else "", text)
    else:
        found = getattr(pattern, method)(text)
        if method == "finditer":
            list(found)
    return time.process_time() - began


USES = all_uses()


def test_the_search_for_patterns_finds_them() -> None:
    labels = {label for label, _, _ in USES}
    assert "catalog.image.secrets:_VALUE.search" in labels
    assert "catalog.model.reference:_NAME.fullmatch" in labels
    assert len(USES) > 30


@pytest.mark.parametrize(("label", "pattern", "method"), USES, ids=[label for label, _, _ in USES])
def test_a_pattern_is_linear(label: str, pattern: re.Pattern[Any], method: str) -> None:
    samples = []
    for start, unit in worst_units(pattern):
        taken = seconds(pattern, method, make(pattern, start, unit, SAMPLE))
        assert taken < 0.1, (start, unit, taken)
        samples.append((taken, start, unit))
    for _, start, unit in sorted(samples, reverse=True)[:4]:
        taken = seconds(pattern, method, make(pattern, start, unit, SIZE))
        quarter = seconds(pattern, method, make(pattern, start, unit, SIZE // 4)) if taken >= 1 else 0
        assert taken < max(1, 8 * quarter), (start, unit, taken)  # a slow machine takes four times as long for four times as much


def test_the_test_would_find_a_quadratic_pattern() -> None:
    pattern = re.compile(r"[a-z][a-z0-9+.-]*://")
    assert any(seconds(pattern, "search", make(pattern, *unit, SAMPLE)) > 0.1 for unit in worst_units(pattern))
