"""The library asks nothing of its surroundings. Which room may import which is checked by import-linter (pyproject.toml)."""

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.needs import ROOT


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def modules(*packages: str) -> Iterator[tuple[str, Path]]:
    for package in packages:
        for path in sorted((ROOT / package).rglob("*.py")):
            yield module_name(path), path


def test_library_is_silent_and_asks_nothing_of_its_surroundings() -> None:
    """Nothing below `cli` prints, exits, reads the environment or asks the clock for the time of day."""
    forbidden = {
        ("os", "environ"),
        ("os", "getenv"),
        ("sys", "exit"),
        ("sys", "argv"),
        ("time", "time"),
        ("datetime", "now"),
        ("datetime", "utcnow"),
    }
    for module, path in modules("catalog"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                assert (node.value.id, node.attr) not in forbidden, f"{module}:{node.lineno} uses {node.value.id}.{node.attr}"
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in {"print", "input", "exit"}, f"{module}:{node.lineno} calls {node.func.id}"
