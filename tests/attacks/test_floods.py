"""Work that a publisher makes for others by listing one image very many times."""

from dataclasses import replace
from datetime import timedelta

import pytest

from catalog.lookup.view import Held, Row, View
from tests.attacks.publisher import Attacker, list_image
from tests.attacks.victim import Victim
from tests.factory.platforms import AMD64
from tests.factory.releases import listed_image


@pytest.mark.parametrize("lied", ["archive", "nothing"])
def test_a_digest_that_a_stranger_lists_over_and_over(
    mallory: Attacker, carol: Attacker, ann: Victim, monkeypatch: pytest.MonkeyPatch, lied: str
) -> None:
    """A26: what was seen first counts, and few of the others are read."""
    image = listed_image("true")
    carol.publish(list_image("web", "1.0", image, AMD64))
    ann.subscribe(carol, "carol")
    ann.wait(timedelta(minutes=1))
    false = replace(image, archive=listed_image("evil").archive) if lied == "archive" else image
    mallory.publish(*(list_image("aaa", str(number), false, AMD64) for number in range(1000)))
    ann.subscribe(mallory, "bob", carol)
    read: list[object] = []
    held_row, release = View.held_row, View.release

    def count_held(view: View, held: Held) -> Row:
        read.append(held)
        return held_row(view, held)

    def count_release(view: View, catalogue: str, name: str, version: str) -> Row | None:
        read.append(version)
        return release(view, catalogue, name, version)

    monkeypatch.setattr(View, "held_row", count_held)
    monkeypatch.setattr(View, "release", count_release)
    for reference in (str(image.config), str(image.manifest), f"web@{image.config}", f"ipfs://{image.archive}"):
        found = ann.resolve(reference)
        assert (found.image, found.catalogue.alias) == (image, "carol")
    assert len(read) <= 4 * 64
    assert ann.resolve(f"bob/aaa@{image.config}").image == false
