"""One image, whatever exported it, is one archive; and that archive is the same image in every engine, without dcat."""

import io
import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest

from catalog.blockstores.embedded import EmbeddedBlockstore
from catalog.blockstores.writing import BlockWriter
from catalog.errors import EngineUnavailableError
from catalog.image.dag import StoredArchive
from catalog.image.reader import iter_stored, read_archive, tar_size, write_tar
from catalog.intake.intake import ImageSource, TakenImage, Wanted
from catalog.intake.sources import EngineSource, FolderSource, StreamSource
from catalog.model.digest import ConfigDigest, ManifestDigest
from catalog.model.platform import parse_platform
from catalog.progress import silent
from tests.compat.engines import PrivateEngine, program
from tests.compat.images import build
from tests.factory.images import SampleImage, five_layers, make_image, many_layers, runnable
from tests.factory.platforms import ARM64
from tests.factory.tars import make_layer, make_tar
from tests.needs import lacks

HOST = parse_platform("linux/amd64")
Skopeo = Callable[..., bytes]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EmbeddedBlockstore]:
    blocks = EmbeddedBlockstore(tmp_path / "blocks.sqlite")
    yield blocks
    blocks.close()


def take(source: ImageSource, store: EmbeddedBlockstore) -> TakenImage:
    with BlockWriter(store) as writer:
        (taken,) = source.take(Wanted(HOST), writer, silent)
    return taken


def stream_source(export: bytes) -> StreamSource:
    return StreamSource("export", lambda: nullcontext(io.BytesIO(export)), len(export))


def take_bytes(export: bytes, store: EmbeddedBlockstore) -> TakenImage:
    return take(stream_source(export), store)


def take_engine(engine: PrivateEngine, reference: str, store: EmbeddedBlockstore) -> TakenImage:
    with engine.connect() as connected:
        return take(EngineSource(connected, reference), store)


def identity(archive: StoredArchive) -> tuple[str, str, str]:
    return str(archive.archive), str(archive.config), str(archive.manifest)


def test_every_exporter_gives_the_same_archive(
    docker20: PrivateEngine,
    docker29: PrivateEngine,
    podman: PrivateEngine,
    skopeo: Skopeo,
    store: EmbeddedBlockstore,
    tmp_path: Path,
) -> None:
    for engine in (docker20, docker29, podman):
        engine.clear()
    build(docker20, tmp_path / "context", "same:1")
    docker20.run("tag", "same:1", "same:other")
    (image_id,) = docker20.images()
    legacy = docker20.run("save", "same:1")
    first = take_bytes(legacy, store).archive
    assert str(first.config) == image_id

    (tmp_path / "legacy.tar").write_bytes(legacy)
    docker29.load(legacy)
    podman.load(legacy)
    skopeo("copy", f"docker-archive:{tmp_path}/legacy.tar", f"docker-archive:{tmp_path}/skopeo.tar:same:1")
    exports = {
        "docker 20.10 by tag again": docker20.run("save", "same:1"),
        "docker 20.10 by ID": docker20.run("save", image_id),
        "docker 20.10 by name": docker20.run("save", "same"),
        "docker 29": docker29.run("save", "same:1"),
        "podman docker-archive": podman.run("save", "same:1"),
        "skopeo docker-archive": (tmp_path / "skopeo.tar").read_bytes(),
    }
    assert {name: identity(take_bytes(export, store).archive) for name, export in exports.items()} == dict.fromkeys(
        exports, identity(first)
    )
    for engine in (docker20, docker29, podman):
        assert identity(take_engine(engine, "same:1", store).archive) == identity(first), engine.name


def test_an_exporter_that_rewrites_the_config_is_told_of(
    docker20: PrivateEngine, podman: PrivateEngine, skopeo: Skopeo, store: EmbeddedBlockstore, tmp_path: Path
) -> None:
    """OCI exports of an image in Docker's form have another config, hence another image ID; of one in OCI form they have not."""
    docker20.clear()
    podman.clear()
    build(docker20, tmp_path / "context", "rewritten:1")
    (image_id,) = docker20.images()
    (tmp_path / "docker.tar").write_bytes(docker20.run("save", "rewritten:1"))
    skopeo("copy", f"docker-archive:{tmp_path}/docker.tar", f"oci-archive:{tmp_path}/oci.tar:1")
    rewritten = take_bytes((tmp_path / "oci.tar").read_bytes(), store)
    assert str(rewritten.archive.config) != image_id
    assert any("rewrite the config of a Docker image" in note for note in rewritten.notes)

    image = five_layers()
    podman.load(image.archive("plain:1"))
    (podman_id,) = podman.images()
    podman.run("tag", podman_id, "plain:1")
    podman.run("save", "--format", "oci-archive", "--output", f"{tmp_path}/podman-oci.tar", "plain:1")
    podman.run("save", "--format", "oci-dir", "--output", f"{tmp_path}/podman-oci", "plain:1")
    (tmp_path / "plain.tar").write_bytes(image.archive())
    skopeo("copy", f"oci-archive:{tmp_path}/plain.tar", f"oci:{tmp_path}/skopeo-oci:1")
    expected = identity(take_bytes(image.archive(), store).archive)
    assert expected[1:] == (str(image.config_digest), str(ManifestDigest.of(image.manifest)))
    assert identity(take_bytes((tmp_path / "podman-oci.tar").read_bytes(), store).archive) == expected
    assert identity(take(FolderSource(tmp_path / "podman-oci"), store).archive) == expected
    assert identity(take(FolderSource(tmp_path / "skopeo-oci"), store).archive) == expected


