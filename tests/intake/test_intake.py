"""What the tools of the field write is published, or refused with what it is: the cases of tests/factory/field.py."""

import shutil
import subprocess
from collections.abc import Callable
from contextlib import nullcontext
from io import BytesIO
from pathlib import Path

import pytest

from catalog.errors import ArchiveError, DcatError, ImageIncompleteError, ImageNotFoundError, PlatformNotFoundError
from catalog.intake.intake import TakenImage, Wanted
from catalog.intake.sources import FolderSource, StreamSource
from catalog.model.platform import Platform
from catalog.progress import silent
from tests.factory import field
from tests.factory.archives import MemoryBlocks, store_image
from tests.factory.exports import OCI_LAYER, gzipped, index_of, stream_of
from tests.factory.images import make_image
from tests.factory.platforms import AMD64, ARM, ARM64
from tests.factory.tars import make_layer, write_folder
from tests.needs import lacks

S390X = Platform("linux", "s390x")


def take(data: bytes, *platforms: Platform, host: Platform = AMD64, every: bool = False) -> list[TakenImage]:
    return stream_of(data).take(Wanted(host, platforms, every), MemoryBlocks(), silent)


def take_one(data: bytes, *platforms: Platform, host: Platform = AMD64) -> TakenImage:
    (taken,) = take(data, *platforms, host=host)
    return taken


def refused(data: bytes) -> DcatError:
    with pytest.raises(DcatError) as caught:
        take(data)
    assert caught.value.message
    return caught.value


def test_an_artifact_type_that_is_the_configs_media_type() -> None:
    assert take_one(field.artifact_type_one()).platform == AMD64


def test_an_artifact_type_in_an_index_of_two_platforms() -> None:
    taken = take(field.artifact_type_two(), every=True)
    assert [(entry.platform, entry.notes) for entry in taken] == [(AMD64, taken[0].notes), (ARM64, taken[0].notes)]
    assert {entry.archive.config for entry in taken} == {field.image_of(name).config_digest for name in ("amd64", "arm64")}


@pytest.mark.parametrize(
    ("fields", "platform"),
    [
        ({"os": None, "architecture": None}, "linux/arm64"),
        ({"architecture": ""}, "linux/arm64"),
        ({"architecture": None}, "linux/arm64"),
        ({"os": None}, "linux/amd64"),
    ],
)
def test_a_config_without_a_platform(fields: dict[str, str | None], platform: str) -> None:
    image = field.strange_platform(**fields)
    taken = take_one(field.docker_archive(image), host=ARM64)
    assert str(taken.platform) == platform
    assert taken.archive.config == image.config_digest
    assert [note for note in taken.notes if "assumed" in note] == [f"the image states no platform: {platform} was assumed"]


@pytest.mark.parametrize(
    ("fields", "platform"),
    [
        ({"architecture": "x86_64"}, AMD64),
        ({"architecture": "aarch64"}, ARM64),
        ({"architecture": "armv7l"}, ARM),
        ({"architecture": "armhf", "os": "Linux"}, ARM),
        ({"architecture": "arm", "variant": "7"}, ARM),
        ({"architecture": "i686"}, Platform("linux", "386")),
    ],
)
def test_a_config_with_a_kernels_name_of_its_platform(fields: dict[str, str | None], platform: Platform) -> None:
    image = field.strange_platform(**fields)
    taken = take_one(field.docker_archive(image), host=S390X)
    assert (taken.platform, taken.archive.config, taken.notes) == (platform, image.config_digest, ())


def test_the_platform_that_is_asked_for_completes_a_config() -> None:
    data = field.docker_archive(field.strange_platform(os=None, architecture=None))
    assert take_one(data, ARM).platform == ARM
    assert take_one(data, ARM).notes == ()
    with pytest.raises(PlatformNotFoundError):
        take(field.docker_archive(field.strange_platform(os=None)), ARM64)
    with pytest.raises(PlatformNotFoundError, match="both linux/amd64 and linux/arm64"):
        take(data, AMD64, ARM64)


