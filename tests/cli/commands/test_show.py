"""``dcat show``."""

from tests.cli.conftest import Dcat, ok, read_json


def test_show(stocked: Dcat) -> None:
    out = ok(stocked("show", "web@1.0"))
    assert "annotation title\tA web server\n" in out
    assert "linux/arm64" in out
    assert out.count("sha256:") >= 2 * (2 + 3)
    document = read_json(stocked("show", "web@1.0", "--json", "--platform", "linux/arm64"))
    images = document["images"]
    assert isinstance(images, dict)
    assert list(images) == ["linux/arm64"]
    assert len(images["linux/arm64"]["layer_list"]) == 3
    ran = stocked("show", "web@1.1", "--platform", "linux/arm64")
    assert ran.code == 10
    assert "--platform linux/amd64" in ran.err
