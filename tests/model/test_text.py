"""Words of commands that are printed: what is pasted into a shell is what was meant, and nothing hides in it."""

import os
import subprocess

import pytest

from catalog.model.text import escape, quote


@pytest.mark.parametrize(
    "word",
    [
        b"web.tar",
        b"two words",
        b"it's",
        b"",
        "Zürich 東京".encode(),
        b"line\nbreak",
        b"not utf-8 \xff\xfe",
        b"\xff'\\$(touch x)`x`\x1b[31m",
        "right\u202eto left".encode(),
    ],
)
def test_a_quoted_word_is_pasted_as_it_was(word: bytes) -> None:
    quoted = quote(os.fsdecode(word))
    assert escape(quoted) == quoted  # a terminal shows it as it is
    shown = subprocess.run(["bash", "-c", f"printf %s {quoted}"], capture_output=True, check=True).stdout
    assert shown == word


def test_text_that_no_file_name_holds_is_quoted_too() -> None:
    assert quote("a\ud800b\U000e0001") == r"$'a?b\xf3\xa0\x80\x81'"
