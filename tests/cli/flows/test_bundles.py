"""A file on a stick: two homes without any network between them."""

import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.cli.conftest import Dcat, Ran, ok, read_json
from tests.factory.exports import write_image
from tests.needs import ROOT


@pytest.fixture
def as_bob(dcat: Dcat, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ran]:
    def run(*arguments: str) -> Ran:
        with monkeypatch.context() as patch:
            patch.setenv("DCAT_HOME", str(tmp_path / "bob"))
            return dcat(*arguments)

    return run


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DCAT_OFFLINE", "1")


def publish(dcat: Dcat, folder: Path, version: str) -> str:
    ok(dcat("publish", "web", version, "--from", write_image(folder / f"{version}.tar", version)))
    return ok(dcat("resolve", f"web@{version}"))


def test_a_release_travels_in_a_file(as_bob: Dcat, dcat: Dcat, tmp_path: Path) -> None:
    cid = publish(as_bob, tmp_path, "1.0")
    file = str(tmp_path / "web.car")
    assert "1 image" in ok(as_bob("export", "web@1.0", "-o", file))
    stranger = dcat("import", file)
    assert stranger.code == 10
    assert "nothing in web.car is of a catalogue that is followed here" in stranger.err
    assert f"try: dcat subscribe ALIAS {file}, then: dcat import {file}" in stranger.err
    assert "Subscribed as bob" in ok(dcat("subscribe", "bob", file))
    imported = read_json(dcat("import", file, "--json"))
    assert isinstance(imported["images"], list)
    assert [image["reference"] for image in imported["images"]] == ["bob/web@1.0"]
    assert ok(dcat("resolve", "bob/web@1.0")) == cid
    ok(dcat("save", "bob/web@1.0", "-o", str(tmp_path / "out.tar.zst")))
    ok(as_bob("save", "web@1.0", "-o", str(tmp_path / "original.tar.zst")))
    assert (tmp_path / "out.tar.zst").read_bytes() == (tmp_path / "original.tar.zst").read_bytes()


def test_an_update_holds_what_is_new_only(as_bob: Dcat, dcat: Dcat, tmp_path: Path) -> None:
    publish(as_bob, tmp_path, "1.0")
    first, whole, update = (str(tmp_path / name) for name in ("first.car", "whole.car", "update.car"))
    ok(as_bob("export", "web@1.0", "-o", first))
    publish(as_bob, tmp_path, "1.1")
    ok(as_bob("export", "web@1.1", "-o", whole))
    ok(as_bob("export", "web@1.1", "--since", "web@1.0", "-o", update))
    assert Path(update).stat().st_size < Path(whole).stat().st_size
    ok(dcat("subscribe", "bob", update))
    missing = dcat("import", update)
    assert missing.code == 31
    assert "counts on images" in missing.err
    behind = dcat("import", first)
    assert "its index here is newer" in behind.err
    assert "web@1.0" in ok(behind)
    assert "web@1.1" in ok(dcat("import", update))
    ok(dcat("save", "bob/web@1.1", "-o", str(tmp_path / "out.tar.zst")))
    assert "nothing new" in ok(dcat("import", update))


def test_an_older_bundle_takes_nothing_back(as_bob: Dcat, dcat: Dcat, tmp_path: Path) -> None:
    publish(as_bob, tmp_path, "1.0")
    old, new = str(tmp_path / "old.car"), str(tmp_path / "new.car")
    ok(as_bob("export", "web@1.0", "-o", old))
    publish(as_bob, tmp_path, "1.1")
    ok(as_bob("export", "--catalogue", "mine", "-o", new))
    ok(dcat("subscribe", "bob", new))
    assert "2 images" in ok(dcat("import", new))
    assert "its index here is newer" in dcat("import", old).err
    assert ok(dcat("resolve", "bob/web@1.1"))
    assert read_json(dcat("catalogues", "--json"))["catalogues"][0]["sequence"] == 2  # type: ignore[index]


def test_a_damaged_bundle_is_named(as_bob: Dcat, dcat: Dcat, tmp_path: Path) -> None:
    publish(as_bob, tmp_path, "1.0")
    file = tmp_path / "web.car"
    ok(as_bob("export", "web@1.0", "-o", str(file)))
    ok(dcat("subscribe", "bob", str(file)))
    data = bytearray(file.read_bytes())
    data[-10] ^= 1
    file.write_bytes(data)
    assert dcat("import", str(file)).code in (20, 31)
    file.write_bytes(bytes(data[: len(data) // 2]))
    assert dcat("import", str(file)).code == 20
    assert dcat("import", str(tmp_path / "none.car")).code == 31


def test_what_to_export_is_said(as_bob: Dcat, tmp_path: Path) -> None:
    publish(as_bob, tmp_path, "1.0")
    assert as_bob("export", "-o", str(tmp_path / "x")).code == 2
    assert as_bob("export", "web@1.0", "--catalogue", "mine", "-o", str(tmp_path / "x")).code == 2
    assert as_bob("export", "web@9", "-o", str(tmp_path / "x")).code == 10
    assert as_bob("export", "--catalogue", "carol", "-o", str(tmp_path / "x")).code == 10
    assert not (tmp_path / "x").exists()


def test_a_bundle_is_read_from_a_stream(as_bob: Dcat, dcat: Dcat, tmp_path: Path) -> None:
    """``dcat export -o - | ssh host dcat import -``, and a named pipe."""
    cid = publish(as_bob, tmp_path, "1.0")
    file, pipe = tmp_path / "web.car", tmp_path / "pipe"
    ok(as_bob("export", "web@1.0", "-o", str(file)))
    ok(dcat("subscribe", "bob", str(file)))
    home = tmp_path / "home"
    with file.open("rb") as stream:
        ran = subprocess.run(
            [sys.executable, "-m", "cli.main", "import", "-"], stdin=stream, capture_output=True, check=False, cwd=ROOT
        )
    assert ran.returncode == 0, ran.stderr
    assert b"1 image" in ran.stdout
    assert ok(dcat("resolve", "bob/web@1.0")) == cid
    os.mkfifo(pipe)
    with ThreadPoolExecutor() as pool:
        pool.submit(pipe.write_bytes, file.read_bytes())
        assert "1 image" in ok(dcat("import", str(pipe)))
    assert not list(home.glob(".spool*"))
