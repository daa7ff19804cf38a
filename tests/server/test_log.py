"""Lines of the log: one each, no control character, bounded."""

import random

from hypothesis import given
from hypothesis import strategies as st

from catalog.limits import MAX_LOGGED_FIELD
from catalog.server.log import escape, format_request


@given(st.text(alphabet=st.characters(), max_size=200))
def test_any_text_becomes_part_of_one_line(text: str) -> None:
    escaped = escape(text)
    assert escaped.isascii()
    assert not escaped or escaped.isprintable()
    assert '"' not in escaped


def test_what_was_meant_can_be_told_from_what_was_written() -> None:
    assert escape('a\nb\\nc"d\x1b\xe4\u202e\U0001f40b') == r"a\x0ab\x5cnc\x22d\x1b\xe4\u202e\U0001f40b"


def test_a_hundred_thousand_paths_are_as_many_lines() -> None:
    """Figure of E10."""
    generator = random.Random(10)
    for _ in range(10**5):
        path = "".join(map(chr, generator.choices(range(0x250), k=8))) + generator.choice("\n\r\x1b\x85\u2028\x7f")
        line = format_request("", "::1", "GET", path, 404, sent=0, seconds=0)
        assert line.isascii()
        assert line.isprintable()


def test_a_field_is_cut() -> None:
    for text in ("a" * 10**6, "\n" * 10**6):
        assert len(escape(text)) == MAX_LOGGED_FIELD
        assert escape(text).endswith("...")


def test_a_line_has_all_that_happened() -> None:
    line = format_request("2026-11-24T06:33:30Z", "127.0.0.1", "GET", "/a\nb", 200, sent=5, seconds=0.0123, note="x\ny")
    assert line == r'2026-11-24T06:33:30Z 127.0.0.1 "GET /a\x0ab" 200 5 12.3ms x\x0ay'
