"""What documents refer to exists, and their examples, paths, limits and vectors are those of the code."""

import json
import re
import subprocess
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path, PurePosixPath

import pytest
from starlette.routing import Route, Router
from starlette.types import ASGIApp

from catalog.delta.reader import read_delta
from catalog.home.deltas import KeptDelta
from catalog.home.home import open_home
from catalog.ipld.cid import Cid
from catalog.server.app import create_app
from catalog.server.counters import Counters
from catalog.server.guard.hosts import HostList
from catalog.server.response.streaming import Workers
from catalog.server.settings import ServerSettings
from catalog.server.site.site import Site
from tests.factory.archives import MemoryBlocks
from tests.limit_tables import insert_tables
from tests.needs import GOLDEN, ROOT
from tests.server.serving import Blocks, Records
from tests.worked_examples import FORMATS, all_examples, base, delta, read_examples, target

# Documents of others that a text may name: of ipfs/specs, IPLD, libp2p, the OCI image-spec and Docker.
OUTSIDE = frozenset(
    {
        "codecs/dag-cbor/spec.md",
        "codecs/dag-pb/spec.md",
        "config.md",
        "descriptor.md",
        "docker.md",
        "docs/environment-variables.md",
        "http-gateways/trustless-gateway.md",
        "http-routing-v1.md",
        "image-index.md",
        "layer.md",
        "ipns-record.md",
        "manifest.md",
        "path-gateway.md",
        "peer-ids.md",
        "src/unixfs.md",
        "routing/http-routing-v1.md",
        "trustless-gateway.md",
        "unixfs.md",
    }
)
SAFETY = "docs/safety.md"
DOCUMENTS = sorted(FORMATS.glob("*.md"))
_REFERENCE = re.compile(r"(?<![\w./-])[\w./-]*[\w-]\.md\b")
_ROW = re.compile(r"\bsafety(?:\.md)?,? (?:rows? )?([A-F]\d{1,2})\b")
_LINK = re.compile(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)")
_SECTIONS = re.compile(
    r"(?:\]\([./a-z]*?([a-z]+\.md)\),\s+)?(?<!RFC 8032, )\b[Ss]ections?\s+(\d+(?:\.\d+)?)(?:,? (?:and|to) (\d+(?:\.\d+)?))?"
)
_PATH = re.compile(r"(?<![\w./<-])(?:catalog|cli|migrations|tests|docs)/(?:[\w./-]*\w)?|(?<![\w./*-])\w+\.py\b")
_CALL = re.compile(r"\b([a-z_]+)\(\)")
_TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
_HEADING = re.compile(r"^#+ (\d+(?:\.\d+)?)\.? ", re.MULTILINE)


@cache
def tracked() -> frozenset[str]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True)
    return frozenset(name for name in listed.stdout.split("\0") if name and (ROOT / name).exists())


def texts() -> Iterator[tuple[str, str]]:
    """Yield the names and the texts of all tracked files; what is not text is data."""
    for name in sorted(tracked()):
        try:
            yield name, (ROOT / name).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue


def is_tracked(reference: str, name: str) -> bool:
    """Return whether a document that file ``name`` refers to is tracked: beside it, from the top level, or in docs/."""
    folders = (PurePosixPath(name).parent, PurePosixPath(), PurePosixPath("docs"), PurePosixPath("docs/formats"))
    return any((ROOT / folder / reference.lstrip("/")).resolve().relative_to(ROOT).as_posix() in tracked() for folder in folders)


def test_every_document_that_is_referred_to_is_tracked() -> None:
    lacking = [
        f"{name}: {reference}"
        for name, text in texts()
        for reference in _REFERENCE.findall(text)
        if reference not in OUTSIDE and not is_tracked(reference, name)
    ]
    assert not lacking


