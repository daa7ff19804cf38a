"""The bytes of a version sort as the version does."""

from hypothesis import given
from hypothesis import strategies as st

from catalog.index.order import encode_order
from catalog.model.reference import version_key

versions = st.one_of(
    st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,20}", fullmatch=True),
    st.from_regex(r"v?[0-9]{1,3}(\.[0-9]{1,4}){0,3}(-?(rc|beta|alpha|dev|a|b)[0-9]{0,2})?", fullmatch=True),
    st.from_regex(r"[0-9]{100,128}", fullmatch=True),
)


@given(st.lists(versions, max_size=8))
def test_sorts_like_the_key(some: list[str]) -> None:
    assert sorted(some, key=encode_order) == sorted(some, key=version_key)


@given(versions, versions)
def test_tells_versions_apart(one: str, other: str) -> None:
    assert (encode_order(one) == encode_order(other)) == (one == other)
    assert (encode_order(one) < encode_order(other)) == (version_key(one) < version_key(other))
