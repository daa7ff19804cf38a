"""Which image an export means: by tag, digest and platform, never a guess."""

from collections.abc import Callable

import pytest

from catalog.errors import (
    AmbiguousReferenceError,
    ArchiveError,
    ImageIncompleteError,
    ImageNotFoundError,
    PlatformNotFoundError,
)
from catalog.image import listing
from catalog.image.config import parse_config
from catalog.image.oci import parse_manifest
from catalog.model.platform import Platform, parse_platform
from tests.factory.archives import MemoryBlocks, read_images
from tests.factory.exports import (
    OCI_INDEX,
    OCI_MANIFEST,
    attestation,
    blob,
    containerd,
    descriptor,
    digest,
    docker_25,
    docker_legacy,
    dump,
    index_of,
    oci_archive,
    oci_blobs,
    podman,
)
from tests.factory.images import APP, BASE, EMPTY, SAMPLE, SampleImage, make_image
from tests.factory.tars import make_tar

AMD, ARM, ARM7 = (make_image([BASE, APP], parse_platform(text)) for text in ("linux/amd64", "linux/arm64", "linux/arm/v7"))


def several(*images: SampleImage, nested: bool = True) -> bytes:
    """buildx type=oci: one index of all platforms, with attestations, inside the index."""
    blobs: dict[str, bytes] = {}
    entries = []
    for image in images:
        image_blobs, manifest = oci_blobs(image)
        attested, entry = attestation(manifest)
        blobs |= image_blobs | attested
        entries += [descriptor(manifest, OCI_MANIFEST), entry]
    if not nested:
        return make_tar({**blobs, "index.json": index_of(*entries)})
    index = index_of(*entries)
    outer = index_of(descriptor(index, OCI_INDEX, annotations={"org.opencontainers.image.ref.name": "sample:1"}))
    return make_tar({**blobs, blob(index): index, "index.json": outer})


@pytest.mark.parametrize("nested", [True, False])
@pytest.mark.parametrize(
    ("platform", "host", "expected"),
    [
        ("linux/amd64", None, AMD),
        ("linux/arm64", None, ARM),
        ("linux/arm64/v8", "linux/amd64", ARM),
        ("linux/arm", "linux/amd64", ARM7),
        ("linux/arm/v7", None, ARM7),
        (None, "linux/amd64", AMD),
        (None, "linux/arm64", ARM),
        (None, "linux/arm/v7", ARM7),
        ("linux/s390x", "linux/amd64", None),
        ("linux/arm/v6", "linux/amd64", None),
        ("windows/amd64", "linux/amd64", None),
        (None, "linux/riscv64", None),
    ],
)
def test_platforms(platform: str | None, host: str | None, expected: SampleImage | None, nested: bool) -> None:
    export = read_images(several(AMD, ARM, ARM7, nested=nested), MemoryBlocks())
    wanted, own = (parse_platform(text) if text else None for text in (platform, host))
    if expected is not None:
        assert export.choose(None, wanted, host=own).config == expected.config
        return
    with pytest.raises(PlatformNotFoundError) as caught:
        export.choose(None, wanted, host=own)
    for text in ("linux/amd64", "linux/arm64", "linux/arm/v7"):
        assert text in caught.value.why


def test_several_platforms_need_a_choice() -> None:
    with pytest.raises(AmbiguousReferenceError, match="several platforms"):
        read_images(several(AMD, ARM), MemoryBlocks()).choose()


def test_one_foreign_platform_is_no_choice() -> None:
    export = read_images(make_tar(docker_legacy(ARM)), MemoryBlocks())
    assert export.choose(host=Platform("linux", "amd64")).config == ARM.config
    with pytest.raises(PlatformNotFoundError, match="linux/amd64"):
        export.choose(None, Platform("linux", "amd64"))


def test_platforms_whose_blobs_are_absent_are_not_available() -> None:
    data = make_tar(containerd(SAMPLE, others=(ARM, make_image([EMPTY]), make_image([APP]))))
    export = read_images(data, MemoryBlocks())
    assert export.choose().config == SAMPLE.config
    assert export.choose(host=Platform("linux", "arm64")).config == SAMPLE.config
    for architecture in ("arm64", "s390x", "riscv64"):
        with pytest.raises(PlatformNotFoundError) as caught:
            export.choose(None, Platform("linux", architecture))
        assert "linux/amd64" in caught.value.why


def test_an_export_of_absent_platforms_only_is_incomplete() -> None:
    members = containerd(SAMPLE, others=(ARM,))
    kept = {name: data for name, data in members.items() if data not in (SAMPLE.config, BASE)}
    export = read_images(make_tar(kept), MemoryBlocks())
    for platform in (None, Platform("linux", "amd64"), Platform("linux", "arm64")):
        with pytest.raises(ImageIncompleteError):
            export.choose(None, platform)


