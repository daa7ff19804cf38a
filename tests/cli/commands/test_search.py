"""``dcat search``."""

from tests.cli.conftest import Dcat, ok, read_json


def test_search(stocked: Dcat) -> None:
    assert ok(stocked("search", "serv", "-q")) == "web\n"
    assert ok(stocked("search", "we", "-q")) == "web\n"
    assert "dcat list" in stocked("search", "nothing").err
    assert read_json(stocked("search", "web", "--json"))["words"] == "web"
    assert stocked("search", " ").code == 2
