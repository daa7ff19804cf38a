"""A thing is the same document in ``--json`` and in the twin of a page; the page says more at most."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from cli.main import main
from tests.server.pages.conftest import Pages

DIFF = ("diff", "web@1.0", "web@1.1", "--files", "--platform", "linux/amd64")
DIFF_PAGE = "/diff/mine/web@1.0/mine/web@1.1.json"


@pytest.mark.parametrize(
    ("arguments", "path", "keys"),
    [
        (("list",), "/c/mine.json", {"names": "names"}),
        (("search", "web"), "/search.json?q=web", {"hits": "hits"}),
        (("list", "web", "--removed"), "/r/mine/web.json", {"releases": "releases"}),
        (("status",), "/status.json", {"catalogues": "catalogues"}),
        (("catalogues",), "/index.json", {"catalogues": "catalogues"}),
        (("files", "web@1.1", "--platform", "linux/amd64"), "/r/mine/web@1.1/files.json", {"files": "files", "path": "path"}),
        (DIFF, DIFF_PAGE, {"layers": "layers", "packages": "packages", "files": "files"}),
    ],
)
def test_a_page_says_what_the_command_says(
    pages: Pages,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    path: str,
    keys: dict[str, str],
) -> None:
    monkeypatch.setenv("DCAT_HOME", str(pages.home.path))
    assert main([*arguments, "--json"]) == 0
    printed, shown = json.loads(capfd.readouterr().out), json.loads(pages.get(path).body)
    for here, there in keys.items():
        assert printed[here]
        assert extends(shown[there], printed[here], arguments[0]), (shown[there], printed[here])


def test_a_release_page_says_what_show_says(
    pages: Pages, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DCAT_HOME", str(pages.home.path))
    assert main(["show", "web@1.1", "--json"]) == 0
    printed, shown = json.loads(capfd.readouterr().out), json.loads(pages.get("/r/mine/web@1.1.json").body)
    image = printed["images"]["linux/amd64"]
    for key in (
        "reference",
        "name",
        "version",
        "catalogue",
        "alias",
        "published",
        "yanked",
        "removed",
        "annotations",
        "first_seen",
    ):
        assert shown[key] == printed[key]
    assert all(shown["images"]["linux/amd64"][key] == image[key] for key in ("archive", "config", "manifest", "size", "deltas"))
    assert extends(shown["layer_list"], image["layer_list"], "show")


def extends(more: Any, less: Any, command: str) -> bool:
    """Return whether a document has all fields of another one, with the same values; of a catalogue each command says more."""
    if isinstance(less, Mapping):
        keys = less.keys() & more.keys() - {"state"} if command in ("status", "catalogues") else less.keys()
        return all(key in more and extends(more[key], less[key], command) for key in keys)
    if isinstance(less, list):
        return len(more) == len(less) and all(extends(one, other, command) for one, other in zip(more, less, strict=True))
    return bool(more == less)
