"""Every form in which an image leaves an engine gives one and the same archive; those that lie give an error of their own class."""

import bz2
import json
import lzma
import re
import subprocess
import sys
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.errors import ArchiveError, DcatError, ImageIncompleteError
from catalog.image.archive import read_export, read_layout
from catalog.image.dag import LayerWriter, build_archive
from catalog.image.encoder import compress_chunk
from catalog.image.layout import open_in_folder
from catalog.image.reader import iter_stored, read_archive, write_tar
from catalog.model.platform import Platform
from catalog.progress import Step
from tests.factory.archives import MemoryBlocks, read_images, store_export, store_image
from tests.factory.exports import blob, containerd, docker_25, docker_legacy, dump, gzipped, legacy_id, oci_archive, podman
from tests.factory.images import APP, BASE, EMPTY, PACKAGES, SAMPLE, SampleImage, make_image
from tests.factory.tars import make_tar, pieces, write_folder
from tests.image.bomb import MAX_SIZE
from tests.needs import ROOT

Members = dict[str, bytes | tuple[str, str]]


def many_frames(data: bytes) -> bytes:
    """zstd as dcat stores it: one frame after another."""
    return b"".join(compress_chunk(data[start : start + 10_000]) for start in range(0, len(data), 10_000))


def many_members(data: bytes) -> bytes:
    return b"".join(gzipped(data[start : start + 10_000]) for start in range(0, len(data), 10_000))


COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gzip": gzipped,
    "gzip members": many_members,
    "gzip, padded": lambda data: gzipped(data) + bytes(512),
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": zstandard.ZstdCompressor(level=1).compress,
    "zstd frames": many_frames,
}
ARM = make_image([BASE, APP], Platform("linux", "arm64"))
FORMS: dict[str, Callable[[], Mapping[str, bytes | tuple[str, str]]]] = {
    "docker legacy": lambda: docker_legacy(SAMPLE),
    "docker legacy, by ID": lambda: docker_legacy(SAMPLE, None),
    "docker 25": lambda: docker_25(SAMPLE),
    "docker 25, by ID": lambda: docker_25(SAMPLE, None),
    "containerd": lambda: containerd(SAMPLE, others=(ARM, ARM, ARM)),
    "containerd, zstd layers": lambda: containerd(SAMPLE, zstandard.ZstdCompressor().compress),
    "podman": lambda: podman(SAMPLE),
    "oci-archive": lambda: oci_archive(SAMPLE),
    "oci-archive, xz layers": lambda: oci_archive(SAMPLE, lzma.compress),
    "oci-archive, plain layers": lambda: oci_archive(SAMPLE, bytes),
}


EXPECTED_BLOCKS = MemoryBlocks()
EXPECTED = str(store_image(SAMPLE, EXPECTED_BLOCKS).archive)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("folders", [False, True])
def test_every_form_gives_the_same_archive(form: str, folders: bool) -> None:
    members = FORMS[form]()
    parents = sorted({name.rpartition("/")[0] for name in members if "/" in name}) if folders else []
    blocks = MemoryBlocks()
    archive = store_export(make_tar(members, folders=parents, mtime=int(folders)), blocks, size=10_007)
    assert str(archive.archive) == EXPECTED
    assert blocks.blocks == EXPECTED_BLOCKS.blocks  # nothing of an export's metadata is ever stored


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("form", ["docker legacy", "oci-archive"])
def test_outer_compression_makes_no_difference(form: str, compression: str) -> None:
    assert str(store_export(COMPRESSIONS[compression](make_tar(FORMS[form]())), MemoryBlocks()).archive) == EXPECTED


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_layer_compression_makes_no_difference(compression: str) -> None:
    assert str(store_export(make_tar(oci_archive(SAMPLE, COMPRESSIONS[compression])), MemoryBlocks()).archive) == EXPECTED


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
@pytest.mark.parametrize("order", [sorted, lambda names: sorted(names, reverse=True)])
def test_order_and_kind_of_tar_make_no_difference(form: int, order: Callable[[Members], list[str]]) -> None:
    sources: list[Members] = [docker_legacy(SAMPLE), podman(SAMPLE), {**containerd(SAMPLE)}]
    for members in sources:
        data = make_tar({f"./{name}": members[name] for name in order(members)}, form=form)
        assert str(store_export(data, MemoryBlocks()).archive) == EXPECTED