@pytest.mark.parametrize(
    "image",
    [
        five_layers(),
        make_image([make_layer({}), make_layer({"a": b"a"}), make_layer({})]),
        make_image([make_layer({"b": b"b"})], ARM64),
    ],
    ids=["five", "empty", "arm64"],
)
def test_odd_images_go_through_every_engine(
    docker20: PrivateEngine, docker29: PrivateEngine, podman: PrivateEngine, store: EmbeddedBlockstore, image: SampleImage
) -> None:
    for engine in (docker20, docker29, podman):
        check_goes_through(engine, image, store)


def test_120_layers_go_through(docker29: PrivateEngine, store: EmbeddedBlockstore) -> None:
    check_goes_through(docker29, many_layers(120), store)


@pytest.mark.long
def test_120_layers_go_through_slower_engines(docker20: PrivateEngine, podman: PrivateEngine, store: EmbeddedBlockstore) -> None:
    for engine in (docker20, podman):
        check_goes_through(engine, many_layers(120), store)


def check_goes_through(engine: PrivateEngine, image: SampleImage, store: EmbeddedBlockstore) -> None:
    engine.clear()
    engine.load(image.archive())
    (image_id,) = engine.images()
    by_file = take_bytes(image.archive(), store).archive
    assert identity(by_file)[1:] == (str(image.config_digest), str(ManifestDigest.of(image.manifest)))
    assert identity(take_engine(engine, image_id, store).archive) == identity(by_file)


def test_an_image_without_layers_is_taken_from_a_file_and_refused_by_the_engine(
    docker20: PrivateEngine, store: EmbeddedBlockstore
) -> None:
    docker20.clear()
    image = make_image([])
    assert take_bytes(image.archive(), store).archive.config == image.config_digest
    docker20.load(image.archive())
    with pytest.raises(EngineUnavailableError) as caught:
        take_engine(docker20, str(image.config_digest), store)
    assert "empty export" in caught.value.why


def test_what_is_saved_is_the_image_without_dcat(
    docker20: PrivateEngine,
    docker29: PrivateEngine,
    podman: PrivateEngine,
    skopeo: Skopeo,
    store: EmbeddedBlockstore,
    tmp_path: Path,
) -> None:
    zstd = program("zstd")
    if zstd is None:
        lacks("docker20", "zstd, which unpacks for it, is not installed (.ci/packages installs it)")
    for engine in (docker20, docker29, podman):
        engine.clear()
    image = runnable("it runs everywhere")
    archive = take_bytes(image.archive(), store).archive
    view = read_archive(archive.archive, store)
    stored = b"".join(iter_stored(view, store))
    path = tmp_path / "image.tar.zst"
    path.write_bytes(stored)
    plain = subprocess.run([zstd, "-dc", str(path)], capture_output=True, check=True).stdout
    assert plain == b"".join(write_tar(view, store))

    docker29.run("load", "--input", str(path))
    docker20.load(plain)
    podman.run("load", "--input", str(path))
    assert list(docker29.images()) == [str(archive.manifest)]
    assert list(docker20.images()) == list(podman.images()) == [str(archive.config)]
    assert ConfigDigest.of(skopeo("inspect", "--config", "--raw", f"oci-archive:{path}")) == archive.config
    (tmp_path / "image.tar").write_bytes(plain)
    assert ConfigDigest.of(skopeo("inspect", "--config", "--raw", f"docker-archive:{tmp_path}/image.tar")) == archive.config
    assert docker20.run("run", "--rm", "--net", "none", str(archive.config)) == b"it runs everywhere\n"


