"""``dcat save``."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Dcat, ok, read_json
from tests.needs import ROOT


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


def test_the_name_of_the_file_says_what_is_in_it(stocked: Dcat, tmp_path: Path) -> None:
    plain = tmp_path / "a b.tar"
    ran = stocked("save", "web@1.0", "-o", str(plain))
    assert ran.code == 0
    assert plain.read_bytes()[257:262] == b"ustar"
    assert f"To load it: docker load -i '{plain}'\n" in ran.err
    assert ran.err.endswith("To name it: docker tag ID web:1.0   (ID: what docker load prints)\n")
    assert stocked("save", "web@1.0", "--uncompressed", "-o", str(tmp_path / "other.tar")).code == 0
    assert (tmp_path / "other.tar").read_bytes() == plain.read_bytes()
    zstd = tmp_path / "a b.tar.zst"
    assert f"zstd -dc '{zstd}' | docker load" in stocked("save", "web@1.0", "-o", str(zstd)).err
    assert zstd.read_bytes()[:4] == b"\x28\xb5\x2f\xfd"


@pytest.mark.parametrize(("name", "program"), [("x y.tar.gz", "gzip"), ("x.tgz", "gzip"), ("x.TAR.XZ", "xz"), ("x.bz2", "bzip2")])
def test_another_compression_is_refused_with_a_command_that_writes_it(
    stocked: Dcat, tmp_path: Path, name: str, program: str
) -> None:
    target = tmp_path / name
    ran = stocked("save", "web@1.0", "-o", str(target))
    assert ran.code == 2
    assert not target.exists()
    (hint,) = (line.removeprefix("  try: ") for line in ran.err.splitlines() if line.startswith("  try: "))
    assert f"| {program} > " in hint
    script = hint.replace("dcat", f"{sys.executable} -m cli.main", 1)
    subprocess.run(["bash", "-c", script], check=True, cwd=ROOT, capture_output=True)
    assert stocked("publish", "again", "1", "--from", str(target)).code == 0
