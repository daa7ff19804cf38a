"""``dcat pin``."""

from tests.cli.conftest import Dcat, ok, read_json


def test_pins(stocked: Dcat) -> None:
    assert "Pinned web@1.0" in ok(stocked("pin", "web@1.0"))
    assert read_json(stocked("status", "--json"))["pins"] == 1
    assert "Unpinned web@1.0" in ok(stocked("unpin", "web@1.0"))
    assert ok(stocked("unpin", "--older-than", "90d")) == ""
    assert stocked("unpin").code == 2
    assert stocked("unpin", "--older-than", "long").code == 2
