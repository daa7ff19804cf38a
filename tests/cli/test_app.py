"""The root command and its help."""

import re

import pytest

from cli.topics import TOPICS
from cli.verbs import SECTIONS, VERBS
from tests.cli.conftest import Dcat


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


@pytest.mark.parametrize("topic", TOPICS)
def test_topics_are_printed(dcat: Dcat, topic: str) -> None:
    assert dcat("help", topic).out == TOPICS[topic] + "\n"