def test_every_row_of_the_safety_table_that_is_referred_to_is_there() -> None:
    rows = (ROOT / SAFETY).read_text(encoding="utf-8") if SAFETY in tracked() else ""
    lacking = [f"{name}: {row}" for name, text in texts() for row in _ROW.findall(text) if f"| {row} |" not in rows]
    assert not lacking


def test_every_row_of_the_safety_table_is_there_once_or_said_to_be_open() -> None:
    rows = re.findall(r"^\| ([A-F])(\d+)(?: \||,)", (ROOT / SAFETY).read_text(encoding="utf-8"), re.MULTILINE)
    for letter, last in {"A": 26, "B": 17, "C": 20, "D": 11, "E": 14, "F": 5}.items():
        assert {int(number) for found, number in rows if found == letter} == set(range(1, last + 1)), letter


def test_every_test_that_the_safety_table_names_is_there() -> None:
    named = _TEST.findall((ROOT / SAFETY).read_text(encoding="utf-8"))
    assert len(named) > 100
    lacking = [
        f"{path}::{name}"
        for path, name in named
        if path not in tracked() or not re.search(rf"^def {name}\(", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE)
    ]
    assert not lacking


def test_the_safety_table_says_which_tests_are_long() -> None:
    """The tests behind a "(long)" are those that `make test` leaves out."""
    for line in (ROOT / SAFETY).read_text(encoding="utf-8").splitlines():
        for part in line.split(";"):
            for path, name in _TEST.findall(part):
                assert is_long(path, name) == ("(long)" in part), f"{path}::{name}"


def is_long(path: str, name: str) -> bool:
    """Return whether all runs of a test are marked as long."""
    code = (ROOT / path).read_text(encoding="utf-8")
    decorators = re.search(rf"((?:^@.*\n(?:^[ \]\)].*\n)*)*)^def {name}\(", code, re.MULTILINE)
    assert decorators is not None
    return "\n@pytest.mark.long\n" in f"\n{decorators[1]}" or bool(re.search(r"^pytestmark = .*mark\.long", code, re.MULTILINE))


def test_the_limits_are_those_of_the_code() -> None:
    text = (ROOT / SAFETY).read_text(encoding="utf-8")
    assert text == insert_tables(text), "python -m tests.limit_tables writes them anew"


def test_every_link_leads_to_a_tracked_file() -> None:
    for name, text in texts():
        if name.endswith(".md"):
            for link in _LINK.findall(text):
                found = (ROOT / name).parent.joinpath(link).resolve().relative_to(ROOT).as_posix()
                assert found in tracked() | folders(), f"{name} links {link}"


@cache
def folders() -> frozenset[str]:
    return frozenset(parent.as_posix() for name in tracked() for parent in PurePosixPath(name).parents)


def find_paths(line: str) -> Iterator[str]:
    """Yield the paths that a line names; a file's bare name stands for one beside a path before it on the line."""
    beside: list[PurePosixPath] = []
    for path in _PATH.findall(line):
        found = PurePosixPath(path)
        if "/" in path:
            beside.append(found if found.as_posix() in folders() else found.parent)
            yield found.as_posix()
        else:
            named = [folder / found for folder in beside if (folder / found).as_posix() in tracked()]
            yield (named[0] if named else found).as_posix()


@pytest.mark.parametrize("document", sorted((ROOT / "docs").glob("*.md")), ids=lambda path: path.name)
def test_every_path_that_a_document_names_is_there(document: Path) -> None:
    lines = document.read_text(encoding="utf-8").splitlines()
    lacking = [f"{document.name}:{number}: {path}" for number, path in _paths(lines) if path not in tracked() | folders()]
    assert not lacking


