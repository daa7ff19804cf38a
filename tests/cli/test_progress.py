"""One event, four renderers: bars, lines, JSON lines, nothing."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from catalog.progress import Step
from cli.context import Options
from cli.progress import BarLines, describe, open_progress
from tests.cli.conftest import run_on_terminal
from tests.factory.exports import write_image

STEPS = [
    Step("phase", "Reading web:1.0 from Docker (linux/amd64, 2 layers)"),
    Step("part", "layer 1", 0, 100),
    Step("part", "layer 1", 100, 100),
    Step("total", "total", 50, 200),
    Step("warning", "gw.example.org sent a block that does not match\x1b[2J"),
    Step("total", "total", 200, 200, (("stored", 72_400_000), ("present", 61_000_000), ("new_blocks", 3))),
    Step("note", "done at http://user:canary@host/"),
]


def render(mode: str, capsys: pytest.CaptureFixture[str], steps: Sequence[Step] = STEPS, **options: bool) -> str:
    with open_progress(Options(progress=mode, **options)) as progress:
        for step in steps:
            progress(step)
    out, err = capsys.readouterr()
    assert out == ""
    assert "canary" not in err
    assert "\x1b[2J" not in err
    return err


def test_lines(capsys: pytest.CaptureFixture[str]) -> None:
    assert render("plain", capsys).splitlines() == [
        "Reading web:1.0 from Docker (linux/amd64, 2 layers)",
        "  layer 1  100 B",
        "warning: gw.example.org sent a block that does not match\\u{1b}[2J",
        "  total  200 B, 72.4 MB stored, 61.0 MB already here, 3 new blocks",
        "done at http://…@host/",
    ]


def test_without_a_terminal_auto_means_lines(capsys: pytest.CaptureFixture[str]) -> None:
    assert render("auto", capsys) == render("plain", capsys)


def test_json_lines_have_a_type_and_are_rate_limited(capsys: pytest.CaptureFixture[str]) -> None:
    lines = [json.loads(line) for line in render("json", capsys).splitlines()]
    assert [line["type"] for line in lines] == ["phase", "part", "part", "total", "warning", "total", "note"]
    assert lines[5] == {
        "type": "total",
        "label": "total",
        "done": 200,
        "of": 200,
        "stored": 72_400_000,
        "present": 61_000_000,
        "new_blocks": 3,
    }
    many = [Step("total", "total", done, 10**6) for done in range(10_000)]
    assert len(render("json", capsys, many).splitlines()) < 100
    assert render("auto", capsys, json=True) == render("json", capsys)


def test_none_and_quiet_still_warn(capsys: pytest.CaptureFixture[str]) -> None:
    for err in (render("none", capsys), render("auto", capsys, quiet=True)):
        assert err == "warning: gw.example.org sent a block that does not match\\u{1b}[2J\n"
    assert json.loads(render("none", capsys, json=True))["type"] == "warning"


def test_bars_leave_the_total_as_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    bars = BarLines()
    for step in STEPS:
        bars(step)
    bars.close()
    err = capsys.readouterr().err
    assert "Reading web:1.0 from Docker" in err
    assert "  total  200 B, 72.4 MB stored, 61.0 MB already here, 3 new blocks" in err
    assert "\x1b[2J" not in err
    assert err.count("  total  200 B,") == 1


def test_bars_are_drawn_on_a_terminal_that_can(home: Path, tmp_path: Path) -> None:
    arguments = ["publish", "web", "1.0", "--from", write_image(tmp_path / "image.tar"), "--dry-run"]
    assert "\x1b[2K" in run_on_terminal(arguments).out
    for ran in (run_on_terminal(arguments, TERM="dumb"), run_on_terminal([*arguments, "--progress", "plain"], NO_COLOR="1")):
        assert "\x1b" not in ran.out
        assert f"Reading {tmp_path}" in ran.out


def test_a_short_command_has_no_progress(capsys: pytest.CaptureFixture[str]) -> None:
    with open_progress(None) as progress:
        for step in STEPS:
            progress(step)
    assert capsys.readouterr() == ("", "")


def test_description_of_an_unknown_total() -> None:
    assert describe(Step("part", "x", 10)) == "10 B"
    assert describe(Step("part", "x", 10, 20, (("fetched", 5),))) == "10 B of 20 B, 5 B fetched"


def test_how_an_image_is_taken_is_shown_with_debug(capsys: pytest.CaptureFixture[str]) -> None:
    steps = [Step("detail", "The engine exports the image: it is too old"), Step("note", "done")]
    assert render("plain", capsys, steps).splitlines() == ["done"]
    assert render("plain", capsys, steps, debug=True).splitlines() == ["The engine exports the image: it is too old", "done"]