def test_a_symlink_may_stand_before_what_it_leads_to() -> None:
    members = docker_legacy(SAMPLE)
    order = list(members)
    link = next(name for name, content in members.items() if isinstance(content, tuple))
    assert order.index(link) < order.index(f"{legacy_id(2)}/layer.tar")


def test_own_archives_are_read_stored_and_unpacked() -> None:
    blocks = MemoryBlocks()
    view = read_archive(store_image(SAMPLE, blocks).archive, blocks)
    for data in (b"".join(iter_stored(view, blocks)), b"".join(write_tar(view, blocks))):
        assert str(store_export(data, MemoryBlocks()).archive) == EXPECTED


@pytest.mark.parametrize("compress", [bytes, gzipped])
def test_layout_folder(tmp_path: Path, compress: Callable[[bytes], bytes]) -> None:
    write_folder(oci_archive(SAMPLE, compress), tmp_path)
    blocks = MemoryBlocks()
    image = read_layout(open_in_folder(tmp_path), lambda: LayerWriter(blocks)).choose()
    assert image.may_be_converted
    assert image.names == ("docker.io/library/sample:1",)
    assert str(build_archive(image.config, list(image.layers), blocks).archive) == EXPECTED


def test_layout_folder_reads_only_what_is_asked_for(tmp_path: Path) -> None:
    write_folder(containerd(SAMPLE, others=(ARM,)), tmp_path)
    write_folder({"blobs/sha256/" + "0" * 64: b"not looked at"}, tmp_path)
    image = read_layout(open_in_folder(tmp_path), lambda: LayerWriter(MemoryBlocks())).choose()
    assert image.config == SAMPLE.config


def test_links_in_a_layout_folder_are_not_followed(tmp_path: Path) -> None:
    members = oci_archive(SAMPLE)
    outside = tmp_path / "outside"
    write_folder(members, outside)
    folder = tmp_path / "folder"
    write_folder({name: data for name, data in members.items() if "blobs" not in name}, folder)
    (folder / "blobs").symlink_to(outside / "blobs")
    with pytest.raises(ArchiveError, match="is a link"):
        read_layout(open_in_folder(folder), lambda: LayerWriter(MemoryBlocks())).choose()
    (folder / "blobs").unlink()
    write_folder(members, folder)
    layer = folder / blob(gzipped(BASE))
    layer.write_bytes(b"changed")
    with pytest.raises(ArchiveError):
        read_layout(open_in_folder(folder), lambda: LayerWriter(MemoryBlocks())).choose()


def test_no_layout_at_all(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="not an image export"):
        read_layout(open_in_folder(tmp_path), lambda: LayerWriter(MemoryBlocks()))
    with pytest.raises(ArchiveError, match="not an image export"):
        read_layout(open_in_folder(tmp_path / "absent"), lambda: LayerWriter(MemoryBlocks()))


