"""``dcat list``."""

from tests.cli.conftest import Dcat, ok, read_json


def test_list(stocked: Dcat) -> None:
    assert [line.split("\t")[:3] for line in ok(stocked("list")).splitlines()] == [["web", "1.1", "2"]]
    assert ok(stocked("list", "-q")) == "web\n"
    assert ok(stocked("list", "web", "-q")) == "web@1.1\nweb@1.0\n"
    assert ok(stocked("list", "w*", "--platform", "linux/arm64", "-q")) == "web@1.0\n"
    assert ok(stocked("list", "--releases", "--limit", "1", "-q")) == "web@1.1\n"
    assert ok(stocked("list", "--catalogue", "mine", "-q")) == "web\n"
    names = read_json(stocked("list", "--json"))["names"]
    assert isinstance(names, list)
    assert names[0]["newest"] == "1.1"
    assert stocked("list", "wbe").code == 10
    assert "try: dcat list web\n" in stocked("list", "wbe").err
    assert stocked("list", "--catalogue", "bob").code == 10
