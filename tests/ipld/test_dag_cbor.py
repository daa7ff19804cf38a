"""DAG-CBOR: fixtures, strictness, and agreement with two independent implementations."""

import json
import math
from typing import Any

import dag_cbor as other_dag_cbor
import libipld
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.errors import CodecError
from catalog.ipld import dag_cbor
from catalog.ipld.cid import DAG_CBOR, Cid, cid_of, parse_cid
from catalog.limits import MAX_CBOR_DEPTH
from tests.needs import vectors

keys = st.text(max_size=8)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**64), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=40)
    | st.binary(max_size=40)
)
plain_values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(keys, inner, max_size=5), max_leaves=20
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(keys, inner, max_size=5),
    max_leaves=20,
)
values = st.recursive(
    scalars | st.builds(cid_of, st.binary(max_size=4)),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(keys, inner, max_size=5),
    max_leaves=20,
)


def same(first: object, second: object) -> bool:
    """Equal, and of equal types: 1, 1.0 and True are three values here."""
    if isinstance(first, dict) and isinstance(second, dict):
        return first.keys() == second.keys() and all(same(first[key], second[key]) for key in first)
    if isinstance(first, list) and isinstance(second, list):
        return len(first) == len(second) and all(map(same, first, second))
    return type(first) is type(second) and first == second


def test_fixtures_come_out_as_they_went_in() -> None:
    paths = sorted(vectors("codec-fixtures").glob("*/*.dag-cbor"))
    assert len(paths) > 100
    foreign = set()
    for path in paths:
        block = path.read_bytes()
        assert cid_of(block, DAG_CBOR) == parse_cid(path.stem)
        try:
            value = dag_cbor.decode(block)
        except CodecError as error:
            foreign.add((path.parent.name, error.message))
        else:
            assert dag_cbor.encode(value) == block, path
    # CIDs of other hashes and codecs are refused wherever they stand; nothing else is.
    assert all("a link is" in message for _, message in foreign), foreign
    assert len(foreign) < 40


def test_negative_fixtures_are_refused() -> None:
    cases = json.loads((vectors("codec-fixtures") / "negative-fixtures/dag-cbor/decode/duplicate-keys.json").read_text())
    for case in cases:
        with pytest.raises(CodecError):
            dag_cbor.decode(bytes.fromhex(case["hex"]))
    with pytest.raises(CodecError):
        dag_cbor.decode((vectors("dag-cbor") / "kubo/non-canon.cbor").read_bytes())


@given(values)
def test_what_is_written_is_read(value: Any) -> None:
    assert same(dag_cbor.decode(dag_cbor.encode(value)), value)


@given(plain_values)
def test_two_other_implementations_agree(value: Any) -> None:
    data = dag_cbor.encode(value)
    assert data == other_dag_cbor.encode(value)
    assert same(other_dag_cbor.decode(data), value)


@given(json_values)
def test_libipld_agrees_on_plain_values(value: Any) -> None:
    assert dag_cbor.encode(value) == libipld.encode_dag_cbor(value)


@given(st.binary(max_size=60))
def test_whatever_is_read_is_the_one_encoding_and_read_alike_by_another(data: bytes) -> None:
    try:
        value = dag_cbor.decode(data)
    except CodecError:
        return
    assert dag_cbor.encode(value) == data
    if "Cid(" not in repr(value):
        assert same(other_dag_cbor.decode(data), value)


def test_a_link_is_a_cid() -> None:
    cid = cid_of(b"x")
    data = dag_cbor.encode({"link": cid})
    assert dag_cbor.decode(data) == {"link": cid}
    assert libipld.decode_dag_cbor(data) == {"link": cid.binary} or isinstance(dag_cbor.decode_map(data)["link"], Cid)


@pytest.mark.parametrize(
    ("what", "data"),
    [
        ("nothing", ""),
        ("bytes after the value", "0000"),
        ("an integer in two bytes that fits in one", "1817"),
        ("an integer in nine bytes that fits in five", "1b00000000ffffffff"),
        ("a length in two bytes that fits in one", "580161"),
        ("an indefinite list", "9fff"),
        ("an indefinite text", "7f6161ff"),
        ("a half float", "f93c00"),
        ("a single float", "fa3f800000"),
        ("NaN", "fb7ff8000000000000"),
        ("infinity", "fb7ff0000000000000"),
        ("undefined", "f7"),
        ("a simple value in two bytes", "f818"),
        ("an integer as a key", "a10000"),
        ("a key twice", "a2616100616101"),
        ("keys out of order", "a2616200616101"),
        ("a longer key first", "a262616100616200"),
        ("tag 43", "d82b4100"),
        ("tag 42 over text", "d82a6100"),
        ("tag 42 in three bytes", "d9002a4100"),
        ("a link without its 0", "d82a5824" + cid_of(b"").binary.hex()),
        ("an identity link", "d82a450001550000"),
        ("text that is not UTF-8", "61ff"),
        ("a surrogate", "63eda080"),
        ("more entries than bytes", "9b0000ffffffffffff"),
        ("more pairs than bytes", "bb0000ffffffffffff"),
        ("more bytes than there are", "5b7fffffffffffffff"),
        ("a reserved head", "1c"),
    ],
)
def test_other_encodings_are_refused(what: str, data: str) -> None:
    with pytest.raises(CodecError):
        dag_cbor.decode(bytes.fromhex(data))


def test_keys_may_stand_in_any_order_where_that_is_asked_for() -> None:
    shuffled = bytes.fromhex("a2616200616101")
    assert dag_cbor.decode_map(shuffled, any_order=True) == {"b": 0, "a": 1}
    with pytest.raises(CodecError):
        dag_cbor.decode_map(bytes.fromhex("a3616100616201616102"), any_order=True)


def test_depth_is_limited_both_ways() -> None:
    deep = b"\x81" * MAX_CBOR_DEPTH + b"\x00"
    assert dag_cbor.encode(dag_cbor.decode(deep)) == deep
    for levels in (MAX_CBOR_DEPTH + 1, 100_000):
        with pytest.raises(CodecError, match="deeper"):
            dag_cbor.decode(b"\x81" * levels + b"\x00")
    value: Any = 0
    for _ in range(MAX_CBOR_DEPTH + 1):
        value = [value]
    with pytest.raises(ValueError, match="deep"):
        dag_cbor.encode(value)


@pytest.mark.parametrize("value", [math.nan, math.inf, 2**64, -(2**64) - 1])
def test_what_it_cannot_hold_is_not_written(value: float) -> None:
    with pytest.raises(ValueError, match="DAG-CBOR holds no"):
        dag_cbor.encode(value)


@pytest.mark.parametrize("value", [{1: 2}, {b"a": 1}, object(), {1, 2}])
def test_other_types_are_not_written(value: object) -> None:
    with pytest.raises(TypeError):
        dag_cbor.encode(value)