def test_every_function_of_a_flow_is_in_a_file_of_its_line() -> None:
    """Only lines of the pictures: ``path  name()``."""
    for line in (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8").splitlines():
        if line.startswith("    ") and (paths := [path for path in find_paths(line) if path.endswith(".py")]):
            code = "".join((ROOT / path).read_text(encoding="utf-8") for path in paths)
            assert [name for name in _CALL.findall(line) if not re.search(rf"\bdef {name}\(", code)] == [], line


def _paths(lines: Sequence[str]) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(lines, 1):
        for path in find_paths(line):
            yield number, path


@pytest.mark.parametrize("document", [*DOCUMENTS, GOLDEN / "README.md"], ids=lambda path: path.name)
def test_every_section_that_is_referred_to_is_there(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    for other, *numbers in _SECTIONS.findall(text):
        headings = _HEADING.findall((FORMATS / other).read_text(encoding="utf-8") if other else text)
        assert {number for number in numbers if number} <= set(headings), f"{other or document.name}, section {numbers}"


def test_worked_examples_are_what_the_code_gives() -> None:
    written = {name: text for document in DOCUMENTS for name, text in read_examples(document).items()}
    assert written.keys() == all_examples().keys()
    for name, text in all_examples().items():
        assert written[name] == text, f"{name}: python -m tests.worked_examples writes it anew"


def test_the_delta_of_the_example_is_one() -> None:
    old, new, made = base(), target(), delta()
    held = MemoryBlocks()
    held.blocks.update(old.blocks.blocks)
    rebuilt = read_delta(
        [made.head, made.frame],
        old.archive.archive,
        new.archive.archive,
        held,
        unpacked=new.archive.unpacked,
        size=new.archive.size,
        file_size=len(made.head) + len(made.frame),
    )
    assert [block.cid for block in rebuilt] == [cid for cid in new.order if cid not in old.blocks.blocks]


def test_the_index_of_the_documents_lists_them_all() -> None:
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    listed = {link.split("/")[0] for link in _LINK.findall(index)}
    assert {name.split("/")[1] for name in tracked() if name.startswith("docs/")} - {"README.md"} <= listed


def test_every_path_of_the_server_is_specified(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The tables of `http.md` have each route with its methods, and nothing else."""
    served: set[tuple[str, str]] = set()

    class Recording(Router):
        def __init__(self, routes: Sequence[Route], *, redirect_slashes: bool, default: ASGIApp | None) -> None:
            served.update((re.sub(r":\w+}", "}", route.path), method) for route in routes for method in route.methods or ())
            super().__init__(routes, redirect_slashes=redirect_slashes, default=default)

    monkeypatch.setattr("catalog.server.app.Router", Recording)
    settings, workers = ServerSettings(), Workers()
    now = datetime(2026, 11, 24, tzinfo=UTC)
    with open_home(tmp_path / "home", now=now) as home:
        site = Site(Blocks(), Records(), lambda: None, lambda: now, NoDeltas(), home=home)
        create_app(site, settings, workers, Counters(), HostList(settings), lambda _: None)
    workers.close()
    text = (FORMATS / "http.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`/[^|]*`) \| ([A-Z, ]+) \|", text, re.MULTILINE)
    assert {
        (path, method) for paths, methods in rows for path in paths[1:-1].split("`, `") for method in methods.split(", ")
    } == served


class NoDeltas:
    """Deltas that nobody asks for."""

    def offers(self, base: Cid, target: Cid) -> bool:
        return False

    def find(self, base: Cid, target: Cid) -> KeptDelta | None:
        return None

    def make(self, base: Cid, target: Cid, stopped: Callable[[], bool]) -> KeptDelta:
        raise NotImplementedError


def test_the_conformance_kit_describes_every_file_and_field() -> None:
    text = (GOLDEN / "README.md").read_text(encoding="utf-8")
    for path in GOLDEN.rglob("*"):
        if path.is_file() and path.name != "README.md":
            assert f"`{path.name}`" in text
            if path.suffix == ".json":
                fields = set(json.loads(path.read_text())) - {"small", "large", "empty"}
                assert {field for field in fields if f"`{field}`" not in text} == set(), path.name
