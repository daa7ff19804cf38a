"""``dcat diff``."""

from tests.cli.conftest import Dcat, ok, read_json


def test_diff(stocked: Dcat) -> None:
    out = ok(stocked("diff", "web@1.0", "web@1.1"))
    assert [line.split("\t")[0] for line in out.splitlines() if "sha256:" in line] == ["same", "added", "removed", "same"]
    document = read_json(stocked("diff", "web@1.0", "web@1.1", "--json"))
    assert document["same"] is False
    assert "content\tthe same" in ok(stocked("diff", "web@1.0", "web@1.0"))
    assert stocked("diff", "web@1.0", "web@1.1", "--platform", "linux/arm64").code == 10
