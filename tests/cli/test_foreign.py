"""Verbs of other tools are answered with a command that runs, or with the reason alone."""

import shlex
from pathlib import Path

import pytest

from cli.verbs import FOREIGN
from tests.cli.conftest import Dcat, Ran
from tests.factory.exports import write_image


def tried(ran: Ran) -> str:
    """Return the hint of an error, empty where it has none."""
    assert ran.code == 2, ran
    return next((line.removeprefix("  try: ") for line in ran.err.splitlines() if line.startswith("  try: ")), "")


@pytest.mark.parametrize(
    ("typed", "hint"),
    [
        ("push web 1.0", "dcat publish web 1.0"),
        ("images", "dcat list"),
        ("inspect web@1.0", "dcat show web@1.0"),
        ("rm web@1.0", "dcat remove web@1.0"),
        ("version", "dcat --version"),
        ("run -it --rm web:1.0 sh", "dcat pull web:1.0"),
        ("run -it", ""),
        ("images --digests", "dcat list --help"),
        ("rmi -f web:1.0", "dcat remove --help"),
        ("inspect", "dcat show --help"),
        ("init", ""),
        ("build .", ""),
        ("load", ""),
        ("load -i nothing.tar", ""),
        ("tag web:1.0 web:2.0", "dcat publish web 2.0 --copy web:1.0"),
        ("tag other:1.0 web:2.0", "dcat publish web 2.0 --image other:1.0"),
        ("tag web:1.0", ""),
        ("tag web:1.0 web", ""),
    ],
)
def test_hints(stocked: Dcat, typed: str, hint: str) -> None:
    assert tried(stocked(*typed.split())) == hint


@pytest.mark.parametrize("typed", [["load", "FILE"], ["load", "-i", "FILE"], ["load", "--input=FILE"], ["add", "FILE"]])
def test_the_hint_for_a_load_publishes_the_file(dcat: Dcat, tmp_path: Path, typed: list[str]) -> None:
    (tmp_path / "a folder").mkdir()
    file = write_image(tmp_path / "a folder" / "one.tar")
    hint = tried(dcat(*(word.replace("FILE", file) for word in typed)))
    assert dcat(*shlex.split(hint)[1:]).code == 0


def test_the_hint_for_a_tag_runs(stocked: Dcat) -> None:
    assert stocked(*shlex.split(tried(stocked("tag", "web:1.0", "web:2.0")))[1:]).code == 0
    assert stocked("resolve", "web@2.0").out == stocked("resolve", "web@1.0").out


@pytest.mark.parametrize("verb", FOREIGN)
def test_every_verb_has_a_reason_and_a_hint_that_parses(dcat: Dcat, verb: str) -> None:
    for rest in ([], ["web:1.0"], ["--no-such-option"], ["a", "b", "c", "d"], ["\x1b"]):
        ran = dcat(verb, *rest)
        assert f'no command "{verb}"' in ran.err
        assert "  why: " in ran.err
        hint = tried(ran)
        if hint and "--help" not in hint:
            again = dcat(*shlex.split(hint)[1:])
            assert "error[usage]" not in again.err, again
