"""Hints name commands that exist."""

from cli.hints import COMMAND_HINTS
from cli.verbs import FOREIGN, VERBS


def test_hints_name_commands_that_exist() -> None:
    for hint in COMMAND_HINTS.values():
        tool, verb, *_ = hint.split()
        assert tool == "docker" or verb in VERBS, hint


def test_verbs_of_other_tools_are_answered_with_verbs_of_dcat() -> None:
    assert {ours for verbs in FOREIGN.values() for ours in verbs} <= {*VERBS, "--version"}
