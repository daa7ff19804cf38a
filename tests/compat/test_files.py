"""The files of an image are those that a real engine unpacks: names, kinds, sizes, modes, links, contents."""

import io
import tarfile
from pathlib import Path

import pytest

from catalog.delivery.contents import ImageFiles, open_image_files
from catalog.home.home import open_home
from catalog.intake.intake import Wanted
from catalog.operations.publish import publish
from tests.browser.homes import write_real_image
from tests.compat.engines import PrivateEngine
from tests.factory.exports import docker_25, source_of, stream_of
from tests.factory.images import SampleImage, make_image, versioned_text
from tests.factory.platforms import AMD64
from tests.factory.tars import make_tar
from tests.factory.times import NOW

_ENGINES_OWN = ("dev", "proc", "sys", "run", "etc/hostname", "etc/hosts", "etc/resolv.conf", "etc/mtab", ".dockerenv")


def odd() -> SampleImage:
    """Return an image whose layers replace, hide and lead astray."""
    base = make_tar(
        {
            "usr/lib/a": b"a",
            "usr/lib/large": versioned_text("1", 300_000),
            "lib": ("symlink", "usr/lib"),
            "opt/keep": b"1",
            "opt/old/x": b"x",
            "opt/old/y": b"y",
            "srv/hidden/below": b"x",
            "srv/was-a-folder/x": b"x",
            "srv/was-a-file": b"x",
            "bin/busybox": b"#!",
            "bin/sh": ("hardlink", "bin/busybox"),
        },
        folders=("usr", "usr/lib", "opt", "opt/old", "srv", "srv/hidden", "srv/was-a-folder", "bin"),
    )
    second = make_tar(
        {
            "lib/b": b"through the link",
            "opt/.wh.old": b"",
            "srv/hidden/.wh..wh..opq": b"",
            "srv/hidden/new": b"n",
            "srv/was-a-folder": b"now a file",
            "bin/ash": ("symlink", "/bin/sh"),
        },
        folders=("srv/hidden", "bin"),
    )
    third = make_tar({"opt/old/back": b"b", "srv/was-a-file/x": b"x"}, folders=("opt/old", "srv/was-a-file"))
    return make_image([base, second, third])


def unpacked(engine: PrivateEngine, archive: bytes, tag: str) -> dict[str, tuple[str, int, int, str, bytes]]:
    """Return what the engine makes of an image, by path."""
    engine.put(archive, tag)
    container = engine.run("create", tag, "/none").decode().strip()
    with tarfile.open(fileobj=io.BytesIO(engine.run("export", container))) as tar:
        found: dict[str, tuple[str, int, int, str, bytes]] = {}
        for member in tar.getmembers():
            path = member.name.removeprefix("./").rstrip("/")
            stream = tar.extractfile(member) if member.isreg() or member.islnk() else None
            data = stream.read() if stream is not None else b""
            kind = "directory" if member.isdir() else "symlink" if member.issym() else "file"
            found[path] = (kind, member.mode, len(data), member.linkname if member.issym() else "", data)
    engine.run("rm", container)
    return found


def listed(files: ImageFiles) -> dict[str, tuple[str, int, int, str, bytes]]:
    found: dict[str, tuple[str, int, int, str, bytes]] = {}
    for node in files.tree.walk():
        kind = "file" if node.entry.kind == "hardlink" else node.entry.kind
        data = b"".join(files.read(node)) if kind == "file" else b""
        found[node.path] = (kind, node.entry.mode, len(data), node.entry.target if kind == "symlink" else "", data)
    return found


@pytest.mark.parametrize("which", ["odd", "real"])
def test_files_are_those_that_the_engine_unpacks(docker29: PrivateEngine, tmp_path: Path, which: str) -> None:
    if which == "odd":
        image = odd()
        archive = make_tar(docker_25(image, tags=None))
    else:
        archive = Path(write_real_image(tmp_path / "image.tar", "1.2")).read_bytes()
        image = None
    with open_home(tmp_path / "home", now=NOW) as home:
        done = publish(home, "odd", "1", source_of(image) if image else stream_of(archive), Wanted(AMD64))
        files = listed(open_image_files(home, done.release.images[AMD64].archive, home.blocks))
    there = unpacked(docker29, archive, f"files:{which}")

    def is_own(path: str) -> bool:
        return path in ("", "etc") or any(path == own or path.startswith(f"{own}/") for own in _ENGINES_OWN)

    mine = {path: entry for path, entry in files.items() if not is_own(path)}
    theirs = {path: entry for path, entry in there.items() if not is_own(path)}
    assert sorted(mine) == sorted(theirs)
    # Modes of links mean nothing, and those of directories that no layer records are the engine's own choice.
    assert {path: entry for path, entry in mine.items() if entry[0] == "file"} == {
        path: entry for path, entry in theirs.items() if entry[0] == "file"
    }
    assert {path: (entry[0], entry[3]) for path, entry in mine.items()} == {
        path: (entry[0], entry[3]) for path, entry in theirs.items()
    }
