"""Imports point one way, and what lies below `cli` does no I/O of its own accord: the order of style.md, checked."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.needs import ROOT

# From the ground up: a module may import what stands on its own line (its package's siblings) or on a line above.
LAYERS = [
    ["catalog.errors", "catalog.limits", "catalog.progress"],
    ["catalog.ipld"],
    ["catalog.digest", "catalog.platform"],
    ["catalog.reference", "catalog.release"],
    ["catalog.unixfs"],
    ["catalog.ipns"],
    ["catalog.image"],
    ["catalog.snapshot"],
    ["catalog.clients"],
    ["catalog.sqlite", "catalog.database", "catalog.keyfile", "catalog.wholefile"],
    ["catalog.blockstores"],
    ["catalog.routing"],
    ["catalog.network"],
    ["catalog.trust"],
    ["catalog.index"],
    ["catalog.home"],
    [
        "catalog.soundness",
        "catalog.intake",
        "catalog.delivery",
        "catalog.keeping",
        "catalog.copying",
        "catalog.deltafile",
        "catalog.deltacache",
        "catalog.carrying",
    ],
    ["catalog.sharing"],
    ["catalog.following"],
    ["catalog.operations"],
    ["catalog.server"],
    ["catalog"],
    ["cli"],
]
PURE = [
    "catalog.ipld",
    "catalog.unixfs",
    "catalog.ipns",
    "catalog.image",
    "catalog.snapshot",
    "catalog.digest",
    "catalog.reference",
]
IO_MODULES = {"socket", "requests", "urllib3", "sqlite3", "sqlalchemy", "docker", "subprocess", "http", "asyncio", "platformdirs"}
# Pure formats are written over the two protocols that blocks and records are had by; these hold no I/O.
PROTOCOLS = {"catalog.blockstores.base", "catalog.routing.base"}


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def modules(*packages: str) -> Iterator[tuple[str, Path]]:
    for package in packages:
        for path in sorted((ROOT / package).rglob("*.py")):
            yield module_name(path), path


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            if node.module != "catalog":
                yield node.module
            if node.module in {"catalog", "catalog.operations", "catalog.index", "catalog.image", "catalog.blockstores"}:
                yield from (f"{node.module}.{alias.name}" for alias in node.names)


def layer_of(module: str) -> int:
    matches = [
        (len(entry), level)
        for level, entries in enumerate(LAYERS)
        for entry in entries
        if module == entry or (module.startswith(entry + ".") and (entry != "catalog"))
    ]
    assert matches, f"{module} stands in no layer: give it a place in LAYERS and in the map of catalog/__init__.py"
    return max(matches)[1]


@pytest.mark.parametrize(
    ("module", "path"), list(modules("catalog", "cli")), ids=lambda value: str(value) if isinstance(value, str) else ""
)
def test_imports_point_one_way(module: str, path: Path) -> None:
    for imported in imports(path):
        if imported.split(".")[0] not in {"catalog", "cli"} or imported in PROTOCOLS:
            continue
        assert layer_of(imported) <= layer_of(module), f"{module} imports {imported}, which stands above it"
        if module.startswith("catalog.operations.") and imported.startswith("catalog.operations."):
            pytest.fail(f"{module} imports {imported}: operations never import each other, what they share moves down a layer")


@pytest.mark.parametrize("package", PURE)
def test_pure_code_does_no_io(package: str) -> None:
    paths = [path for module, path in modules("catalog") if module == package or module.startswith(package + ".")]
    assert paths
    for path in paths:
        for imported in imports(path):
            assert imported.split(".")[0] not in IO_MODULES, f"{path.relative_to(ROOT)} imports {imported}"


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


def test_migrations_are_history() -> None:
    """A migration that imports the code of today changes its meaning tomorrow."""
    for module, path in modules("migrations"):
        for imported in imports(path):
            assert imported.split(".")[0] not in {"catalog", "cli"}, f"{module} imports {imported}"


def test_cli_never_imports_click() -> None:
    """Typer has its own copy since 0.26; another one would be a second parser beside it."""
    for module, path in modules("cli"):
        assert "click" not in {imported.split(".")[0] for imported in imports(path)}, module