def two_images() -> bytes:
    items = [
        {"Config": f"{image.config_hex}.json", "Layers": layers, "RepoTags": tags}
        for image, tags, layers in (
            (SAMPLE, ["a:1", "docker.io/library/b:1"], [f"{digest(layer)}.tar" for layer in SAMPLE.layers]),
            (AMD, ["localhost:5000/team/c:2"], [f"{digest(layer)}.tar" for layer in AMD.layers]),
        )
    ]
    return make_tar(podman(SAMPLE) | podman(AMD) | {"manifest.json": dump(items)})


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("a:1", SAMPLE),
        ("docker.io/library/a:1", SAMPLE),
        ("localhost/a:1", SAMPLE),
        ("b:1", SAMPLE),
        ("localhost:5000/team/c:2", AMD),
        (f"sha256:{SAMPLE.config_hex}", SAMPLE),
        (AMD.config_hex, AMD),
        ("a", None),
        ("a:2", None),
        ("c:2", None),
        ("sha256:" + "0" * 64, None),
    ],
)
def test_references(reference: str, expected: SampleImage | None) -> None:
    export = read_images(two_images(), MemoryBlocks())
    if expected is not None:
        assert export.choose(reference).config == expected.config
        return
    with pytest.raises(ImageNotFoundError) as caught:
        export.choose(reference)
    assert "a:1" in caught.value.why


def test_several_images_need_a_choice() -> None:
    export = read_images(two_images(), MemoryBlocks())
    assert export.names == ("a:1", "docker.io/library/b:1", "localhost:5000/team/c:2")
    with pytest.raises(AmbiguousReferenceError) as caught:
        export.choose()
    assert "localhost:5000/team/c:2" in caught.value.why


def test_manifest_digests_are_references_too() -> None:
    _, manifest = oci_blobs(SAMPLE)
    image = read_images(make_tar(docker_25(SAMPLE)), MemoryBlocks()).choose(f"sha256:{digest(manifest)}")
    assert image.config == SAMPLE.config
    assert not image.may_be_converted


def test_both_lists_name_one_image_once() -> None:
    export = read_images(make_tar(docker_25(SAMPLE, ["sample:1", "sample:2"])), MemoryBlocks())
    assert export.choose().names[:2] == ("sample:1", "sample:2")


def test_dockers_list_of_layers_wins_over_a_shuffled_one() -> None:
    """docker 25.0.0 wrote the layers of the OCI manifest in the order of a Go map."""
    blobs, manifest = oci_blobs(SampleImage(SAMPLE.config, SAMPLE.layers[::-1]))
    members = docker_25(SAMPLE) | blobs | {"index.json": index_of(descriptor(manifest, OCI_MANIFEST))}
    assert read_images(make_tar(members), MemoryBlocks()).choose().config == SAMPLE.config


def test_no_image_in_it() -> None:
    for members in ({"manifest.json": b"[]"}, {"index.json": index_of()}, {"manifest.json": b"[]", "index.json": index_of()}):
        with pytest.raises(ImageNotFoundError, match="holds no image"):
            read_images(make_tar(members), MemoryBlocks()).choose()


def test_artifacts_are_no_images() -> None:
    blobs, manifest = oci_blobs(SAMPLE)
    artifact = dump(
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "artifactType": "application/vnd.dev.cosign.artifact.sig.v1+json",
            "config": descriptor(b"{}", "application/vnd.oci.empty.v1+json"),
            "layers": [descriptor(b"signature", "application/octet-stream")],
        }
    )
    attested, entry = attestation(manifest)
    foreign = descriptor(b"wasm", "application/vnd.wasm.module")
    index = index_of(descriptor(manifest, OCI_MANIFEST), descriptor(artifact, OCI_MANIFEST), entry, foreign)
    data = make_tar({**blobs, **attested, blob(artifact): artifact, "index.json": index})
    assert read_images(data, MemoryBlocks()).choose().config == SAMPLE.config


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"oci-layout": b'{"imageLayoutVersion":"2.0.0"}'}, "layout version"),
        ({"oci-layout": b"{}"}, "layout version"),
        ({"index.json": b"[]"}, "not a JSON object"),
        ({"index.json": b'{"schemaVersion":2}'}, "no manifests"),
        ({"index.json": b'{"schemaVersion":1,"manifests":[]}'}, "schema version"),
        ({"index.json": b'{"schemaVersion":2,"manifests":[],"layers":[]}'}, "another kind"),
    ],
)
def test_documents_of_another_kind(change: dict[str, bytes], message: str) -> None:
    with pytest.raises(ArchiveError, match=message):
        read_images(make_tar(oci_archive(SAMPLE) | change), MemoryBlocks())


