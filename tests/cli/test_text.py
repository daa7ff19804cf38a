"""What strangers wrote is harmless when it is shown, and secrets are not shown at all (safety.md F1, F2)."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.text import escape, escape_lines, redact

HOSTILE = st.text(
    st.one_of(
        st.characters(),
        st.sampled_from("\x1b\x00\x07\x08\r\n\t\x7f\x9b\u202e\u2066\u200b\u200d\ufeff\u2028\u00ad\U000e0041\ufe0f"),
    )
)


@given(HOSTILE)
def test_nothing_that_a_terminal_obeys_or_hides_comes_through(text: str) -> None:
    import unicodedata

    shown = escape(text)
    assert not [char for char in shown if unicodedata.category(char) in {"Cc", "Cs", "Zl", "Zp"}]
    assert not set(shown) & set(
        "\u00ad\u061c\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\ufeff"
    )
    assert escape(shown) == shown


def test_every_format_character_of_unicode_is_shown_as_its_number() -> None:
    import sys
    import unicodedata

    # Signs that stand in front of digits of their script (U+0600 and the like) are visible.
    visible = {"ARABIC", "SYRIAC", "KAITHI", "EGYPTIAN"}
    for number in range(sys.maxunicode + 1):
        char = chr(number)
        if unicodedata.category(char) == "Cf" and unicodedata.name(char, "").split(" ")[0] not in visible:
            assert escape(char) == f"\\u{{{number:x}}}", hex(number)


def test_plain_text_in_any_script_is_left_alone() -> None:
    for text in ("nginx@1.25", "Grüße", "日本語", "a b", "e\u0301"):
        assert escape(text) == text


def test_our_own_line_breaks_stay() -> None:
    assert escape_lines("one\ntwo\x1b[31m") == "one\ntwo\\u{1b}[31m"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("see https://user:canary@host/path for", "see https://…@host/path for"),
        ("http://host/p?token=canary", "http://host/p?…"),
        ("http://host/p#canary", "http://host/p?…"),
        ("http://canary@host:5001/?a=canary&b=canary", "http://…@host:5001/?…"),
        ("ipfs://bafy", "ipfs://bafy"),
        ("mail bob@example.org?", "mail bob@example.org?"),
        ("web@1.0", "web@1.0"),
    ],
)
def test_urls_lose_what_may_be_a_secret(text: str, shown: str) -> None:
    assert redact(text) == shown


@given(st.text())
def test_redacting_again_changes_nothing(text: str) -> None:
    assert redact(redact(text)) == redact(text)


@pytest.mark.parametrize(
    "piece",
    ["a", "a.", "://", "://@", "a://", "a+", "://?", "@", "\x1b", "\u202e", "http://u:p@h/?x ", "://aaaaaaa", ":/", "://a@"],
)
@pytest.mark.parametrize("end", ["", " ://"])
def test_1_mib_of_foreign_text_takes_no_second(piece: str, end: str) -> None:
    def seconds(size: int) -> float:
        text = piece * (size // len(piece)) + end
        start = time.process_time()
        redact(text)
        escape_lines(text)
        return time.process_time() - start

    # On a slow machine, four times as long for four times as much.
    assert (taken := seconds(2**20)) < 1.0 or taken < 8 * seconds(2**18)
