"""What the tools of the field write, by the tools themselves: the same image has the same CID whichever of them exported it."""

import json
from pathlib import Path

import pytest

from catalog.intake.intake import TakenImage, Wanted
from catalog.intake.sources import FolderSource
from catalog.progress import silent
from tests.compat.registry import push_compressed
from tests.compat.tools import buildkit, tool
from tests.factory.archives import MemoryBlocks, store_image
from tests.factory.exports import stream_of
from tests.factory.images import BASE, SampleImage, five_layers, machine_platform, make_image, small_image
from tests.factory.platforms import AMD64, ARM64
from tests.factory.tars import make_layer

__all__ = ["buildkit"]

FIVE, SMALL = five_layers(), small_image()
BASE_IMAGE = make_image([BASE], machine_platform())
ARM = make_image([make_layer({"arm": b"arm" * 100})], ARM64)


def take(path: Path, *, reference: str | None = None, every: bool = False) -> list[TakenImage]:
    source = FolderSource(path) if path.is_dir() else stream_of(path.read_bytes())
    return source.take(Wanted(machine_platform(), (), every, reference), MemoryBlocks(), silent)


def check(path: Path, image: SampleImage = FIVE, *, reference: str | None = None) -> None:
    (taken,) = take(path, reference=reference)
    assert taken.archive.config == image.config_digest
    assert taken.archive.archive == store_image(image, MemoryBlocks()).archive
    assert taken.notes == ()


@pytest.fixture(scope="module")
def pushed(local_registry: str) -> str:
    """A registry with the images ``five``, ``small``, ``arm`` and ``base``, the last for this machine."""
    for name, image in (("five", FIVE), ("small", SMALL), ("arm", ARM), ("base", BASE_IMAGE)):
        push_compressed(local_registry, name, "1", image)
    return local_registry


def test_crane_pull(pushed: str, tmp_path: Path) -> None:
    crane = tool("crane", tmp_path)
    for form in ("oci", "tarball", "legacy"):
        crane("pull", "--insecure", "--format", form, f"{pushed}/five:1", f"five-{form}")
        check(tmp_path / f"five-{form}")
    index = json.loads((tmp_path / "five-oci" / "index.json").read_text())
    assert index["manifests"][0]["artifactType"], "not the form that this test is about"


def test_crane_pull_of_two_images_into_one_file(pushed: str, tmp_path: Path) -> None:
    crane = tool("crane", tmp_path)
    crane("pull", "--insecure", "--format", "tarball", f"{pushed}/five:1", f"{pushed}/small:1", "two.tar")
    check(tmp_path / "two.tar", FIVE, reference=f"{pushed}/five:1")
    check(tmp_path / "two.tar", SMALL, reference=f"{pushed}/small:1")


def test_crane_index_append(pushed: str, tmp_path: Path) -> None:
    crane = tool("crane", tmp_path)
    crane("index", "append", "--insecure", "-m", f"{pushed}/five:1", "-m", f"{pushed}/arm:1", "-t", f"{pushed}/both:1")
    crane("pull", "--insecure", "--format", "oci", f"{pushed}/both:1", "both")
    found = {entry.platform: entry.archive.config for entry in take(tmp_path / "both", every=True)}
    assert found == {AMD64: FIVE.config_digest, ARM64: ARM.config_digest}


def test_regctl(pushed: str, tmp_path: Path) -> None:
    regctl = tool("regctl", tmp_path)
    regctl("registry", "set", "--tls", "disabled", pushed)
    regctl("image", "export", f"{pushed}/five:1", "five.tar")
    regctl("image", "copy", f"{pushed}/five:1", "ocidir://five:1")
    check(tmp_path / "five.tar")
    check(tmp_path / "five")


def test_oras_cp(pushed: str, tmp_path: Path) -> None:
    oras = tool("oras", tmp_path)
    oras("cp", "--from-plain-http", "--to-oci-layout", f"{pushed}/five:1", "five:1")
    check(tmp_path / "five")


def test_ko_build(pushed: str, tmp_path: Path) -> None:
    ko = tool("ko", tmp_path)
    (tmp_path / "go.mod").write_text("module example.com/hello\n\ngo 1.20\n")
    (tmp_path / "main.go").write_text('package main\n\nfunc main() { println("hello") }\n')
    variables = {
        "KO_DOCKER_REPO": f"{pushed}/ko",
        "KO_DEFAULTBASEIMAGE": f"{pushed}/base:1",
        "SOURCE_DATE_EPOCH": "1700000000",
        "GOFLAGS": "-buildvcs=false",
        "GOTOOLCHAIN": "local",
        "GOCACHE": str(Path.home() / ".cache" / "go-build"),
    }
    platform = str(machine_platform())
    options = ("build", ".", "--push=false", "--sbom=none", f"--platform={platform}")
    ko(*options, "--oci-layout-path", "layout", **variables)
    ko(*options, "--tarball", "image.tar", **variables)
    ((layout,), (tarball,)) = take(tmp_path / "layout"), take(tmp_path / "image.tar")
    assert layout.archive.archive == tarball.archive.archive
    assert layout.platform == machine_platform()
    assert layout.notes == tarball.notes == ()


def test_umoci(tmp_path: Path) -> None:
    umoci = tool("umoci", tmp_path)
    (tmp_path / "file").write_text("umoci" * 1000)
    umoci("init", "--layout", "layout")
    umoci("new", "--image", "layout:1")
    umoci("insert", "--rootless", "--image", "layout:1", "file", "/file")
    (taken,) = take(tmp_path / "layout", reference="1")
    assert len(taken.archive.layers) == 1
    assert taken.platform == machine_platform()


def test_buildkit(buildkit: str, tmp_path: Path) -> None:
    buildctl = tool("buildctl", tmp_path)
    context = tmp_path / "context"
    context.mkdir()
    (context / "one").write_bytes(bytes(range(256)) * 1000)
    (context / "two").write_text("two\n" * 10_000)
    (context / "Dockerfile").write_text('FROM scratch\nENV A=ü\nCOPY one /one\nCOPY two /two\nLABEL x="日本"\n', encoding="utf-8")

    def build(output: str, *options: str) -> None:
        local = ("--local", "context=context", "--local", "dockerfile=context")
        buildctl("--addr", buildkit, "build", "--frontend", "dockerfile.v0", *local, *options, "--output", output)

    build("type=oci,dest=oci.tar")
    build("type=docker,name=web:1,dest=docker.tar")
    (tmp_path / "folder").mkdir()
    build("type=oci,tar=false,dest=folder")
    build("type=oci,dest=attested.tar", "--opt", "attest:provenance=mode=max")
    for compression in ("uncompressed", "gzip", "zstd", "estargz"):
        build(f"type=oci,dest={compression}.tar,compression={compression},force-compression=true,oci-mediatypes=true")
    names = ("oci.tar", "docker.tar", "folder", "attested.tar", "uncompressed.tar", "gzip.tar", "zstd.tar")
    taken = {name: take(tmp_path / name)[0] for name in names}
    assert len({entry.archive.archive for entry in taken.values()}) == 1
    assert all(entry.platform == machine_platform() and "A=ü" in entry.image.env for entry in taken.values())
    assert [entry.platform for entry in take(tmp_path / "attested.tar", every=True)] == [machine_platform()]
    (estargz,) = take(tmp_path / "estargz.tar")
    assert estargz.archive.layers[0].diff_id != taken["oci.tar"].archive.layers[0].diff_id, "eStargz adds an index to each layer"
