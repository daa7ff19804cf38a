"""Hostile names wherever a stranger may put one, and every path that dcat then changes (docs/safety.md B14)."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.factory.exports import docker_25, docker_legacy, dump
from tests.factory.images import APP, BASE, make_image
from tests.factory.tars import make_layer, make_tar
from tests.faults.forking import Ended, Forks
from tests.faults.watching import outside

_PARTS = [
    "..",
    ".",
    "",
    "a",
    "ü",
    "\0",
    "\\",
    "..\\..",
    "~",
    "$HOME",
    "%2e%2e",
    "C:",
    "file:",
    "\n",
    "-o",
    " ",
    "*",
    "\x1b[2J",
    "a" * 150,
]


def hostile_names(chance: random.Random, target: Path) -> Iterator[str]:
    """Yield names that differ: paths that lead to ``target`` where they are followed, with parts that break what splits paths."""
    number = 0
    while True:
        number += 1
        up = "../" * chance.choice([0, 1, 5, 20])
        start = chance.choice([str(target), str(target)[1:], f"/{target}", "etc", ""])
        parts = [chance.choice(_PARTS) for _ in range(chance.randint(0, 4))]
        yield chance.choice(["/", "//", "\\", "/./"]).join([f"{up}{start}", *parts, f"n{number}"])


class Watched:
    """Commands in homes below one folder, and what they may change there: the homes, their settings and one folder for output."""

    def __init__(self, forks: Forks, folder: Path) -> None:
        self.output = folder / "output"
        self.target = folder / "outside"
        self.output.mkdir()
        self._forks = forks
        self._folder = folder
        self._report = folder / "report"

    def run(self, *arguments: str, home: str = "home") -> Ended:
        ended = self._forks.run(*arguments, home=self._folder / home, watched=self._report)
        assert "Traceback" not in ended.err, (arguments, ended)
        return ended

    def outside(self) -> set[str]:
        """Return what was changed elsewhere."""
        homes = [self._folder / name for home in ("home", "follower") for name in (home, f"{home}.toml")]
        return outside(self._report, *homes, self.output, Path("/dev/null"))

    def check(self) -> None:
        """Nothing was changed elsewhere, by what was observed and by what is there."""
        assert self.outside() == set()
        assert not self.target.exists()
        print(f"{len(self._report.read_bytes().splitlines())} changes")


@pytest.fixture
def watched(forks: Forks, folder: Path) -> Watched:
    return Watched(forks, folder)


@pytest.mark.parametrize("count", [300, pytest.param(100_000, marks=pytest.mark.long)])
def test_paths_and_texts_of_an_image(watched: Watched, count: int) -> None:
    """They are paths in a layer, tags, labels and annotations, at the publisher and at one who follows."""
    chance = random.Random(count)
    names = hostile_names(chance, watched.target)
    paths = [next(names) for _ in range(count)]
    layer = make_layer(dict.fromkeys(paths, b"text"))
    texts = [next(names) for _ in range(100)]
    image = make_image([BASE, layer, APP], labels=dict.fromkeys(texts, texts[0]))
    export = watched.output / "image.tar"
    export.write_bytes(make_tar(docker_25(image, texts)))
    annotations = [word for text in texts[:10] for word in ("--annotation", f"note={text}")]
    assert watched.run("publish", "web", "1", "--from", str(export), "--title", texts[0], *annotations).code == 0
    bundle = str(watched.output / "web.car")
    assert watched.run("export", "--catalogue", "mine", "-o", bundle).code == 0
    assert watched.run("subscribe", "them", bundle, home="follower").code == 0
    assert watched.run("import", bundle, home="follower").code == 0
    for home in ("home", "follower"):
        for arguments in (
            ["files", "web@1", "-r"],
            ["files", "web@1", "--search", "n1"],
            ["diff", "web@1", "web@1", "--files"],
            ["pull", "web@1", "--no-load"],
            ["save", "web@1", "-o", str(watched.output / f"{home}.tar.zst")],
            ["show", "web@1"],
            ["gc", "--yes"],
        ):
            assert watched.run(*arguments, home=home).code == 0, arguments
        for path in chance.sample(paths, 20):
            assert watched.run("cat", f"web@1:/{path}", home=home).code in {0, 10}, path
    watched.check()


@pytest.mark.parametrize("count", [6, pytest.param(500, marks=pytest.mark.long)])
def test_paths_of_an_archive(watched: Watched, count: int) -> None:
    """They are members, targets of links, and paths that ``manifest.json`` names."""
    image = make_image([BASE, APP])
    legacy = docker_legacy(image)
    config = f"{image.config_hex}.json"
    names = hostile_names(random.Random(count), watched.target)
    file = watched.output / "image.tar"
    for _ in range(count):
        name = next(names)
        layers = [f"{name}{position}" for position in range(2)]
        for members in (
            {name: b"text", **legacy},
            {**legacy, "x": ("symlink", name)},
            {**legacy, "x": ("hardlink", name)},
            {**legacy, "manifest.json": dump([{"Config": name, "Layers": layers}])},
            {**legacy, "manifest.json": dump([{"Config": config, "RepoTags": [name], "Layers": layers}])},
        ):
            file.write_bytes(make_tar(members))
            assert watched.run("publish", "web", "1", "--from", str(file)).code in {0, 10, 11, 20}, members
    watched.check()


@pytest.mark.parametrize("count", [4, pytest.param(200, marks=pytest.mark.long)])
def test_names_that_a_person_was_given(watched: Watched, images: dict[str, str], count: int) -> None:
    """They are the names, versions and aliases that somebody copies from a page into a command."""
    assert watched.run("publish", "web", "1", "--from", images["1.0"]).code == 0
    bundle = str(watched.output / "web.car")
    assert watched.run("export", "web@1", "-o", bundle).code == 0
    names = hostile_names(random.Random(count), watched.target)
    for _ in range(count):
        name = next(names)
        for arguments in (
            ["publish", "--from", images["1.0"], "--", name, "1"],
            ["publish", "--from", images["1.0"], "--", "web", name],
            ["subscribe", "--", name, bundle],
            ["subscribe", "--", "them", name],
            ["pull", "--no-load", "--", name],
            ["pull", "--no-load", "--", f"web@{name}"],
            ["import", "--", name],
            ["show", "--", name],
            ["remove", "--", name],
            ["unsubscribe", "--", name],
        ):
            assert watched.run(*arguments).code != 0, arguments
    watched.check()


def test_the_watch_notices(watched: Watched, images: dict[str, str]) -> None:
    assert watched.run("publish", "web", "1", "--from", images["1.0"]).code == 0
    assert watched.outside() == set()
    assert watched.run("save", "web@1", "-o", str(watched.target)).code == 0
    assert str(watched.target) in watched.outside()
