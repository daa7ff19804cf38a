"""Hints name commands that exist, and that help."""

import pytest

from catalog.errors import StorageError
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
