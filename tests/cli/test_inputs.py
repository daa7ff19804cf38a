"""What people hand to ``dcat publish --from``: files, pipes and folders, and what they are told where it is not an image."""

import lzma
import os
import subprocess
import sys
import threading
import zlib
from pathlib import Path

import pytest

from catalog.ipld.car import encode_car
from tests.cli.conftest import Dcat, ok, read_json, run_process
from tests.factory import field
from tests.factory.exports import write_image
from tests.factory.images import make_image
from tests.factory.tars import make_tar
from tests.needs import ROOT

# 1,000 zeros by `xz --lzma2=dict=1GiB`, which takes as much memory to make.
XZ_1_GIB = bytes.fromhex(
    "fd377a585a000004e6d6b44602002101240000005e1fc7f9e003e7000b5d00006ffdffffa3b75a0d5e0000004f258aec2be22a370001"
    "27e807000000f4558f5cb1c467fb020000000004595a"
)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (field.helm_chart(), "the export holds a Helm chart"),
        (field.root_filesystem(), "the file system of a container, not an image"),
        (field.before_docker_1_10(), "written by Docker before 1.10"),
        (b"", "the input is empty: did the command before it fail?"),
        (b'{"message":"no such image: web:1"}', "the input is JSON"),
        (b"<!doctype html><title>Sign in</title>", "the input is HTML"),
        (field.member_twice(b" "), "two members"),
        (field.sha512_image(), "sha512 digests are not supported"),
        (b"".join(encode_car([], [])), "a bundle of blocks (CAR), not an export of an image\n  try: dcat import FILE"),
        (zlib.compress(bytes(10_000)), "a zlib stream"),
        (lzma.compress(bytes(10_000), lzma.FORMAT_ALONE), "an lzma file"),
        (b"070701" + bytes(104), "a cpio archive"),
        (b"age-encryption.org/v1\n-> X25519 x\n" + bytes(600), "encrypted (age)"),
        (b"Salted__" + bytes(600), "encrypted (openssl)"),
        (b"SQLite format 3\0" + bytes(600), "an SQLite database"),
        (make_tar({"web.tar.gz": b"\x1f\x8b" + bytes(100)}), "try: unpack the archive that it holds: tar -xf FILE web.tar.gz"),
        (field.sparse_member(), "a sparse file\n  why: readers of tar disagree on them\n  try: pack it anew without --sparse"),
        (field.volume_label(), 'a member of type "V"'),
        (field.large_window(), "inflate the file first: zstd -dc --long=31 FILE"),
        (XZ_1_GIB, "inflate the file first: xz -dc FILE"),
    ],
)
def test_what_is_not_an_image_is_named(dcat: Dcat, tmp_path: Path, data: bytes, message: str) -> None:
    (tmp_path / "input").write_bytes(data)
    ran = dcat("publish", "case", "1", "--from", str(tmp_path / "input"))
    assert ran.code == 20, ran
    assert message in ran.err
    assert "docker image ls" not in ran.err
    assert dcat("resolve", "case@1").code == 10


def test_an_export_without_an_image_of_the_name(dcat: Dcat, tmp_path: Path) -> None:
    ran = dcat("publish", "case", "1", "--from", write_image(tmp_path / "web.tar"), "--image", "other:1")
    assert ran.code == 10
    assert "it holds sample:1" in ran.err
    assert "docker image ls" not in ran.err


@pytest.mark.parametrize(
    ("data", "warning"),
    [
        (field.docker_archive(field.strange_platform(os=None, architecture=None)), "was assumed"),
        (field.odd_end("none"), "lacks the blocks that end a tar"),
        (field.odd_end("newline"), "after the export's end"),
    ],
)
def test_what_was_assumed_is_one_warning(dcat: Dcat, tmp_path: Path, data: bytes, warning: str) -> None:
    (tmp_path / "input").write_bytes(data)
    ran = dcat("publish", "case", "1", "--from", str(tmp_path / "input"))
    assert ran.code == 0, ran
    assert ran.err.count(warning) == 1
    assert ok(dcat("save", "case@1", "-o", str(tmp_path / "out.tar.zst")))


def test_all_platforms_that_are_there(dcat: Dcat, tmp_path: Path) -> None:
    (tmp_path / "two.tar").write_bytes(field.artifact_type_two())
    (tmp_path / "part.tar").write_bytes(field.partial_index())
    published = read_json(dcat("publish", "two", "1", "--from", str(tmp_path / "two.tar"), "--platform", "all", "--json"))
    assert published["added"] == ["linux/amd64", "linux/arm64"]
    ran = dcat("publish", "part", "1", "--from", str(tmp_path / "part.tar"), "--platform", "all", "--json")
    assert read_json(ran)["added"] == ["linux/amd64"]
    assert "names linux/arm64 and does not hold it" in ran.err


def test_a_platform_by_its_kernels_name(dcat: Dcat, tmp_path: Path) -> None:
    (tmp_path / "two.tar").write_bytes(field.artifact_type_two())
    published = read_json(dcat("publish", "two", "1", "--from", str(tmp_path / "two.tar"), "--platform", "linux/aarch64", "--json"))
    assert published["added"] == ["linux/arm64"]


def test_a_fifo_is_read(dcat: Dcat, tmp_path: Path) -> None:
    data = Path(write_image(tmp_path / "web.tar")).read_bytes()
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=lambda: (tmp_path / "pipe").write_bytes(data))
    writer.start()
    ok(dcat("publish", "web", "1", "--from", str(tmp_path / "pipe")))
    writer.join()


def test_process_substitution_and_dev_stdin_are_read(home: Path, tmp_path: Path) -> None:
    image = write_image(tmp_path / "web.tar")
    program = f"{sys.executable} -m cli.main publish web"
    for script in (
        f"{program} 1 --from <(cat {image})",
        f"{program} 2 --from /dev/stdin < {image}",
        f"cat {image} | {program} 3 --from /dev/stdin",
    ):
        done = subprocess.run(["bash", "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done


def test_a_command_that_failed_is_said_so(home: Path) -> None:
    script = f"false | {sys.executable} -m cli.main publish web 1 --from -"
    done = subprocess.run(["bash", "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 20
    assert "the input is empty: did the command before it fail?" in done.stderr


def test_a_cid_of_another_hash_is_said_so(home: Path) -> None:
    blake2b = "bafykbzacedvw2lcydpu43z4adbrcbnvmqccauyfxzwcyvuhqpvlpqaplj4ocm"
    ran = run_process(["publish", "web", "1", "--from", f"ipfs://{blake2b}/x"])
    assert ran.code == 2
    assert "hash blake2b-256 is not supported" in ran.err


@pytest.mark.parametrize("text", ["y" * (1 << 20), "0123456789abcdef" * (1 << 16)])
def test_a_label_of_a_mebibyte_is_looked_through_at_once(dcat: Dcat, tmp_path: Path, text: str) -> None:
    image = make_image([field.layer_of("label")], labels={"blob": text})
    (tmp_path / "label.tar").write_bytes(field.docker_archive(image))
    ok(dcat("publish", "label", "1", "--from", str(tmp_path / "label.tar")))
