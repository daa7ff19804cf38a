"""``dcat log``."""

from tests.cli.conftest import Dcat, ok


def test_log(stocked: Dcat) -> None:
    kinds = [line.split("\t")[1:3] for line in ok(stocked("log")).splitlines()]
    assert kinds == [["published", "web@1.1"], ["platform", "web@1.0"], ["published", "web@1.0"]]
    assert len(ok(stocked("log", "web@1.0")).splitlines()) == 2
    assert len(ok(stocked("log", "web", "--limit", "1")).splitlines()) == 1
    assert stocked("log", "nothing").code == 10
