"""Help, manual, documents and behaviour agree."""

import re
from functools import cache
from pathlib import Path

import pytest

from cli.app import load_verb
from cli.verbs import FOREIGN, VERBS
from tests.cli import reference
from tests.cli.conftest import Dcat
from tests.needs import ROOT

DOCUMENTS = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")] + sorted(
    (ROOT / "docs").rglob("*.md")
)
# In a code span or a block of lines, `dcat` and what is typed behind it.
_TYPED = re.compile(r"(?:^ {4,}(?:[\w-]*\$ )?|[`(|]|&& |; |\| )(?:\.venv/bin/)?dcat ([^`|;\n]*)", re.MULTILINE)
_OPTION = re.compile(r"(?<![\w-])(--?[a-z][a-z-]*)")


@cache
def options_of(verb: str, word: str = "") -> frozenset[str]:
    """Return every option that a command takes."""
    command = load_verb(verb)
    command = getattr(command, "commands", {}).get(word, command)
    return frozenset(name for parameter in command.params for name in parameter.opts) | {"--help"}


def test_the_generated_files_are_those_of_the_commands() -> None:
    pages = reference.pages()
    for name, text in pages.items():
        path = ROOT / name
        assert path.is_file(), f"{name} is missing; run: make docs"
        assert path.read_text(encoding="utf-8") == text, f"{name} is not what the commands say; run: make docs"
    assert {f"docs/man/{path.name}" for path in reference.MANUAL.iterdir()} == set(pages) - {"docs/commands.md"}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_command_and_option_that_a_document_shows_exists(document: Path) -> None:
    for typed in _TYPED.findall(document.read_text(encoding="utf-8")):
        words = typed.split(" # ")[0].split()
        if not words or not re.fullmatch(r"[a-z][a-z-]*[.,:]?", words[0]):
            continue
        verb = words[0].rstrip(".,:")
        assert verb in VERBS, f'{document.name} shows "dcat {typed}"'
        for option in _OPTION.findall(" ".join(words[1:])):
            assert option in options_of(verb, words[1] if len(words) > 1 else ""), f'{document.name} shows "dcat {typed}"'


def test_every_option_of_the_reference_is_in_the_help(dcat: Dcat) -> None:
    for verb in VERBS:
        for words, command in reference.leaves(verb):
            out = dcat(*words.split(), "--help").out
            for parameter in command.params:
                assert parameter.opts[0] in out or parameter.param_type_name == "argument"
                assert parameter.help, f"dcat {words} {parameter.opts[0]} has no help"


def test_a_manual_page_is_valid_roff() -> None:
    for name, text in reference.pages().items():
        if name.endswith(".1"):
            for line in text.splitlines():
                assert not line.startswith("'"), name
                assert not line.startswith(".") or re.match(r"\.(TH|SH|TP|PP|br|nf|fi)\b", line), (name, line)


def test_verbs_of_other_tools_are_not_verbs_of_dcat() -> None:
    assert not set(FOREIGN) & set(VERBS)