def test_an_archive_out_of_blocks_is_loaded_without_what_is_there(
    docker20: PrivateEngine, docker29: PrivateEngine, podman: PrivateEngine, store: EmbeddedBlockstore
) -> None:
    first, second = five_layers(), make_image([*five_layers().layers[:2], make_layer({"second": b"2" * 1000})])
    views = [read_archive(take_bytes(image.archive(), store).archive.archive, store) for image in (first, second)]
    for engine in (docker20, docker29, podman):
        engine.clear()
        with engine.connect() as connected:
            for view in views:
                spare = connected.spare_layers(view.image.diff_ids, [entry.manifest_digest for entry in views])
                loaded = connected.load(write_tar(view, store, spare), tar_size(view, spare))
                connected.check_loaded(loaded, view.config_digest, view.manifest_digest, view.image.diff_ids)
                connected.tag(loaded.id, "layers", str(len(view.image.diff_ids)))
            assert len(spare) == (0 if engine is podman else 2)
            assert set(connected.tags()) == {"layers:5", "layers:3"}
            assert identity(take(EngineSource(connected, "layers:3"), store).archive)[0] == str(views[1].cid)


def hostile_archives(count: int, victims: list[str]) -> Iterator[tuple[SampleImage, bytes]]:
    """Yield archives that try to move tags, in docker's list and in the index, and to bring a second image."""
    for place in range(count):
        wanted = make_image([make_layer({"wanted": b"%d" % place})])
        hidden = make_image([make_layer({"hidden": b"%d" % place})])
        tags = [victims[place % len(victims)], f"fresh-{place}:1", "wanted:1"]
        listing = [
            {
                "Config": f"blobs/sha256/{image.config_digest.hex}",
                "Layers": [f"blobs/sha256/{diff_id.hex}" for diff_id in image.diff_ids],
                "RepoTags": names,
            }
            for image, names in ((wanted, tags), (hidden, [victims[-1]]))
        ]
        entries = [{**wanted.descriptor, "annotations": {"io.containerd.image.name": f"docker.io/library/{tag}"}} for tag in tags]
        members = wanted.blobs() | hidden.blobs() | {"manifest.json": json.dumps(listing).encode()}
        if place % 2:
            index = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": entries}
            members |= {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}', "index.json": json.dumps(index).encode()}
        yield wanted, make_tar(members)


def test_foreign_tags_and_hidden_images_never_reach_the_engine(
    docker20: PrivateEngine, docker29: PrivateEngine, podman: PrivateEngine, store: EmbeddedBlockstore
) -> None:
    """C1 and C2: whatever an archive said, one image more is there, and one tag."""
    victims = ["mine:1", "team/mine:2"]
    taken = []
    with BlockWriter(store) as writer:
        for wanted, archive in hostile_archives(100, victims):
            source = stream_source(archive)
            taken += source.take(Wanted(HOST, reference=str(wanted.config_digest)), writer, silent)
            assert taken[-1].archive.config == wanted.config_digest
    views = [read_archive(entry.archive.archive, store) for entry in taken]
    for engine, some in ((docker20, views[:64]), (docker29, views[64:96]), (podman, views[96:])):
        engine.clear()
        with engine.connect() as connected:
            mine = connected.load(iter([five_layers().archive()])).id
            for victim in victims:
                connected.tag(mine, *victim.split(":"))
            tags, images = connected.tags(), set(engine.images())
            for view in some:
                loaded = connected.load(write_tar(view, store), tar_size(view))
                connected.check_loaded(loaded, view.config_digest, view.manifest_digest, view.image.diff_ids)
                connected.tag(loaded.id, "asked/for", "1")
                tags["asked/for:1"] = loaded.id
                images.add(loaded.id)
            assert connected.tags() == tags
            assert set(engine.images()) == images


@pytest.mark.long
def test_what_is_loaded_is_what_was_asked_for_on_every_platform(
    docker20: PrivateEngine, docker29: PrivateEngine, podman: PrivateEngine, store: EmbeddedBlockstore
) -> None:
    """C9: no false alarm over 30 images for 3 platforms."""
    for place in range(30):
        for architecture in ("amd64", "arm64", "s390x"):
            layers = [make_layer({f"{number}": bytes([number]) * 1000 * place}) for number in range(1 + place % 5)]
            image = make_image(layers, parse_platform(f"linux/{architecture}"), labels={"place": str(place)})
            view = read_archive(take_bytes(image.archive(), store).archive.archive, store)
            for engine in (docker20, docker29, podman):
                with engine.connect() as connected:
                    loaded = connected.load(write_tar(view, store), tar_size(view))
                    found = connected.check_loaded(loaded, view.config_digest, view.manifest_digest, view.image.diff_ids)
                    assert found.platform == parse_platform(f"linux/{architecture}")