def test_a_layer_may_begin_like_compressed_data() -> None:
    for begin in (b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd", b"BZh91AY&SY"):
        image = make_image([begin + b" but it is not"])
        members = docker_legacy(image)
        assert read_images(make_tar(members), MemoryBlocks()).choose().config == image.config


def replaced(members: Mapping[str, bytes | tuple[str, str]], name: str, content: bytes | tuple[str, str]) -> bytes:
    assert name in members
    return make_tar({**members, name: content})


def without(members: Mapping[str, bytes | tuple[str, str]], *names: str) -> bytes:
    assert set(names) <= set(members)
    return make_tar({name: content for name, content in members.items() if name not in names})


LEGACY = docker_legacy(SAMPLE)
HYBRID = docker_25(SAMPLE)
OCI = oci_archive(SAMPLE)
MANIFEST = dump([{"Config": f"{SAMPLE.config_hex}.json", "Layers": [f"{legacy_id(0)}/layer.tar"], "RepoTags": None}])
GZIPPED = gzipped(BASE)
HOSTILE: dict[str, tuple[bytes, str]] = {
    "wrong diffID": (replaced(LEGACY, f"{legacy_id(0)}/layer.tar", APP), "does not match its config"),
    "layers swapped": (
        make_tar({**LEGACY, f"{legacy_id(0)}/layer.tar": PACKAGES, f"{legacy_id(1)}/layer.tar": BASE}),
        "does not match its config",
    ),
    "too few layers": (replaced(LEGACY, "manifest.json", MANIFEST), "does not match its layers"),
    "wrong config digest": (replaced(LEGACY, f"{SAMPLE.config_hex}.json", SAMPLE.config + b" "), "does not match its name"),
    "config blob that is another": (replaced(HYBRID, blob(SAMPLE.config), SAMPLE.config + b" "), "does not match its name"),
    "layer blob that is another": (replaced(HYBRID, blob(BASE), APP), "does not match its name"),
    "large layer blob that is another": (replaced(HYBRID, blob(BASE), BASE + bytes(512)), "does not match its name"),
    "compressed blob that is another": (replaced(OCI, blob(GZIPPED), gzipped(BASE, 1)), "does not match its name"),
    "blob that nothing needs": (make_tar({**HYBRID, "blobs/sha256/" + "0" * 64: b"x"}), "does not match its name"),
    "damaged gzip": (
        make_tar(oci_archive(make_image([bytes(range(256)) * 2000]), lambda data: gzipped(data, 0)[:-9] + b"123456789")),
        "cannot be read|damaged",
    ),
    "cut gzip": (make_tar(oci_archive(SAMPLE, lambda data: gzipped(data)[:-9])), "cut short|cannot be read"),
    "gzip with more behind it": (
        make_tar(oci_archive(SAMPLE, lambda data: gzipped(data) + b"more")),
        "damaged|cannot be read",
    ),
    "link that leaves the archive": (make_tar({**LEGACY, "x": ("symlink", "../../etc/passwd")}), "leaves the archive"),
    "absolute link": (make_tar({**LEGACY, "x": ("symlink", "/etc/passwd")}), "leaves the archive"),
    "hard link that leaves": (make_tar({**LEGACY, "x": ("hardlink", "../manifest.json")}), "leaves the archive"),
    "link to nothing": (make_tar({**LEGACY, "x": ("symlink", "absent")}), "no such file"),
    "link to a folder": (make_tar({**LEGACY, "d/x": ("symlink", "..")}), "leaves the archive"),
    "links in a circle": (make_tar({**LEGACY, "x": ("symlink", "y"), "y": ("symlink", "x")}), "more than"),
    "link to itself": (make_tar({**LEGACY, "x": ("symlink", "x")}), "more than"),
    "manifest.json leads outside": (
        replaced(LEGACY, "manifest.json", dump([{"Config": "../../etc/passwd", "Layers": []}])),
        "leaves the archive",
    ),
    "layer path leads outside": (
        replaced(LEGACY, "manifest.json", dump([{"Config": f"{SAMPLE.config_hex}.json", "Layers": ["/../etc/passwd"] * 5}])),
        "leaves the archive",
    ),
    "name that leaves": (make_tar({"../x": b"", **LEGACY}), "leaves the archive"),
    "absolute name that leaves": (make_tar({"/../x": b"", **LEGACY}), "leaves the archive"),
    "no metadata": (make_tar({"a": b"b"}), "not an image export"),
    "no members": (make_tar({}), "not an image export"),
    "manifest.json is a layer": (replaced(LEGACY, "manifest.json", BASE), "not a document"),
    "cut in a member": (make_tar(LEGACY)[: len(BASE) // 2], "cut short"),
    "cut before the end": (make_tar(LEGACY).rstrip(b"\0") + bytes(512), "cut short"),
    "nothing": (b"", "the input is empty"),
    "text": (b"error: no such image\n" * 100, "the input is text"),
}


@pytest.mark.parametrize("case", HOSTILE)
@pytest.mark.parametrize("compress", [bytes, zstandard.ZstdCompressor().compress])
def test_archives_that_lie_are_refused(case: str, compress: Callable[[bytes], bytes]) -> None:
    data, message = HOSTILE[case]
    with pytest.raises(ArchiveError) as caught:
        read_images(compress(data), MemoryBlocks()).choose()
    assert re.search(message, f"{caught.value.message} {caught.value.why}"), caught.value


@pytest.mark.parametrize("name", [f"{legacy_id(0)}/layer.tar", f"{SAMPLE.config_hex}.json"])
def test_missing_parts_are_named(name: str) -> None:
    links = [link for link, content in LEGACY.items() if isinstance(content, tuple)]
    data = without(LEGACY, name)
    with pytest.raises(ImageIncompleteError) as caught:
        read_images(data, MemoryBlocks()).choose()
    assert "config" in caught.value.why if name.endswith(".json") else name in caught.value.why
    assert links


def test_the_trap_of_the_containerd_store() -> None:
    """docker.md 0.6: a save that exits 0, with index and manifest, and neither config nor layers."""
    members = containerd(SAMPLE)
    gone = [blob(SAMPLE.config), *(blob(gzipped(layer)) for layer in SAMPLE.layers)]
    with pytest.raises(ImageIncompleteError) as caught:
        read_images(without(members, *dict.fromkeys(gone)), MemoryBlocks()).choose()
    assert gone[1] in caught.value.why
    assert "config" in caught.value.why


@pytest.mark.slow
@pytest.mark.parametrize("compress", [gzipped, zstandard.ZstdCompressor().compress, lzma.compress, bz2.compress, bytes])
@pytest.mark.parametrize("outer", [False, True])
def test_bombs_end_at_the_limit(compress: Callable[[bytes], bytes], outer: bool) -> None:
    """64 MiB of zeros against a limit of 8 MiB: what flows out never passes it by more than a piece."""
    limit, taken = 8 << 20, 0

    class Counting(LayerWriter):
        def feed(self, data: bytes | memoryview) -> None:
            nonlocal taken
            taken += len(data)
            super().feed(data)

    bomb = bytes(64 << 20)
    image = SampleImage(make_image([BASE]).config, (bomb,))
    data = compress(make_tar(oci_archive(image, bytes))) if outer else make_tar(oci_archive(image, compress))
    with pytest.raises(ArchiveError, match="inflates to more than"):
        read_export(pieces(data), lambda: Counting(MemoryBlocks()), max_size=limit).choose()
    assert taken <= limit + (1 << 20)


@pytest.mark.slow
@pytest.mark.parametrize("compression", ["zstd", *(pytest.param(name, marks=pytest.mark.long) for name in ("gzip", "xz", "bzip2"))])
def test_a_bomb_of_ten_gib_in_little_memory(compression: str) -> None:
    command = [sys.executable, "-m", "tests.image.bomb", compression]
    figures = json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout)
    print(compression, figures)
    assert figures["taken"] <= MAX_SIZE + (1 << 20)
    assert figures["peak"] <= 200 << 20


def test_a_zstd_window_above_the_limit_is_refused() -> None:
    parameters = zstandard.ZstdCompressionParameters(window_log=28, compression_level=1)
    layer = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    data = layer.compress(bytes(range(256)) * 2000) + layer.flush()
    with pytest.raises(ArchiveError, match=r"cannot be read|needs more memory"):
        read_images(make_tar(oci_archive(make_image([bytes(range(256)) * 2000]), lambda _: data)), MemoryBlocks()).choose()


def test_a_second_image_and_foreign_tags_leave_nothing_behind() -> None:
    other = make_image([EMPTY, APP], labels={"other": "1"})
    members = docker_legacy(SAMPLE) | {name: data for name, data in docker_legacy(other).items() if name != "manifest.json"}
    items = [
        {"Config": f"{SAMPLE.config_hex}.json", "Layers": [], "RepoTags": ["victim:latest"]},
        {"Config": f"{other.config_hex}.json", "Layers": [f"{legacy_id(n)}/layer.tar" for n in range(2)], "RepoTags": ["b:1"]},
    ]
    data = make_tar({**members, "manifest.json": dump(items)})
    blocks = MemoryBlocks()
    image = read_images(data, blocks).choose("b:1")
    view = read_archive(build_archive(image.config, list(image.layers), blocks).archive, blocks)
    tar = b"".join(write_tar(view, blocks))
    assert b"victim" not in tar
    assert SAMPLE.config_hex.encode() not in tar


@settings(max_examples=20, deadline=None)
@given(
    st.lists(st.sampled_from([BASE, PACKAGES, APP, EMPTY, b"", b"no tar", b"{}", b"[1]" * 30_000]), max_size=6),
    st.dictionaries(st.text(max_size=10), st.text(max_size=20), max_size=3),
    st.sampled_from(["legacy", "hybrid", "containerd", "podman", "oci"]),
    st.integers(1, 100_000),
)
def test_any_image_in_any_form(layers: list[bytes], labels: dict[str, str], form: str, size: int) -> None:
    image = make_image(layers, labels=labels)
    writers: dict[str, Callable[[], Mapping[str, bytes | tuple[str, str]]]] = {
        "legacy": lambda: docker_legacy(image),
        "hybrid": lambda: docker_25(image),
        "containerd": lambda: containerd(image),
        "podman": lambda: podman(image),
        "oci": lambda: oci_archive(image),
    }
    data = make_tar(writers[form]())
    assert store_export(data, MemoryBlocks(), size=size).archive == store_image(image, MemoryBlocks()).archive


def test_a_sink_that_fails_is_heard() -> None:
    class Full(MemoryBlocks):
        def put_node(self, block: object) -> None:
            raise DcatError("the disk is full")

    with pytest.raises(DcatError, match="the disk is full"):
        store_export(make_tar(LEGACY), Full())


def test_a_ratio_that_no_real_layer_has_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("catalog.image.compression.SUSPICIOUS_RATIO_FROM", 1 << 20)
    steps: list[Step] = []
    data = make_tar(oci_archive(make_image([bytes(4 << 20)]), zstandard.ZstdCompressor(level=19).compress))
    read_export(pieces(data), lambda: LayerWriter(MemoryBlocks()), progress=steps.append).choose()
    assert [step.label for step in steps if step.kind == "warning"] == ["zstd data inflates to more than 200 times its size"]


def test_documents_beyond_what_memory_is_meant_for_are_streamed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A flood of small members is not kept: it flows by like layers, and only what is needed as a document is missed."""
    monkeypatch.setattr("catalog.image.members.MAX_HELD_JSON_SIZE", 19_800)
    flood = {f"flood/{number}": b'{"x":1}' * 1400 for number in range(20)}
    assert str(store_export(make_tar({**LEGACY, **flood}), MemoryBlocks()).archive) == EXPECTED
    with pytest.raises(ArchiveError, match="is not a document"):
        read_images(make_tar({**flood, **LEGACY}), MemoryBlocks())


def test_progress_counts_each_member() -> None:
    steps: list[Step] = []
    read_export(pieces(make_tar(LEGACY)), lambda: LayerWriter(MemoryBlocks()), progress=steps.append)
    ended = {step.label: step.of for step in steps if step.kind == "part" and step.done == step.of}
    assert ended == {f"{legacy_id(0)}/layer.tar": len(BASE), f"{legacy_id(1)}/layer.tar": len(PACKAGES)}
