"""``dcat gc``."""

import os

from tests.cli.conftest import Dcat, ok, read_json


def test_gc_shows_then_frees_what_a_removed_release_alone_had(stocked: Dcat) -> None:
    ok(stocked("gc", "--yes"))  # the snapshots before the newest
    assert read_json(stocked("gc", "--json"))["garbage"] == {"blocks": 0, "bytes": 0}
    ok(stocked("remove", "web@1.1"))
    shown = read_json(stocked("gc", "--json"))
    assert shown["deleted"] is False
    assert shown["garbage"] != {"blocks": 0, "bytes": 0}
    assert read_json(stocked("gc", "--json", "--yes"))["garbage"] == shown["garbage"]
    assert read_json(stocked("gc", "--json"))["garbage"] == {"blocks": 0, "bytes": 0}
    assert stocked("verify").code == 0
    assert stocked("save", "web@1.0", "-o", os.devnull).code == 0
