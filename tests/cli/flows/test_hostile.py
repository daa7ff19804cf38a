"""Nothing that strangers wrote reaches a terminal as it is, no secret is shown, local commands ask nobody: F1, F2, F4."""

import os
import random
import socket
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalog.errors import InvalidInputError, VerificationError
from cli.exits import report
from tests.cli.conftest import Dcat, Ran, run_on_terminal
from tests.cli.flows.test_exit_rows import follow_bob
from tests.factory.exports import write_image

CONTROLS = [chr(number) for number in (*range(0x20), *range(0x7F, 0xA0)) if chr(number) not in "\n\t"]
HIDDEN = list(
    "\u00ad\u061c\u200b\u200c\u200d\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\ufeff\U000e0041"
)
SEQUENCES = ["\x1b[31mred", "\x1b]0;title\x07", "\x1b]8;;http://evil\x07link", "\x9b2J", "a\rb", "\x1bPq\x1b\\", "x\x08y"]
CANARY = "canary7f3a"


def hostile_texts(count: int, length: int) -> list[str]:
    """Make texts that together hold every dangerous character, each among plain ones."""
    chance = random.Random(7)
    dangerous = [*CONTROLS, *HIDDEN, *SEQUENCES, "\n", "\t"]
    chance.shuffle(dangerous)
    texts = ["".join(chance.choice([*dangerous, "plain ", "ü"]) for _ in range(length)) for _ in range(count - 1)]
    return [*texts, "".join(dangerous)]


def assert_harmless(ran: Ran) -> None:
    for text in (ran.out, ran.err):
        found = {char for char in text if char in CONTROLS or char in HIDDEN}
        assert not found, (found, ran)


@pytest.fixture
def poisoned(dcat: Dcat, tmp_path: Path) -> Dcat:
    """Publish releases whose every text is hostile."""
    for number, text in enumerate(hostile_texts(6, 200)):
        file = write_image(tmp_path / "image.tar", str(number))
        ran = dcat("publish", "web", f"1.{number}", "--from", file, "--title", text, "--annotation", f"description={text[:150]}")
        assert ran.code == 0, ran
        assert_harmless(ran)
        if number % 2:
            assert dcat("yank", f"web@1.{number}", "--reason", text).code == 0
    return dcat


def test_every_command_shows_it_escaped(poisoned: Dcat, tmp_path: Path) -> None:
    commands = [
        ["list"],
        ["list", "web"],
        ["search", "web"],
        ["search", "plain"],
        ["log"],
        ["status"],
        ["verify"],
        ["gc"],
        ["doctor"],
        ["diff", "web@1.0", "web@1.1"],
        ["pull", "web@1.1", "--no-load"],
        ["pin", "web@1.1"],
        ["unpin", "web@1.1"],
        ["save", "web@1.1", "-o", str(tmp_path / "x")],
        *(["show", f"web@1.{number}"] for number in range(6)),
        *(["resolve", f"web@1.{number}"] for number in range(6)),
        ["yank", "web@1.1", "--undo"],
        ["remove", "web@1.1"],
        ["publish", "web", "1.0", "--from", str(tmp_path / "image.tar")],
    ]
    shown = ""
    for command in commands:
        for form in ([], ["-q"], ["--json"], ["--debug"]):
            ran = poisoned(*command, *form)
            assert_harmless(ran)
            if not form:
                shown += ran.out + ran.err
    assert "\\u{1b}" in shown
    assert "\\u{202e}" in shown


def test_a_terminal_gets_only_our_own_sequences(poisoned: Dcat) -> None:
    for command in (["list"], ["list", "web"], ["show", "web@1.1"], ["resolve", "web@1.1"]):
        ran = run_on_terminal(command)
        text = ran.out
        for ours in ("\x1b[1m", "\x1b[0m", "\x1b[33m"):
            text = text.replace(ours, "")
        assert_harmless(Ran(ran.code, text, ""))


