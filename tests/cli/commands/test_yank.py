"""``dcat yank``."""

from tests.cli.conftest import Dcat, ok


def test_yank_and_its_undoing(stocked: Dcat) -> None:
    ran = stocked("yank", "web@1.1", "--reason", "it eats files")
    assert ran.out == "Yanked web@1.1: it eats files\n"
    assert "--undo" in ran.err
    resolved = stocked("resolve", "web@1.1")
    assert resolved.code == 0
    assert "warning: web@1.1 was yanked: it eats files" in resolved.err
    assert ok(stocked("resolve", "web", "--latest")) == ok(stocked("resolve", "web@1.0"))
    assert "yanked: it eats files" in ok(stocked("list", "web"))
    assert ok(stocked("yank", "web@1.1", "--undo")) == "web@1.1 is no longer yanked\n"
    assert ok(stocked("yank", "web@1.1", "--undo")) == "web@1.1 was not yanked\n"
    assert stocked("resolve", "web@1.1").err == ""
    assert stocked("yank", "web@1.1").code == 2
    assert stocked("yank", "web", "--reason", "x").code == 24
    assert stocked("yank", "web@2", "--reason", "x").code == 10
