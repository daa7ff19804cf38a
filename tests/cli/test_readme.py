"""Help, README and behaviour say the same."""

import re

import pytest

from cli.topics import TOPICS
from cli.verbs import FOREIGN, SECTIONS, VERBS
from tests.cli import readme
from tests.cli.conftest import Dcat


def test_the_readme_has_the_table_that_the_commands_give() -> None:
    text = readme.README.read_text(encoding="utf-8")
    assert readme.START in text, "run: python -m tests.cli.readme"
    table = text.split(readme.START, 1)[1].split(readme.END, 1)[0].strip()
    assert table == readme.section(), "run: python -m tests.cli.readme"


def test_every_command_that_the_readme_shows_exists() -> None:
    shown = set(re.findall(r"(?:^|[`$(]|&& )\s*dcat ([a-z][a-z-]*)", readme.README.read_text(encoding="utf-8"), re.MULTILINE))
    assert shown <= set(VERBS), shown - set(VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_has_help_that_begins_with_its_line(dcat: Dcat, verb: str) -> None:
    ran = dcat(verb, "--help")
    assert ran.code == 0
    assert ran.out.startswith(f"Usage: dcat {verb} ")
    words = " ".join(ran.out.split("\n\n")[1].split())
    assert words == VERBS[verb] or words.startswith(VERBS[verb].rstrip("."))
    assert dcat("help", verb).out == ran.out


def test_the_root_help_lists_every_verb(dcat: Dcat) -> None:
    out = dcat("--help").out
    for section, verbs in SECTIONS.items():
        assert f"\n{section}:\n" in out
        for verb, summary in verbs.items():
            words = summary.rstrip(".")[:30]
            assert re.search(rf"^  {verb} +{re.escape(words)}", out, re.MULTILINE)
    assert dcat().out == out == dcat("help").out


def test_every_option_of_the_table_is_in_the_help(dcat: Dcat) -> None:
    for verb in VERBS:
        for words, command in readme.leaves(verb):
            out = dcat(*words.split(), "--help").out
            for option in readme.own(command, "option"):
                assert option.opts[0] in out
                assert option.help, f"dcat {words} {option.opts[0]} has no help"


@pytest.mark.parametrize("topic", TOPICS)
def test_topics_are_printed(dcat: Dcat, topic: str) -> None:
    assert dcat("help", topic).out == TOPICS[topic] + "\n"


def test_what_other_tools_call_things_is_none_of_our_verbs() -> None:
    assert not set(FOREIGN) & set(VERBS)
    assert {ours for verbs in FOREIGN.values() for ours in verbs} <= {*VERBS, "--version"}


def test_hints_name_commands_that_exist() -> None:
    from cli.hints import COMMAND_HINTS

    for hint in COMMAND_HINTS.values():
        tool, verb, *_ = hint.split()
        assert tool == "docker" or verb in VERBS, hint