def test_what_was_typed_comes_back_escaped(dcat: Dcat) -> None:
    for text in [*SEQUENCES, *hostile_texts(3, 30)]:
        word = text.replace("\x00", "")
        for command in (
            [word],
            ["resolve", word],
            ["resolve", f"web@{word}"],
            ["show", word],
            ["list", word],
            ["log", word],
            ["search", word],
            ["diff", word, word],
            ["publish", word, "1"],
            ["publish", "web", "1", "--from", f"/nowhere/{word}"],
            ["config", "get", word],
            ["config", "set", word, word],
            ["config", "set", "kubo", word],
            ["help", word],
            ["completion", "show", word],
            ["list", f"--{word}"],
            ["--progress", word, "list"],
            ["--timeout", word, "list"],
        ):
            ran = dcat(*command)
            assert ran.code not in {1, 130}, (command, ran)
            assert_harmless(ran)


@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(alphabet=st.one_of(st.characters(), st.sampled_from([*CONTROLS, *HIDDEN]))))
def test_errors_of_any_text_are_harmless(capsys: pytest.CaptureFixture[str], text: str) -> None:
    for error in (VerificationError(text, why=text, hint=text), InvalidInputError(f'"{text}"', nearest=[text]), RuntimeError(text)):
        for form in (True, False):
            report(error, ["verify", text], as_json=form, debug=True)
    captured = capsys.readouterr()
    assert_harmless(Ran(0, captured.out, captured.err))


def test_no_secret_is_shown(dcat: Dcat, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    token = tmp_path / "token"
    token.write_text(CANARY)
    assert dcat("config", "set", "sources.bob.url", "http://127.0.0.1:9").code == 0
    assert dcat("config", "set", "sources.bob.token-file", str(token)).code == 0
    follow_bob(home)
    outputs = []
    surroundings: list[dict[str, str]] = [
        {},
        {"DCAT_SOURCES": f"http://user:{CANARY}@127.0.0.1:9/?t={CANARY}"},
        {"DCAT_KUBO": f"http://{CANARY}@127.0.0.1:9"},
    ]
    for variables in surroundings:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        for command in (
            ["config", "list", "--show-origin"],
            ["status"],
            ["doctor"],
            ["pull", "bob/web@1.0", "--no-load"],
            ["pull", f"http://user:{CANARY}@host/web"],
            ["resolve", f"https://x/?{CANARY}"],
            ["resolve", f"http://user:{CANARY}@host/web"],
            ["show", f"http://user:{CANARY}@host/web"],
            ["config", "set", "kubo", f"https://user:{CANARY}@host"],
            ["config", "set", "sources.eve.url", f"https://host/?key={CANARY}"],
        ):
            for form in ([], ["--json"], ["--debug"]):
                outputs.append((command, form, dcat(*command, *form)))
        for name in variables:
            monkeypatch.delenv(name)
    for command, form, ran in outputs:
        assert CANARY not in ran.out + ran.err, (command, form, ran)


def test_local_commands_ask_nobody(dcat: Dcat, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a source nobody is asked; with one, not for what is here. Only an engine's Unix socket is ever opened."""
    asked: list[object] = []

    def refuse(self: socket.socket, address: object) -> None:
        asked.append(address)
        raise ConnectionRefusedError

    def refuse_name(*arguments: object, **_: object) -> None:
        asked.append(arguments)
        raise socket.gaierror

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse_name)
    file = write_image(tmp_path / "image.tar")
    for command in (
        ["publish", "web", "1.0", "--from", file],
        ["publish", "old", "1.0", "--from", file],
        ["yank", "web@1.0", "--reason", "x"],
        ["remove", "old@1.0"],
        ["config", "set", "sources.bob.url", "http://bob.example:5078"],
        ["publish", "new", "1.0", "--from", file, "--offline"],
        ["resolve", "web@1.0"],
        ["list"],
        ["show", "web@1.0"],
        ["search", "web"],
        ["log"],
        ["diff", "web@1.0", "web@1.0"],
        ["pull", "web@1.0", "--no-load"],
        ["save", "web@1.0", "-o", str(tmp_path / "x")],
        ["pin", "web@1.0"],
        ["unpin", "web@1.0"],
        ["status"],
        ["verify"],
        ["gc", "--yes"],
        ["doctor"],
        ["config", "list"],
        ["help"],
        ["--version"],
    ):
        ran = dcat(*command)
        assert ran.code in {0, 52}, ran
    assert [address for address in asked if not isinstance(address, str | bytes | os.PathLike)] == []