def test_the_platform_in_the_index_completes_a_config() -> None:
    taken = take_one(field.platform_in_index(), host=ARM64)
    assert taken.platform == AMD64
    assert not any("assumed" in note for note in taken.notes)
    assert take_one(field.platform_in_index(architecture="aarch64")).platform == ARM64


def test_a_member_twice_with_equal_bytes() -> None:
    assert take_one(field.member_twice()).archive.layers
    assert take_one(field.large_member_twice()).archive.layers


def test_a_member_twice_with_other_bytes() -> None:
    for data in (field.member_twice(b" "), field.large_member_twice(other=True)):
        assert "two members" in refused(data).message


def test_a_member_with_a_slash() -> None:
    image = make_image([field.layer_of("slash")])
    taken = take_one(field.docker_archive(image, layer_name="/sha256:{}.tar"))
    assert taken.archive.config == image.config_digest
    assert "leaves the archive" in refused(field.docker_archive(image, layer_name="/../{}.tar")).why


def pzstd(data: bytes) -> bytes:
    if shutil.which("pzstd") is None:
        lacks("pzstd", "no program pzstd (Debian's zstd)")
    return subprocess.run(["pzstd", "-q", "-c"], input=data, capture_output=True, check=True).stdout


def test_an_export_and_a_layer_by_pzstd() -> None:
    image = make_image([make_layer({"data": bytes(range(256)) * 40_000})])
    plain = field.docker_archive(image)
    expected = take_one(plain).archive.archive
    compressed = pzstd(plain)
    assert compressed[1:4] == b"*M\x18", "not the form that this test is about"
    assert take_one(compressed).archive.archive == expected
    layout = field.Layout()
    layout.top = [layout.add_image(image, compress=pzstd, layer_type=f"{OCI_LAYER}+zstd")]
    assert take_one(layout.tar()).archive.archive == expected
    with pytest.raises(ArchiveError, match=r"cut short|damaged"):
        take(compressed[:-100])


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (field.helm_chart(), "a Helm chart"),
        (field.wasm_module(), "a WebAssembly module"),
        (field.encrypted_layers(), "an image with encrypted layers"),
        (field.encrypted_layers(plain=True), "an image with encrypted layers"),
        (field.schema_1(), "an image in Docker's schema 1"),
        (field.sha512_image(), "sha512 digests are not supported"),
        (field.sha512_image(inside=True), "sha512 digests are not supported"),
        (field.root_filesystem(), "the file system of a container"),
        (field.root_filesystem(dockerenv=False), "the file system of a container"),
        (field.root_filesystem(dockerenv=False, device=True), "the file system of a container"),
        (field.before_docker_1_10(), "written by Docker before 1.10"),
    ],
)
def test_content_that_is_not_an_image_is_named(data: bytes, what: str) -> None:
    error = refused(data)
    assert isinstance(error, ArchiveError)
    assert what in error.message
    assert error.hint


