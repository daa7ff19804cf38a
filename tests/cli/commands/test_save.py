"""``dcat save``."""

from pathlib import Path

from tests.cli.conftest import Dcat, ok, read_json


def test_save_to_a_file_and_to_a_stream(stocked: Dcat, tmp_path: Path) -> None:
    target = tmp_path / "web.tar.zst"
    assert f"Wrote {target}" in ok(stocked("save", "web@1.0", "-o", str(target)))
    assert target.read_bytes()[:4] == b"\x28\xb5\x2f\xfd"
    plain = tmp_path / "web.tar"
    assert read_json(stocked("save", "web@1.0", "--uncompressed", "-o", str(plain), "--json"))["size"] == plain.stat().st_size
    cid = ok(stocked("resolve", "web@1.0"))
    assert stocked("publish", "copy", "1", "--from", str(target)).code == 0
    assert ok(stocked("resolve", "copy@1")) == cid
    assert stocked("save", "web@1.0").code == 2
