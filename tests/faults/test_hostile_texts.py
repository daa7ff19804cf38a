"""A hundred thousand hostile texts in a catalogue, shown by every command that shows text (docs/safety.md F1)."""

import random
from datetime import UTC, datetime
from pathlib import Path

import pytest

from catalog.home.home import open_home
from catalog.index.history import Change
from catalog.model.release import Release
from tests.cli.flows.test_hostile import CONTROLS, HIDDEN, SEQUENCES
from tests.factory.platforms import AMD64
from tests.factory.releases import listed_image
from tests.faults.forking import Forks

_BATCH = 100


def hostile_text(chance: random.Random) -> str:
    """Make a short text around one thing that no terminal should get."""
    dangerous = chance.choice([*CONTROLS, *HIDDEN, *SEQUENCES])
    return f"{chance.choice(['', 'a', 'ü', ' '])}{dangerous}{chance.choice(['', 'b', 'ß', dangerous])}"


@pytest.mark.parametrize("releases", [3, pytest.param(250, marks=pytest.mark.long)])
def test_nothing_raw_is_shown(forks: Forks, images: dict[str, str], folder: Path, releases: int) -> None:
    """Each release has four hundred texts: in its title, its description, an annotation and the reason of its yank."""
    home = folder / "home"
    assert forks.run("publish", "web", "1", "--from", images["1.0"], home=home).code == 0
    chance = random.Random(releases)
    with open_home(home, now=datetime.now(UTC)) as opened:
        own = opened.own_catalogue() or ""
        for number in range(releases):
            texts = ["".join(hostile_text(chance) for _ in range(_BATCH)) for _ in range(4)]
            image = listed_image(str(number))
            annotations = {"title": texts[0], "description": texts[1], "note": texts[2]}
            release = Release(f"app{number}", "1", opened.time, {AMD64: image}, annotations, yanked=texts[3])
            opened.put_own([release], [Change(own, opened.time, "yanked", release.name, "1", detail={"reason": texts[3]})])
    commands = [["list"], ["search", "app1"], ["log"], ["status"], ["doctor"], ["diff", "app0@1", "app1@1"]]
    for number in range(releases):
        commands += [["show", f"app{number}@1"], ["resolve", f"app{number}@1"]]
    for number in range(min(releases, 20)):
        commands += [["list", f"app{number}"], ["log", f"app{number}@1"]]
    shown = 0
    for command in commands:
        for form in ([], ["--json"]):
            ended = forks.run(*command, *form, home=home)
            assert ended.code in {0, 52}, (command, ended)
            text = ended.out + ended.err
            shown += text.count("\\u{") + text.count("\\u")
            assert not {char for char in text if char in CONTROLS or char in HIDDEN}, command
    print(f"{releases * 4 * _BATCH} texts, {shown} escapes shown")
    assert shown > releases * _BATCH