def test_a_descriptor_with_another_size() -> None:
    blobs, manifest = oci_blobs(SAMPLE)
    entry = descriptor(manifest, OCI_MANIFEST) | {"size": len(manifest) + 1}
    with pytest.raises(ArchiveError, match=r"has \d+ bytes"):
        read_images(make_tar({**blobs, "index.json": index_of(entry)}), MemoryBlocks())


def test_indexes_in_indexes_have_an_end() -> None:
    members: dict[str, bytes] = {}
    index = index_of()
    for _ in range(5):
        members[blob(index)] = index
        index = index_of(descriptor(index, OCI_INDEX))
    with pytest.raises(ArchiveError, match="nested"):
        read_images(make_tar({**members, "index.json": index}), MemoryBlocks())
    wide = index_of(*[descriptor(b"{}", OCI_MANIFEST)] * 1025)
    with pytest.raises(ArchiveError, match="1025 entries"):
        read_images(make_tar({"index.json": wide}), MemoryBlocks())
    members = {}
    index = index_of()
    for _ in range(3):
        members[blob(index)] = index
        index = index_of(*[descriptor(index, OCI_INDEX)] * 1000)
    with pytest.raises(ArchiveError, match="entries"):
        read_images(make_tar({**members, "index.json": index}), MemoryBlocks())


def test_a_broken_image_beside_the_wanted_one_does_no_harm() -> None:
    items = [
        {"Config": "broken.json", "Layers": [], "RepoTags": ["broken:1"]},
        {"Config": f"{SAMPLE.config_hex}.json", "Layers": [f"{digest(layer)}.tar" for layer in SAMPLE.layers], "RepoTags": ["a:1"]},
    ]
    export = read_images(make_tar(podman(SAMPLE) | {"broken.json": b"{", "manifest.json": dump(items)}), MemoryBlocks())
    assert export.choose("a:1").config == SAMPLE.config
    with pytest.raises(ArchiveError, match="not strict JSON"):
        export.choose("broken:1")


def test_layers_that_may_not_be_distributed_are_said_so() -> None:
    """C7: `urls` are never asked; a foreign layer that is there is a layer like any other."""
    foreign = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
    blobs, manifest = oci_blobs(SAMPLE, layer_type=foreign, urls=["http://169.254.169.254/"])
    members = {**blobs, "index.json": index_of(descriptor(manifest, OCI_MANIFEST))}
    assert read_images(make_tar(members), MemoryBlocks()).choose().config == SAMPLE.config
    del members[blob(BASE)]
    with pytest.raises(ImageIncompleteError, match="lacks parts") as caught:
        read_images(make_tar(members), MemoryBlocks()).choose()
    assert "forbids distribution" in caught.value.why


def test_documents_are_read_once_however_often_they_are_named() -> None:
    """1024 entries for one image whose documents have 4 MiB each cost one reading of each, not 1024."""
    padded = SampleImage(SAMPLE.config + b" " * (4_000_000 - len(SAMPLE.config)), SAMPLE.layers)
    blobs, manifest = oci_blobs(padded)
    large = manifest + b" " * (4_000_000 - len(manifest))
    config, layers = blob(padded.config), [blob(layer) for layer in SAMPLE.layers]
    items = [{"Config": config, "Layers": layers, "RepoTags": [f"a:{number}"]} for number in range(1024)]
    index = index_of(*[descriptor(large, OCI_MANIFEST)] * 1024)
    members = {**blobs, blob(large): large, "index.json": index, "manifest.json": dump(items)}
    export = read_images(make_tar(members), MemoryBlocks())
    assert len(export.names) == 1024
    assert export.choose("a:1000").config == padded.config


def test_documents_are_parsed_once_under_all_their_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Aliases of a member, and descriptors that differ in an annotation: one document of 4 MiB has a thousand of each."""
    blobs, manifest = oci_blobs(SAMPLE)
    config, layers = blob(SAMPLE.config), [blob(layer) for layer in SAMPLE.layers]
    bad = b'{"os":5}'
    items = [{"Config": "./" * number + config, "Layers": layers} for number in range(50)]
    items += [{"Config": "./" * number + "bad", "Layers": []} for number in range(50)]
    entries = [{**descriptor(manifest, OCI_MANIFEST), "annotations": {"number": str(number)}} for number in range(50)]
    members = {**blobs, "bad": bad, "index.json": index_of(*entries), "manifest.json": dump(items)}
    parsed: list[bytes] = []

    def counted(parse: Callable[[bytes], object]) -> Callable[[bytes], object]:
        def run(data: bytes) -> object:
            parsed.append(data)
            return parse(data)

        return run

    monkeypatch.setattr(listing, "parse_config", counted(parse_config))
    monkeypatch.setattr(listing, "parse_manifest", counted(parse_manifest))
    export = read_images(make_tar(members), MemoryBlocks())
    assert sorted(parsed) == sorted([SAMPLE.config, bad, manifest])
    assert export.choose(f"sha256:{SAMPLE.config_hex}").config == SAMPLE.config
