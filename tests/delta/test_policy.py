"""Which delta is taken: the cheapest chain from what is held, from the newest base, and none that saves too little."""

from collections.abc import Mapping
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.delta.policy import KnownImage, chain_size, find_chain, is_chain_worth, is_delta_worth, order_bases
from catalog.ipld.cid import Cid, cid_of
from catalog.limits import MAX_DELTA_CHAIN
from catalog.model.digest import ConfigDigest, ManifestDigest
from catalog.model.release import DeltaLink, Image


def archive(version: str) -> Cid:
    return cid_of(version.encode())


def known(version: str, deltas: Mapping[str, int] | None = None) -> KnownImage:
    links = {archive(base): DeltaLink(cid_of(f"{base} to {version}".encode()), size) for base, size in (deltas or {}).items()}
    content = version.encode()
    return KnownImage(
        version, Image(archive(version), ConfigDigest.of(content), ManifestDigest.of(content), 1, 100, 200, deltas=links)
    )


def chain_of(target: str, images: list[KnownImage], held: set[str]) -> list[str]:
    chain = find_chain(archive(target), images, lambda cid: cid in {archive(version) for version in held})
    return [*(hop.base.version for hop in chain), chain[-1].target.version] if chain else []


def test_the_newest_version_is_the_base() -> None:
    images = [known(version) for version in ("1.9", "1.10", "2.0-rc1", "1.2", "2.0")]
    assert [entry.version for entry in order_bases(archive("2.0"), images)] == ["2.0-rc1", "1.10", "1.9", "1.2"]
    again = [*images, KnownImage("3.0", images[0].image)]
    assert [entry.version for entry in order_bases(archive("2.0"), again)] == ["3.0", "2.0-rc1", "1.10", "1.2"]


def test_a_chain_leads_from_what_is_held() -> None:
    images = [known("1.0"), known("1.1", {"1.0": 10}), known("1.2", {"1.1": 10}), known("1.3", {"1.2": 10})]
    assert chain_of("1.3", images, {"1.2"}) == ["1.2", "1.3"]
    assert chain_of("1.3", images, {"1.0", "1.1"}) == ["1.1", "1.2", "1.3"]
    assert chain_of("1.3", images, {"1.0"}) == ["1.0", "1.1", "1.2", "1.3"]
    assert chain_of("1.3", images, set()) == []
    assert chain_of("1.3", images, {"1.3"}) == []
    assert chain_of("1.0", images, {"1.3"}) == []
    assert chain_of("9.9", images, {"1.3"}) == []


def test_the_smallest_of_several_is_taken() -> None:
    images = [known("1.0"), known("1.1", {"1.0": 10}), known("1.2", {"1.1": 10, "1.0": 19}), known("1.3", {"1.2": 10, "1.0": 35})]
    assert chain_of("1.3", images, {"1.0"}) == ["1.0", "1.2", "1.3"]
    chain = find_chain(archive("1.3"), images, lambda cid: cid == archive("1.0"))
    assert chain_size(chain) == 29


def test_a_base_that_no_release_has_is_no_step() -> None:
    assert chain_of("1.1", [known("1.1", {"gone": 10})], {"gone"}) == []


def test_circles_and_long_chains_end() -> None:
    assert chain_of("a", [known("a", {"b": 1}), known("b", {"a": 1})], {"c"}) == []
    images = [known(str(number), {str(number - 1): 1} if number else None) for number in range(MAX_DELTA_CHAIN + 2)]
    assert len(chain_of(str(MAX_DELTA_CHAIN), images, {"0"})) == MAX_DELTA_CHAIN + 1
    assert chain_of(str(MAX_DELTA_CHAIN + 1), images, {"0"}) == []


@given(
    st.dictionaries(st.tuples(st.integers(0, 6), st.integers(0, 6)), st.integers(1, 100), max_size=20),
    st.sets(st.integers(0, 6), max_size=3),
)
def test_no_chain_is_cheaper(edges: dict[tuple[int, int], int], held: set[int]) -> None:
    """Against all paths of a small graph."""
    deltas: dict[int, dict[str, int]] = {number: {} for number in range(7)}
    for (base, target), size in edges.items():
        if base != target:
            deltas[target][str(base)] = size
    images = [known(str(number), deltas[number]) for number in range(7)]
    chain = find_chain(archive("0"), images, lambda cid: cid in {archive(str(number)) for number in held})
    best = min(_costs(0, deltas, held, frozenset()), default=None)
    if best is None:
        assert chain == ()
    else:
        assert chain_size(chain) == best
        assert chain[-1].target.version == "0"
        assert int(chain[0].base.version) in held
        assert all(one.target == other.base for one, other in pairwise(chain))


def _costs(at: int, deltas: dict[int, dict[str, int]], held: set[int], seen: frozenset[int]) -> list[int]:
    if at in held and seen:
        return [0]
    found = []
    for base, size in deltas[at].items():
        if int(base) not in seen | {at}:
            found += [size + cost for cost in _costs(int(base), deltas, held, seen | {at})]
    return found


@pytest.mark.parametrize(
    ("size", "missing", "chain", "single"), [(49, 100, True, True), (50, 100, False, True), (71, 100, False, False)]
)
def test_what_saves_too_little_is_not_taken(size: int, missing: int, chain: bool, single: bool) -> None:
    assert is_chain_worth(size, missing) is chain
    assert is_delta_worth(size, missing) is single
