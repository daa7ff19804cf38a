"""One result: a table on a terminal, tab-separated text in a pipe, identifiers, or JSON; colour only where it is wanted."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cli.output import Document, Output, Table, fields
from tests.cli.conftest import Dcat, run_on_terminal, run_process
from tests.cli.test_text import HOSTILE

TABLE = Table(
    ("NAME", "SIZE"), [("web", "1.0 MB"), ("日本", "12.0 MB")], frozenset({"SIZE"}), [("web", "1000000"), ("日本", "12000000")]
)
DOCUMENT = Document(
    "things", {"things": ["web"]}, ["web"], ["Two things", TABLE, fields([("cid", "bafy"), ("none", "")])], "Next: dcat"
)


def show(capsys: pytest.CaptureFixture[str], document: Document, **form: bool) -> tuple[str, str]:
    Output(**form).show(document)
    out, err = capsys.readouterr()
    return out, err


def test_piped_text_is_tab_separated_and_the_closing_line_is_no_data(capsys: pytest.CaptureFixture[str]) -> None:
    assert show(capsys, DOCUMENT) == ("Two things\nweb\t1000000\n日本\t12000000\ncid\tbafy\n", "Next: dcat\n")


def test_a_terminal_gets_aligned_columns(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cli.output.is_terminal", lambda _: True)
    monkeypatch.setenv("NO_COLOR", "1")
    out, _ = show(capsys, DOCUMENT)
    assert out == "Two things\nNAME     SIZE\nweb    1.0 MB\n日本  12.0 MB\n  cid  bafy\n"


def test_quiet_is_identifiers_and_json_a_document(capsys: pytest.CaptureFixture[str]) -> None:
    assert show(capsys, DOCUMENT, quiet=True) == ("web\n", "")
    out, err = show(capsys, DOCUMENT, json=True)
    assert json.loads(out) == {"schema": "dcat/things/v1", "things": ["web"]}
    assert err == ""
    out, _ = show(capsys, DOCUMENT, json=True, long=True)
    assert json.loads(out)["type"] == "result"
    assert out.count("\n") == 1


@settings(max_examples=300)
@given(HOSTILE)
def test_nothing_hostile_reaches_either_stream(text: str) -> None:
    import contextlib
    import io

    document = Document("x", {"x": text}, [text], [text, Table(("A", "B"), [(text, "b")]), fields([("a", text)])], text, [text])
    for form in ({}, {"quiet": True}, {"json": True}):
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            Output(**form).show(document)
        for stream in (out.getvalue(), err.getvalue()):
            assert not [char for char in stream if (ord(char) < 0x20 and char not in "\n\t") or 0x7F <= ord(char) < 0xA0]
            assert not set(stream) & set("\u202e\u2066\u200b\ufeff\u2028")


def test_a_hundred_thousand_hostile_cells() -> None:
    """safety.md F1, through each form of the print layer."""
    import contextlib
    import io
    import random

    chance = random.Random(11)
    alphabet = [chr(number) for number in (*range(0x20), *range(0x7F, 0xA0), *range(0x2000, 0x2070), 0xFEFF, 0xE0041, 0xD800, 0x41)]
    cells = ["".join(chance.choices(alphabet, k=8)) for _ in range(100_000)]
    document = Document("x", {"cells": cells}, cells, [Table(("A",), [(cell,) for cell in cells])])
    for form in ({}, {"quiet": True}, {"json": True}):
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            Output(**form).show(document)
        assert not set(out.getvalue()) & set(alphabet) - {"\n", "A"} - {
            chr(n) for n in (*range(0x2000, 0x200B), *range(0x2010, 0x2028), 0x202F, *range(0x2030, 0x2060))
        }


@given(st.text(alphabet="a\t\n", min_size=1))
def test_a_cell_cannot_forge_columns_or_rows(text: str) -> None:
    import contextlib
    import io

    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        Output().show(Document("x", {}, parts=[Table(("A", "B"), [(text, "b")])]))
    assert out.getvalue().count("\n") == out.getvalue().count("\t") == 1


def test_colour_only_on_a_terminal_that_wants_it(home: Path) -> None:
    arguments = ["config", "list", "--show-origin"]
    assert "\x1b[" in run_on_terminal(arguments).out
    assert "\x1b" not in run_on_terminal(arguments, NO_COLOR="1").out
    assert "\x1b" not in run_on_terminal(arguments, TERM="dumb").out
    assert "\x1b" not in run_process(arguments).out
    assert "SETTING" in run_on_terminal(arguments, NO_COLOR="1").out


def test_a_prompt_needs_a_terminal_and_is_never_needed(home: Path) -> None:
    arguments = ["config", "set", "kubo", "http://127.0.0.1:5001"]
    assert "[y/N]" in run_on_terminal(arguments, "n\n").out
    assert "[y/N]" not in run_on_terminal([*arguments, "--no-input"]).out
    assert "[y/N]" not in run_on_terminal([*arguments, "--yes"]).out
    ran = run_process(arguments, stdin="y\n")
    assert ran.code == 0
    assert "[y/N]" not in ran.err


def test_text_that_the_stream_cannot_encode_is_escaped(home: Path, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('kubo = "http://grüße.example"\n', encoding="utf-8")
    ran = run_process(["config", "get", "kubo"], PYTHONIOENCODING="ascii")
    assert ran.code == 0
    assert "gr\\xfc" in ran.out


def test_common_options_stand_before_or_behind_the_verb(dcat: Dcat) -> None:
    one, other = dcat("--json", "config", "list"), dcat("config", "list", "--json")
    assert one == other
    assert json.loads(one.out)["schema"] == "dcat/config/v1"
    assert dcat("-q", "config", "list").out == "cluster-max\ncluster-replicas\ndeltas\noffline\n"
