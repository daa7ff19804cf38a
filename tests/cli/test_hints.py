"""Hints name commands that exist, and that help."""

import pytest

from catalog.errors import CatalogueNotFoundError, DcatError, InvalidConfigError, PathNotFoundError, StorageError, UnavailableError
from cli.hints import COMMAND_HINTS, hint_for
from cli.verbs import FOREIGN, VERBS


def test_hints_name_commands_that_exist() -> None:
    for hint in COMMAND_HINTS.values():
        tool, verb, *_ = hint.split()
        assert tool == "docker" or verb in VERBS, hint


def test_verbs_of_other_tools_are_answered_with_verbs_of_dcat() -> None:
    assert {ours for verbs in FOREIGN.values() for ours in verbs} <= {*VERBS, "--version"}


@pytest.mark.parametrize(
    ("error", "hint"),
    [
        (StorageError("/backups/full.key exists already", why="a key is never written over a file"), ""),
        (StorageError("the file cannot be written", why="No space left on device"), "dcat gc"),
        (StorageError("the home cannot be written", why="database or disk is full"), "dcat gc"),
        (StorageError("the disk is too full for what is to be fetched"), "dcat gc"),
    ],
)
def test_only_a_full_disk_is_a_reason_to_collect_garbage(error: StorageError, hint: str) -> None:
    assert hint_for(error, ["key", "export"]) == hint


@pytest.mark.parametrize(
    ("error", "typed", "hint"),
    [
        (CatalogueNotFoundError("there is no key", hint="import the key from its backup"), ["publish"], "dcat key import FILE"),
        (
            UnavailableError("ann denies access", hint="it requires a token, or a different one"),
            ["sync"],
            "dcat config set sources.NAME.token-file FILE",
        ),
        (UnavailableError("no record", hint="name a source that has it"), ["sync"], "dcat config set sources.NAME.url URL"),
        (UnavailableError("no source could be asked"), ["recover"], "dcat config set sources.NAME.url URL"),
        (UnavailableError("no catalogue", hint="import its key first"), ["recover"], "import its key first"),
        (InvalidConfigError("--token-file: file not found: x"), ["subscribe", "ann"], "dcat subscribe --help"),
        (InvalidConfigError("the file cannot be read"), ["subscribe", "ann"], "dcat config list"),
        (
            PathNotFoundError('the image has no file "/etc/x"', nearest=["/etc"]),
            ["files", "web@1", "/etc/x"],
            "dcat files web@1 /etc",
        ),
        (PathNotFoundError('the image has no file "/etc/x"', nearest=["/etc"]), ["cat", "web@1:/etc/x"], "dcat files REF"),
    ],
)
def test_hints_for_an_operator(error: DcatError, typed: list[str], hint: str) -> None:
    assert hint_for(error, typed) == hint