@pytest.mark.parametrize(
    ("data", "message", "why"),
    [
        (b"", "the input is empty: did the command before it fail?", ""),
        (b'{"message":"no such image: web:1"}\n', "the input is JSON", "no such image: web:1"),
        (b'{"errors":[{"code":"DENIED","message":"denied"}]}', "the input is JSON", "denied"),
        (index_of(), "the input is JSON", "schemaVersion"),
        (b"[1,", "the input is JSON", "[1,"),
        (b"<!doctype html><title>Sign in</title>\n", "the input is HTML", "Sign in"),
        (b"\n<HTML><body>" + b"x" * 5000, "the input is HTML", ""),
        (b"Error response from daemon: no such image\n", "the input is text", "Error response from daemon"),
        (b"PK\x03\x04" + bytes(600), "the input is a ZIP file", ""),
        (gzipped(gzipped(b"x" * 5000)), "compressed twice (gzip)", ""),
        ("\ufeff./manifest.json".encode("utf-16-le"), "rewritten as text", "PowerShell"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\n", "a Git LFS pointer", ""),
    ],
)
def test_an_input_that_is_no_archive_is_named(data: bytes, message: str, why: str) -> None:
    error = refused(data)
    assert isinstance(error, ArchiveError)
    assert message in error.message
    assert why in error.why
    assert error.hint


def test_a_layout_that_was_packed_with_its_folder_is_named() -> None:
    error = refused(field.in_a_folder())
    assert "not an image export" in error.message
    assert error.hint == "pack the contents of the folder, not the folder: tar -C 'my layout' -cf FILE ."


def test_a_layout_that_was_packed_from_inside() -> None:
    assert take_one(field.with_dots()).archive.config == make_image([field.layer_of("dots")]).config_digest


@pytest.mark.parametrize("compress", [bytes, gzipped, field.zstd_chunked, lambda data: gzipped(data[:100]) + gzipped(data[100:])])
def test_layers_of_jib_in_any_compression(compress: Callable[[bytes], bytes]) -> None:
    image, data = field.jib(compress)
    assert take_one(data).archive.archive == store_image(image, MemoryBlocks()).archive


def test_an_export_of_nix() -> None:
    image, data = field.nix()
    taken = take_one(data)
    assert (taken.archive.config, taken.archive.created) == (image.config_digest, "1970-01-01T00:00:01Z")


def test_an_export_in_zstd_chunked() -> None:
    data = field.docker_archive(make_image([make_layer({"data": bytes(range(256)) * 4000})]))
    assert take_one(field.zstd_chunked(data)).archive.archive == take_one(data).archive.archive


def test_one_image_under_two_tags_is_one() -> None:
    assert take_one(field.one_config_twice()).archive.layers


def test_a_folder_of_skopeos_dir_form_is_named(tmp_path: Path) -> None:
    write_folder(field.skopeo_dir(), tmp_path)
    with pytest.raises(ArchiveError) as caught:
        FolderSource(tmp_path).take(Wanted(AMD64), MemoryBlocks(), silent)
    assert "dir:" in caught.value.hint


def test_an_entry_with_another_digest_is_passed_over() -> None:
    assert take_one(field.sha512_beside()).archive.layers


def test_an_index_that_names_more_than_it_holds() -> None:
    (taken,) = take(field.partial_index(), every=True)
    assert taken.platform == AMD64
    assert "the export names linux/arm64 and does not hold it: left out" in taken.notes
    assert not any("left out" in note for note in take_one(field.partial_index()).notes)
    with pytest.raises((PlatformNotFoundError, ImageIncompleteError)):
        take(field.partial_index(), ARM64)


@pytest.mark.parametrize(
    ("kind", "note"),
    [
        ("none", "the export lacks the blocks that end a tar"),
        ("one block", "the export lacks the blocks that end a tar"),
        ("newline", "there are bytes after the export's end"),
    ],
)
def test_an_unusual_end_is_published_with_a_warning(kind: str, note: str) -> None:
    taken = take_one(field.odd_end(kind))
    assert note in "".join(taken.notes)


def test_a_cut_export_is_refused() -> None:
    assert isinstance(refused(field.odd_end("cut")), ArchiveError | ImageIncompleteError | ImageNotFoundError)


@pytest.mark.parametrize("make", [lambda data: data, lambda data: data + b'{"message":"unexpected EOF"}'])
def test_a_wrong_layer_is_refused_whatever_the_end(make: Callable[[bytes], bytes]) -> None:
    image = make_image([field.layer_of("right")])
    wrong = make_image([field.layer_of("wrong")])
    members = field.docker_archive(type(image)(image.config, wrong.layers))
    assert "does not match its config" in refused(make(members)).message


def test_a_stream_of_unknown_size_is_read() -> None:
    data = field.docker_archive(make_image([field.layer_of("stream")]))
    source = StreamSource("a pipe", lambda: nullcontext(BytesIO(data)))
    assert source.take(Wanted(AMD64), MemoryBlocks(), silent)
