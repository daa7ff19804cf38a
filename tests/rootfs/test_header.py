"""Headers of layers are read as Python's tarfile writes them, and nothing but `ArchiveError` is raised."""

import io
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.errors import ArchiveError
from catalog.rootfs.header import normalise_path, read_header
from tests.factory.tars import make_tar


def reading(data: bytes) -> Callable[[int], bytes]:
    return io.BytesIO(data).read


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("length", [20, 99, 101, 160])
def test_names_and_links_of_every_form(form: int, length: int) -> None:
    name = "/".join(["d" * 40] * 10)[:length].rstrip("/")
    target = "t" * 60 if form == tarfile.USTAR_FORMAT else "t" * 150
    data = make_tar({name: ("symlink", target)}, mtime=1_700_000_000, mode=0o751, form=form)
    header = read_header(reading(data))
    assert header is not None
    assert (header.path, header.kind, header.target, header.mode, header.mtime) == (name, "symlink", target, 0o751, 1_700_000_000)


def test_a_large_size_is_base_256_or_pax() -> None:
    for form in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        info = tarfile.TarInfo("large")
        info.size = 9 << 30
        header = read_header(reading(info.tobuf(form)))
        assert header is not None
        assert header.size == 9 << 30


@pytest.mark.parametrize("flag", [b"0", b"5", b"L", b"K", b"x", b"g"])
def test_a_negative_size_is_refused_and_leads_nowhere_back(flag: bytes) -> None:
    block = bytearray(make_tar({"name": b""})[:512])
    block[124:136] = (-512).to_bytes(12, "big", signed=True)
    block[156:157] = flag
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    with pytest.raises(ArchiveError, match="-512 bytes"):
        read_header(reading(bytes(block) * 3))


def test_a_negative_size_in_an_extended_header_is_refused() -> None:
    info = tarfile.TarInfo("name")
    info.pax_headers = {"size": "-1536"}
    with pytest.raises(ArchiveError, match="-1536 bytes"):
        read_header(reading(info.tobuf(tarfile.PAX_FORMAT) + bytes(1024)))


@pytest.mark.parametrize("form", ["gnu", "posix"])
def test_a_sparse_file_is_not_shown_as_the_bytes_that_are_stored_of_it(form: str, tmp_path: Path) -> None:
    with (tmp_path / "holes").open("wb") as file:
        file.truncate(1 << 20)
        file.seek(512 << 10)
        file.write(b"in the middle")
    data = subprocess.run(
        ["tar", "--create", "--sparse", f"--format={form}", "--directory", str(tmp_path), "holes"],
        check=True,
        stdout=subprocess.PIPE,
    ).stdout
    with pytest.raises(ArchiveError, match="sparse"):
        read_header(reading(data))


def test_a_time_before_1970_is_negative() -> None:
    info = tarfile.TarInfo("old")
    info.mtime = -86400
    header = read_header(reading(info.tobuf(tarfile.GNU_FORMAT)))
    assert header is not None
    assert header.mtime == -86400


def test_a_name_that_is_not_utf_8_keeps_its_bytes() -> None:
    info = tarfile.TarInfo("caf\udce9")
    header = read_header(reading(info.tobuf(tarfile.GNU_FORMAT, errors="surrogateescape")))
    assert header is not None
    assert header.path == "caf\udce9"


def test_the_end_is_a_zero_block_or_no_block() -> None:
    assert read_header(reading(bytes(1024))) is None
    assert read_header(reading(b"")) is None


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        ("usr/bin", "usr/bin"),
        ("./usr//bin/", "usr/bin"),
        ("/etc/passwd", "etc/passwd"),
        ("../../etc/passwd", "etc/passwd"),
        ("a/../../b", "b"),
        (".hidden/..data", ".hidden/..data"),
        ("./", ""),
        ("...", "..."),
    ],
)
def test_a_path_has_one_form_and_stays_below_the_root(raw: str, path: str) -> None:
    assert normalise_path(raw) == path


@given(st.binary(max_size=2048))
def test_any_bytes_give_a_header_an_end_or_an_archive_error(data: bytes) -> None:
    try:
        read_header(reading(data))
    except ArchiveError:
        return


@given(st.integers(0, 1023), st.integers(0, 255))
def test_a_flipped_byte_gives_a_header_an_end_or_an_archive_error(place: int, value: int) -> None:
    data = bytearray(make_tar({"a" * 120: b"x"}, form=tarfile.PAX_FORMAT))
    data[place] = value
    try:
        read_header(reading(bytes(data)))
    except ArchiveError:
        return
