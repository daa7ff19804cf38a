import random
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from catalog.ipld.cid import cid_of
from catalog.limits import MAX_REGISTRY_REFERENCES
from catalog.model.release import DeltaLink, Release
from catalog.trust.merge import merge_release
from tests.factory.platforms import AMD64, ARM, ARM64
from tests.factory.releases import listed_image, make_release

BASE = make_release(images={AMD64: listed_image(1)}, annotations={"title": "Web", "licence": "MIT"})


def test_what_one_side_alone_has_or_changed_is_taken() -> None:
    changed = replace(BASE, yanked="broken")
    assert merge_release(None, BASE, None).release == BASE
    assert merge_release(None, None, BASE).release == BASE
    assert merge_release(BASE, BASE, changed).release == changed
    assert merge_release(BASE, changed, BASE).release == changed
    assert merge_release(None, changed, changed).release == changed
    assert merge_release(BASE, BASE, None).release == BASE


def test_both_sides_add() -> None:
    mine = replace(
        BASE,
        images={**BASE.images, ARM64: listed_image(2)},
        annotations={"title": "Web", "licence": "MIT", "source": "here"},
        yanked="broken",
    )
    theirs = replace(
        BASE, images={**BASE.images, ARM: listed_image(3)}, annotations={"title": "The web"}, published="2026-11-25T06:00:00Z"
    )
    merged = merge_release(BASE, mine, theirs)
    assert merged.lost == {}
    assert merged.release == replace(
        BASE,
        images={AMD64: listed_image(1), ARM: listed_image(3), ARM64: listed_image(2)},
        annotations={"title": "The web", "source": "here"},
        yanked="broken",
    )


def test_two_contents_for_one_platform_are_reported_and_the_shared_one_stands() -> None:
    merged = merge_release(
        None, make_release(images={AMD64: listed_image(1), ARM64: listed_image(5)}), make_release(images={AMD64: listed_image(2)})
    )
    assert merged.release.images == {AMD64: listed_image(2), ARM64: listed_image(5)}
    assert merged.lost == {AMD64: listed_image(1).config}


def test_a_platform_that_one_side_has_is_kept_whatever_both_started_from() -> None:
    mine = replace(BASE, images={**BASE.images, ARM64: listed_image(2)})
    assert merge_release(mine, mine, BASE).release == mine
    assert merge_release(BASE, mine, replace(BASE, images={AMD64: listed_image(7)})).lost == {AMD64: listed_image(1).config}


def test_what_came_back_after_a_removal_stays() -> None:
    gone = make_release(images={}, removed="2026-11-24T08:00:00Z")
    assert merge_release(gone, BASE, gone).release.images == BASE.images
    assert merge_release(gone, gone, BASE).release.removed is None


def test_one_content_keeps_what_both_know_of_it() -> None:
    bases = [cid_of(bytes((number,))) for number in range(6)]
    mine = listed_image(1, registry=("a@sha256:0", "c@sha256:0"), deltas={base: DeltaLink(base, 1) for base in bases[:3]})
    theirs = listed_image(1, registry=("b@sha256:0", "c@sha256:0"), deltas={base: DeltaLink(base, 2) for base in bases[2:]})
    merged = merge_release(
        make_release(images={AMD64: listed_image(1)}), make_release(images={AMD64: mine}), make_release(images={AMD64: theirs})
    ).release.images[AMD64]
    assert merged.registry == ("a@sha256:0", "b@sha256:0", "c@sha256:0")
    assert len(merged.deltas) == 4
    other_archive = listed_image(1, archive=cid_of(b"other"))
    assert (
        merge_release(None, make_release(images={AMD64: mine}), make_release(images={AMD64: other_archive})).release.images[AMD64]
        == other_archive
    )


def test_a_removal_by_either_side_stands() -> None:
    gone = make_release(images={}, removed="2026-11-24T08:00:00Z")
    earlier = make_release(images={}, removed="2026-11-24T07:00:00Z")
    grown = replace(BASE, images={**BASE.images, ARM64: listed_image(2)})
    assert merge_release(BASE, gone, grown).release.removed == gone.removed
    assert merge_release(BASE, grown, gone).release.images == {}
    assert merge_release(BASE, gone, earlier).release.removed == earlier.removed


@given(st.integers(0, 2**32))
def test_nothing_is_lost_but_what_is_reported(seed: int) -> None:
    """Safety A11: the union of both sides' releases, in a random history of edits on two machines."""
    randomness = random.Random(seed)

    def edit(state: dict[str, Release]) -> dict[str, Release]:
        state = dict(state)
        for _ in range(randomness.randrange(5)):
            version = str(randomness.randrange(4))
            old = state.get(version) or replace(make_release(images={}), version=version)
            state[version] = replace(
                old, images={**old.images, randomness.choice((AMD64, ARM64)): listed_image(randomness.randrange(2))}
            )
        return state

    base = edit({})
    mine, theirs = edit(base), edit(base)
    merged = {}
    for version in mine.keys() | theirs.keys():
        result = merge_release(base.get(version), mine.get(version), theirs.get(version))
        merged[version] = result.release
        for side in (mine, theirs):
            for platform, held in (side[version].images if version in side else {}).items():
                kept = result.release.images[platform]
                assert kept == held or result.lost.get(platform) == held.config
    assert merged.keys() == mine.keys() | theirs.keys()


def test_references_to_registries_of_both_sides_fit_into_a_line() -> None:
    def with_references(side: str) -> Release:
        references = tuple(f"{side}.example/{number:0>60}@sha256:{number:064x}" for number in range(13))
        return replace(BASE, images={AMD64: replace(listed_image(1), registry=references)})

    merged = merge_release(BASE, with_references("a"), with_references("b")).release
    kept = merged.images[AMD64].registry
    assert 0 < sum(map(len, kept)) <= MAX_REGISTRY_REFERENCES
    union = with_references("a").images[AMD64].registry + with_references("b").images[AMD64].registry
    assert kept == union[: len(kept)]
