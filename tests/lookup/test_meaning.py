"""A reference never changes what it means: not by a new name, a name that goes, a new alias or a new catalogue (A18)."""

import random

import pytest

from catalog.errors import AmbiguousReferenceError, DcatError
from catalog.index.releases import put_releases
from catalog.lookup.meaning import find_meaning
from catalog.trust import ownership
from tests.factory.releases import make_release
from tests.factory.times import AT
from tests.lookup.world import World, Worlds

PARTS = ["web", "a/web", "b/web", "a/a/web"]
ALIASES = ["a", "b", "c"]
REFERENCES = [*PARTS, *(f"{alias}/{name}" for alias in ALIASES for name in PARTS), "mine/web"]
CATALOGUES = {"a": "k51a", "b": "k51b"}


class Edits:
    """Random edits of two catalogues, their aliases and the own catalogue, and what each reference meant when it first did."""

    def __init__(self, world: World, choices: random.Random) -> None:
        self.world = world
        self.choices = choices
        self.names: dict[str, set[str]] = {"a": set(), "b": set()}
        self.meant: dict[str, tuple[str, str]] = {}

    def edit(self) -> None:
        try:
            kind = self.choices.choice(["publish", "publish", "publish", "own", "alias"])
            if kind == "publish":
                self._publish(self.choices.choice("ab"))
            elif kind == "own":
                self.world.put_own(make_release(self.choices.choice(PARTS), "1", "own"))
            else:
                ownership.follow(self.world.trust, CATALOGUES[self.choices.choice("ab")], self.choices.choice(ALIASES), AT)
        except AmbiguousReferenceError:
            return  # refused, since it would change a meaning

    def _publish(self, who: str) -> None:
        """Sync a random set of names in place of those that the catalogue had."""
        after = set(self.choices.sample(PARTS, self.choices.randrange(4)))
        gone = [(name, "1") for name in self.names[who] - after]
        some = [make_release(name, "1", (who, name)) for name in sorted(after)]
        ownership.follow(self.world.trust, CATALOGUES[who], who, AT)
        self.world.sync(who, *some, catalogue=CATALOGUES[who], gone=gone)
        self.names[who] = after

    def check(self) -> int:
        """Compare every reference with what it meant first; return how many mean something now."""
        view, found = self.world.lookup.view, 0
        for reference in REFERENCES:
            try:
                meaning = find_meaning(view, reference)
            except DcatError:
                continue
            found += 1
            now = (meaning.catalogue.catalogue, meaning.name)
            assert self.meant.setdefault(reference, now) == now, reference
        return found


def run(worlds: Worlds, monkeypatch: pytest.MonkeyPatch, sequences: int) -> None:
    monkeypatch.setattr("catalog.lookup.unknown.near_names", lambda *arguments, **options: [])
    choices = random.Random(18)
    found = 0
    for _ in range(sequences):
        with worlds.world() as world:
            edits = Edits(world, choices)
            for _ in range(choices.randrange(2, 8)):
                edits.edit()
                found += edits.check()
    assert found > 5 * sequences


@pytest.mark.slow
def test_no_edit_changes_what_a_reference_means(worlds: Worlds, monkeypatch: pytest.MonkeyPatch) -> None:
    run(worlds, monkeypatch, 400)


@pytest.mark.long
def test_ten_thousand_edit_sequences_change_no_meaning(worlds: Worlds, monkeypatch: pytest.MonkeyPatch) -> None:
    run(worlds, monkeypatch, 10_000)


def test_a_second_alias_changes_no_name_that_begins_with_it(worlds: Worlds) -> None:
    with worlds.world() as world:
        world.subscribe("bob", make_release("web", "1"))
        world.sync("bob", make_release("a/web", "1"), make_release("a/db", "1"))
        ownership.follow(world.trust, "k51bob", "a", AT)
        world.sync("bob", make_release("db", "1"), make_release("new", "1"))
        view = world.lookup.view
        assert [find_meaning(view, name).name for name in ("a/web", "a/db", "a/new", "bob/web")] == ["a/web", "a/db", "new", "web"]


def test_own_names_that_belong_to_another_catalogue_wait_for_the_users_act(worlds: Worlds) -> None:
    """A merge may bring a name of a subscription into the own catalogue: the name goes on to mean the subscription's."""
    with worlds.world() as world:
        world.subscribe("bob", make_release("web", "1", "bob's"))
        ownership.claim_names(world.trust, "k51mine", ["web"])
        put_releases(world.index, "k51mine", [make_release("web", "1", "mine")])
        assert find_meaning(world.lookup.view, "web").catalogue.alias == "bob"
        assert find_meaning(world.lookup.view, "mine/web").catalogue.own
        ownership.prefer(world.trust, "web", "k51mine")
        assert find_meaning(world.lookup.view, "web").catalogue.own
