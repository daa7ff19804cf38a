"""RFC 8785: what it says about order and escapes, and that nothing else is read."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.errors import SnapshotError
from catalog.snapshot.json import check_extra, decode_json, encode_json

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=15,
)
objects = st.dictionaries(st.text(max_size=5), values, max_size=5)


@given(objects)
def test_what_is_written_is_read_and_means_the_same(value: dict[str, object]) -> None:
    data = encode_json(value)
    assert decode_json(data) == value
    assert json.loads(data) == value


@given(objects)
def test_order_does_not_matter(value: dict[str, object]) -> None:
    assert encode_json(dict(reversed(value.items()))) == encode_json(value)


def test_the_rfcs_example_of_sorting() -> None:
    """RFC 8785, section 3.2.3: by UTF-16 code units, so U+1F600 stands before U+FB33."""
    names = ["\u20ac", "\r", "\ufb33", "1", "\U0001f600", "\u0080", "\u00f6"]
    data = encode_json(dict.fromkeys(names, 0))
    assert list(json.loads(data)) == ["\r", "1", "\u0080", "\u00f6", "\u20ac", "\U0001f600", "\ufb33"]
    assert encode_json(decode_json(data)) == data


def test_the_rfcs_escapes() -> None:
    """RFC 8785, section 3.2.2.2."""
    value = {"string": '\u20ac$\u000f\u000aA\'B"\\\\"/\u2028\u007f'}
    assert encode_json(value) == '{"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/\u2028\u007f"}'.encode()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null",
        b"[]",
        b"1",
        b'{"a":1} ',
        b' {"a":1}',
        b'{"a": 1}',
        b'{"a":1}\n',
        b'{"a":1}{"a":1}',
        b'{"b":1,"a":1}',
        b'{"a":1,"a":1}',
        b'{"a":1,"a":2}',
        b'{"a":01}',
        b'{"a":-0}',
        b'{"a":1.0}',
        b'{"a":1e2}',
        b'{"a":NaN}',
        b'{"a":-Infinity}',
        b'{"a":"\\u0061"}',
        b'{"a":"\\/"}',
        b'{"a":"\\u000A"}',
        b'{"a":"\\ud800"}',
        b'{"a":"\\ud83d\\ude00"}',
        b'{"a":"\n"}',
        b'{"a":"\xff"}',
        b'{"a":"\xed\xa0\x80"}',
        b"\xef\xbb\xbf{}",
        b'{"a":' + b"[" * 4000,
        b'{"a":' + b"[" * 2000 + b"]" * 2000 + b"}",
        b'{"a":' + b"1" * 5000 + b"}",
        b"{'a':1}",
        b'{"a":1,}',
        b'{"a":tru}',
    ],
)
def test_nothing_else_is_read(data: bytes) -> None:
    with pytest.raises(SnapshotError):
        decode_json(data)


def test_unknown_values_are_bounded() -> None:
    check_extra({"a": [1, {"b": 2**53 - 1}, -(2**53) + 1, True]})
    nested: object = 0
    for _ in range(70):
        nested = [nested]
    for value in (2**53, -(2**53), [{"a": 2**60}], nested):
        with pytest.raises(SnapshotError):
            check_extra(value)
