"""Markdown becomes harmless tags, in time that grows with its length."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.server.pages.markdown import render_markdown

_TAG = re.compile(r"<(/?)(\w+)([^>]*)>")
_PLAIN = {"p", "h3", "h4", "h5", "h6", "ul", "ol", "li", "blockquote", "pre", "code", "em", "strong"}


def test_what_is_read() -> None:
    text = "# Title\n\nA *b* **c** `<d>`\nand [e](https://f.example/g).\n\n- one\n- two\n\n> said\n\n```\nx < y\n```\n"
    assert str(render_markdown(text)) == (
        "<h3>Title</h3>\n"
        "<p>A <em>b</em> <strong>c</strong> <code>&lt;d&gt;</code> and "
        '<a href="https://f.example/g" rel="nofollow noopener noreferrer">e</a>.</p>\n'
        "<ul><li>one</li><li>two</li></ul>\n"
        "<blockquote><p>said</p></blockquote>\n"
        "<pre><code>x &lt; y</code></pre>"
    )


@given(st.text(alphabet=st.sampled_from("<>\"'&*_`[]()!#-+.1 \n\t\u202ehttps:/javascript=x"), max_size=300))
def test_only_harmless_tags_come_out(text: str) -> None:
    for _, tag, attributes in _TAG.findall(str(render_markdown(text))):
        if tag == "a":
            assert attributes == "" or re.fullmatch(r' href="https?://[^"<>]*" rel="nofollow noopener noreferrer"', attributes)
        else:
            assert tag in _PLAIN
            assert attributes == ""


@pytest.mark.parametrize("unit", ["[", "`a`", "**a", "*a*", "http://x ", "[x](http://y) ", "> ", "- ", "```\n", "#", "_a_ "])
def test_long_text_takes_no_longer_than_it_should(unit: str) -> None:
    def seconds(number: int) -> float:
        start = time.process_time()
        render_markdown(unit * number)
        return time.process_time() - start

    # On a slow machine, four times as long for four times as much.
    assert (taken := seconds(20_000)) < 2 or taken < 8 * seconds(5_000)
