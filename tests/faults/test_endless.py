"""Indexes without end are refused at once, in little memory (docs/safety.md A12); no foreign database is opened (A13)."""

import ast
import json
import subprocess
import sys

import pytest

from tests.needs import ROOT
from tests.test_architecture import modules

MOST_MEMORY = 150 << 20
MOST_TIME = 2.0  # of the processor

ENDLESS = """
import json, sys, time
from catalog.errors import DcatError
from catalog.ipld.cid import RAW, cid_of
from catalog.snapshot.reader import open_snapshot
from tests.memory import peak_memory
from tests.snapshot.generated import bare_line, joined, keep_leaf, keep_node, keep_root
from tests.unixfs.counting import CountingSource

source = CountingSource()
kind = sys.argv[1]
if kind == "rows":  # 10**7 that are said to be there, and are: each a line of its own, in order
    leaf = keep_leaf(source, joined([bare_line(number) for number in range(100)]))
    root = keep_root(source, keep_node(source, [keep_node(source, [leaf] * 1000)] * 100), 10**7)
elif kind == "depth":
    node = keep_leaf(source, joined([bare_line(0)]))
    for _ in range(100_000):
        node = keep_node(source, [node])
    root = keep_root(source, node, 1)
else:  # 10 GB
    node = keep_leaf(source, joined([bare_line(0)]) * 1000)
    while node.file_size < 10**10:
        node = keep_node(source, [node] * 100)
    root = keep_root(source, node, 10**6)
before = peak_memory()
started = time.process_time()
try:
    for _ in open_snapshot(root, source).read():
        pass
    refused = ""
except DcatError as error:
    refused = error.message
after = peak_memory()
print(json.dumps({"refused": refused, "seconds": time.process_time() - started, "grown": after - before}))
"""


@pytest.mark.parametrize("kind", ["rows", "depth", "bytes"])
def test_a_snapshot_without_end(kind: str) -> None:
    done = subprocess.run([sys.executable, "-c", ENDLESS, kind], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    print(kind, figures)
    assert figures["refused"]
    assert figures["seconds"] <= MOST_TIME
    assert figures["grown"] <= MOST_MEMORY


def test_only_the_homes_own_files_are_opened_as_databases() -> None:
    """A13: whoever connects to SQLite is one of these, and what they open are the names of a home's own files."""
    connecting = set()
    for module, path in modules("catalog", "cli"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            called = node.func if isinstance(node, ast.Call) else None
            if isinstance(called, ast.Attribute) and (called.attr, getattr(called.value, "id", "")) == ("connect", "sqlite3"):
                connecting.add(module)
            if isinstance(called, ast.Name) and called.id in {"create_engine"}:
                connecting.add(module)
            if isinstance(node, ast.ImportFrom) and node.module in {"catalog.storage.sqlite", "catalog.storage.database"}:
                connecting |= {module for alias in node.names if alias.name == "connect"}
    assert connecting == {
        "catalog.storage.sqlite",
        "catalog.storage.database",
        "catalog.blockstores.blockfile",
        "catalog.blockstores.leasing",
        "catalog.lookup.opening",
        "catalog.operations.doctor",
        "catalog.home.damage",
    }
