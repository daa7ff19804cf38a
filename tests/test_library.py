"""What programs use: the names that `catalog` and `catalog.operations` offer, and the example of README."""

import ast
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

import catalog
from catalog import operations
from tests.factory.exports import docker_25
from tests.factory.images import SAMPLE
from tests.factory.tars import make_tar
from tests.needs import ROOT


def declared(package: str) -> dict[str, str]:
    """Return the names that a package declares to type checkers, with the module of each."""
    (block,) = (
        node
        for node in ast.parse((ROOT / package.replace(".", "/") / "__init__.py").read_text()).body
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
    )
    return {name.name: str(node.module) for node in block.body if isinstance(node, ast.ImportFrom) for name in node.names}


@pytest.mark.parametrize("package", [catalog, operations])
def test_every_declared_name_is_offered(package: ModuleType) -> None:
    names = declared(package.__name__)
    assert set(dir(package)) == names.keys()
    for name, module in names.items():
        assert getattr(package, name) is getattr(import_module(module), name)


def test_an_operation_is_offered_whatever_was_imported_before() -> None:
    """An operation and its module have one name; the package means the operation."""
    code = "import catalog.operations.publish; from catalog import operations; assert callable(operations.publish)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_a_name_that_is_not_offered_is_an_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        catalog.nothing  # type: ignore[attr-defined]  # noqa: B018
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        operations.nothing  # type: ignore[attr-defined]  # noqa: B018


def test_importing_the_library_imports_none_of_its_rooms() -> None:
    code = "import sys, catalog, catalog.operations; print(*[name for name in sys.modules if name.startswith('catalog.')])"
    ran = subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, capture_output=True, text=True)
    assert ran.stdout.split() == ["catalog.operations"]


def test_the_example_of_the_readme_runs(tmp_path: Path) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "web.tar").write_bytes(make_tar(docker_25(SAMPLE)))
    ran = subprocess.run(
        [sys.executable, "-c", example], check=True, cwd=tmp_path, capture_output=True, text=True, env={"PYTHONPATH": str(ROOT)}
    )
    reference, name = ran.stdout.split()
    assert (reference, name[:3]) == ("web@1.0", "k51")
    assert (tmp_path / "web.tar.zst").stat().st_size > 1000
