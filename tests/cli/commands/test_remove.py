"""``dcat remove``."""

from pathlib import Path

from tests.cli.conftest import Dcat, ok


def test_remove_keeps_the_line_and_only_the_same_content_returns(stocked: Dcat, tmp_path: Path) -> None:
    cid = ok(stocked("resolve", "web@1.1"))
    assert ok(stocked("remove", "web@1.1")) == "Removed web@1.1\n"
    assert "already removed" in ok(stocked("remove", "web@1.1"))
    ran = stocked("resolve", "web@1.1")
    assert ran.code == 10
    assert "removed by its publisher" in ran.err
    assert ok(stocked("list", "web", "-q")) == "web@1.0\n"
    assert ok(stocked("list", "web", "--removed", "-q")) == "web@1.1\nweb@1.0\n"
    assert stocked("publish", "web", "1.1", "--from", str(tmp_path / "one.tar")).code == 23
    assert stocked("publish", "web", "1.1", "--from", str(tmp_path / "two.tar")).code == 0
    assert ok(stocked("resolve", "web@1.1")) == cid
    assert stocked("yank", "nothing@1", "--reason", "x").code == 10
