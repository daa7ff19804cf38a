"""Publishing from an engine with the containerd store by a push: the same image as by an export, and nothing left in the engine."""

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from catalog.blockstores.holding import is_whole
from catalog.blockstores.provenance import find_provenances
from catalog.clients.docker import Engine
from catalog.clients.docker.local import is_local
from catalog.errors import AmbiguousReferenceError, ImageIncompleteError, InvalidNameError, UnavailableError
from catalog.home.home import Home, open_home
from catalog.image.walk import walk
from catalog.intake import sources
from catalog.intake.endpoint import REPOSITORY, PushEndpoint
from catalog.intake.intake import Wanted
from catalog.intake.push import examine, remove_left_tags
from catalog.intake.pushed import PushedImages
from catalog.intake.sources import EngineSource
from catalog.model.digest import Digest, ManifestDigest
from catalog.model.platform import Platform
from catalog.operations.publish import Published, publish
from catalog.progress import Step
from tests.compat.engines import PrivateEngine, program
from tests.compat.registry import push_compressed
from tests.factory.exports import containerd, index_archive
from tests.factory.images import APP, BASE, make_image
from tests.factory.platforms import ARM64, HOST
from tests.factory.tars import make_layer, make_tar
from tests.factory.times import NOW
from tests.needs import ROOT, lacks

IMAGE = make_image([BASE, make_layer({"data": bytes(range(256)) * 4000}), APP])


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    with open_home(tmp_path / "home", now=NOW) as opened:
        yield opened


@pytest.fixture
def by_save(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Have images exported from now on."""
    return lambda: monkeypatch.setattr(sources, "start_push", lambda *_: (None, "it was told to"))


def take(home: Home, engine: Engine, reference: str, version: str, details: list[str] | None = None) -> Published:
    def note(step: Step) -> None:
        if step.kind == "detail" and details is not None:
            details.append(step.label)

    return publish(home, "pushed", version, EngineSource(engine, reference), Wanted(HOST), progress=note)


def shown(engine: PrivateEngine) -> list[bytes]:
    """Return all that the engine shows of its images, sorted; in place of their ages, which change, when they were made."""
    columns = "{{.ID}} {{.Repository}} {{.Tag}} {{.Digest}} {{.Size}} {{.CreatedAt}}"
    return sorted(engine.run("images", "--all", "--digests", "--no-trunc", "--format", columns).splitlines())


@pytest.mark.parametrize("origin", ["loaded", "pulled"])
def test_a_push_takes_what_an_export_takes(
    docker29: PrivateEngine, local_registry: str, home: Home, by_save: Callable[[], None], origin: str
) -> None:
    docker29.clear()
    digest = ""
    if origin == "loaded":
        docker29.put(IMAGE.archive(), "pushed:1")
        reference = "pushed:1"
    else:
        digest = push_compressed(local_registry, "pushed", "1", IMAGE)
        reference = f"{local_registry}/pushed:1"
        docker29.run("pull", reference)
    before = shown(docker29)
    with docker29.connect() as engine:
        assert examine(engine) == ("pushed images", [])
        details: list[str] = []
        pushed = take(home, engine, reference, "1.0", details)
        assert shown(docker29) == before
        by_save()
        exported = take(home, engine, reference, "1.1", details)
        assert [line.partition(":")[0] for line in details] == [
            "The engine pushes the image to 127.0.0.1",
            "The engine exports the image",
        ]
    assert pushed.release.images[HOST].archive == exported.release.images[HOST].archive
    (kept,) = find_provenances(home.blocks, pushed.release.images[HOST].archive)
    assert str(kept.manifest_digest) == (digest if origin == "pulled" else str(ManifestDigest.of(IMAGE.manifest)))
    assert pushed.release.images == exported.release.images
    assert pushed.warnings == exported.warnings


def test_layers_that_are_held_are_not_sent_again(
    docker29: PrivateEngine, local_registry: str, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    docker29.clear()
    received: list[int] = []
    add_blob = PushedImages.add_blob

    def count(pushed: PushedImages, digest: Digest, size: int, pieces: Iterable[bytes]) -> None:
        received.append(size)
        add_blob(pushed, digest, size, pieces)

    monkeypatch.setattr(PushedImages, "add_blob", count)
    for version in ("1", "2"):
        image = make_image([*IMAGE.layers, make_layer({"version": version.encode()})], labels={"version": version})
        push_compressed(local_registry, "again", version, image)
        docker29.run("pull", f"{local_registry}/again:{version}")
    with docker29.connect() as engine:
        first = take(home, engine, f"{local_registry}/again:1", "5.0").release.images[HOST]
        assert len(received) == len(IMAGE.layers) + 2
        received.clear()
        take(home, engine, f"{local_registry}/again:2", "5.1")
        assert len(received) == 2  # the config, and the layer that is new
        # What was swept in between is sent again.
        leaf = [block.cid for block in walk(first.archive, home.blocks) if block.is_leaf][-3]
        home.blocks.delete([leaf])
        received.clear()
        image = make_image([*IMAGE.layers, make_layer({"version": b"3"})])
        push_compressed(local_registry, "again", "3", image)
        docker29.run("pull", f"{local_registry}/again:3")
        again = take(home, engine, f"{local_registry}/again:3", "5.2").release.images[HOST]
        assert is_whole(again.archive, home.blocks)


def test_other_stores_export(docker20: PrivateEngine, podman: PrivateEngine) -> None:
    for engine in (docker20, podman):
        with engine.connect() as connected:
            assert examine(connected)[0].startswith("exported images: its store compresses")


def test_twenty_publishes_leave_nothing_in_the_engine(docker29: PrivateEngine, home: Home) -> None:
    docker29.clear()
    docker29.put(IMAGE.archive(), "pushed:1")
    before = shown(docker29)
    with docker29.connect() as engine:
        for number in range(20):
            take(home, engine, "pushed:1", f"2.{number}")
    assert shown(docker29) == before


def test_an_engine_that_does_not_push_is_asked_for_an_export(
    docker29: PrivateEngine, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Silent, refusing, or told a wrong password: nothing arrives, and the image is exported."""
    docker29.clear()
    docker29.put(IMAGE.archive(), "pushed:1")
    before = shown(docker29)

    monkeypatch.setattr("catalog.intake.push.ENGINE_PUSH_WAIT", 2.0)
    ended = threading.Event()

    def refuse(*_: object) -> None:
        raise UnavailableError("the engine could not push")

    def hang(*_: object) -> None:
        ended.wait(60)

    push = Engine.push

    def mistake(engine: Engine, name: str, version: str, login: tuple[str, str], platform: object, size: int) -> None:
        push(engine, name, version, (login[0], "guess"), HOST, size)

    with docker29.connect() as engine:
        for number, stand_in in enumerate((refuse, hang, mistake)):
            monkeypatch.setattr(Engine, "push", stand_in)
            ended.clear()
            done = take(home, engine, "pushed:1", f"3.{number}")
            ended.set()
            assert done.changed
            assert shown(docker29) == before


@pytest.mark.parametrize("port", ["closed", "silent", "foreign"])
def test_an_engine_that_pushes_elsewhere_is_asked_for_an_export(
    docker29: PrivateEngine, local_registry: str, home: Home, monkeypatch: pytest.MonkeyPatch, port: str
) -> None:
    """Nothing listens on the port where the engine looks, or somebody who says nothing, or somebody else's registry."""
    monkeypatch.setattr("catalog.intake.push.ENGINE_PUSH_WAIT", 2.0)
    docker29.clear()
    docker29.put(IMAGE.archive(), "pushed:1")
    before = shown(docker29)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        number = listener.getsockname()[1]
        if port == "closed":
            listener.close()
        address = local_registry if port == "foreign" else f"127.0.0.1:{number}"
        monkeypatch.setattr(PushEndpoint, "repository", f"{address}/{REPOSITORY}")
        with docker29.connect() as engine:
            details: list[str] = []
            done = take(home, engine, "pushed:1", "8.0", details)
    assert done.changed
    assert details[-1].startswith("The engine exports the image after all: ")
    assert is_whole(done.release.images[HOST].archive, home.blocks)
    assert shown(docker29) == before


def test_an_image_that_the_engine_lacks_a_part_of_is_refused(docker29: PrivateEngine, home: Home, local_registry: str) -> None:
    docker29.clear()
    digest = push_compressed(local_registry, "lacking", "1", IMAGE)
    reference = f"{local_registry}/lacking:1"
    docker29.run("pull", reference)
    layers = json.loads(ctr(docker29, "content", "get", digest))["layers"]  # what other tests left may lie there still
    ctr(docker29, "content", "rm", max(layers, key=lambda layer: layer["size"])["digest"])
    before = shown(docker29)
    with docker29.connect() as engine:
        with pytest.raises((ImageIncompleteError, UnavailableError)):
            take(home, engine, reference, "9.0")
        assert remove_left_tags(engine) == []
    assert shown(docker29) == before


def test_publishes_leave_the_labels_that_the_first_one_left(docker29: PrivateEngine, home: Home) -> None:
    """containerd notes the repository on every blob for ever, so it is always the same one."""
    docker29.clear()
    docker29.put(IMAGE.archive(), "pushed:1")
    with docker29.connect() as engine:
        take(home, engine, "pushed:1", "2.90")
        first = content_of(docker29)
        for number in range(3):
            take(home, engine, "pushed:1", f"2.9{number + 1}")
    later = content_of(docker29)
    assert later == {digest: first.get(digest) for digest in later}  # what other tests left may have been collected meanwhile
    noted = [label for _, labels in first.values() for label in labels if label.startswith("containerd.io/distribution.source.127")]
    assert set(noted) == {"containerd.io/distribution.source.127.0.0.1=dcat/x"}


def ctr(engine: PrivateEngine, *arguments: str) -> str:
    """Run ctr against the containerd of an engine, in the namespace of its images."""
    path = program("ctr")
    if path is None:
        lacks(engine.name, "ctr is not installed (.ci/packages installs Debian's containerd)")
    command = [path, "--address", str(engine.containerd), "--namespace", "moby", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def content_of(engine: PrivateEngine) -> dict[str, tuple[float, list[str]]]:
    """Return size and labels of every blob of an engine."""
    sizes = {"B": 1.0, "KiB": 1024.0, "MiB": 1048576.0, "kB": 1e3, "MB": 1e6}
    found = {}
    for line in ctr(engine, "content", "ls").splitlines()[1:]:
        digest, size, *rest = line.split("\t")
        number = size.strip().rstrip("BKMGikb")
        found[digest.strip()] = (float(number) * sizes[size.strip()[len(number) :].strip()], sorted(rest[-1].strip().split(",")))
    return found


def test_a_push_that_was_begun_for_nothing_leaves_nothing(docker29: PrivateEngine, home: Home) -> None:
    """The engine is asked ahead of the checks of the name, which then refuse it."""
    docker29.clear()
    docker29.put(IMAGE.archive(), "pushed:1")
    before = shown(docker29)
    with docker29.connect() as engine:
        source = EngineSource(engine, "pushed:1")
        source.begin(Wanted(HOST))
        with pytest.raises(InvalidNameError):
            publish(home, "Not a name", "1.0", source, Wanted(HOST))
        assert shown(docker29) == before
        source.begin(Wanted(HOST))
        with pytest.raises(AmbiguousReferenceError):  # which is found while the engine pushes
            publish(home, "mine/pushed", "1.0", source, Wanted(HOST))
        assert shown(docker29) == before
        assert home.own_catalogue() is None
        assert publish(home, "pushed", "7.0", source, Wanted(HOST)).changed
    assert shown(docker29) == before


def test_an_image_without_a_tag_is_not_lost(docker29: PrivateEngine, home: Home) -> None:
    """With its temporary tag, the only one, the engine would delete the image."""
    docker29.clear()
    image_id = docker29.put(IMAGE.archive(), "pushed:1")
    docker29.put(make_image([APP]).archive(), "pushed:1")
    before = shown(docker29)
    assert docker29.images()[image_id] == []
    with docker29.connect() as engine:
        assert take(home, engine, image_id, "8.0").changed
    assert shown(docker29) == before


def test_a_killed_publish_leaves_a_tag_that_the_next_one_removes(docker29: PrivateEngine, home: Home, tmp_path: Path) -> None:
    docker29.clear()
    docker29.put(IMAGE.archive(), "pushed:1")
    before = shown(docker29)
    code = (
        "import os, sys, time\n"
        "from catalog.clients.docker import Engine, connect\n"
        "from catalog.intake.push import start_push\n"
        "Engine.push = lambda *_: os.kill(os.getpid(), 9)\n"
        "engine = connect(sys.argv[1], environment={'HOME': sys.argv[2]})\n"
        "start_push(engine, [engine.find('pushed:1')])\n"
        "time.sleep(60)\n"
    )
    killed = subprocess.run([sys.executable, "-c", code, docker29.host, str(tmp_path)], check=False, cwd=ROOT)
    assert killed.returncode == -9
    assert shown(docker29) != before
    with docker29.connect() as engine:
        take(home, engine, "pushed:1", "4.0")
        assert shown(docker29) == before
        assert remove_left_tags(engine) == []


def test_only_an_engine_of_this_network_is_trusted_with_a_push(docker29: PrivateEngine, tmp_path: Path) -> None:
    """A socket that is forwarded, as ssh does, is not the engine: what listens on 127.0.0.1 there is somebody else's."""
    endpoint = PushEndpoint()
    try:
        assert is_local(docker29.host, endpoint.listener)
        assert not is_local("tcp://127.0.0.1:2375", endpoint.listener)
        assert not is_local(f"unix://{tmp_path}/absent.sock", endpoint.listener)
        forwarded = tmp_path / "forwarded.sock"
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(forwarded))
            listener.listen()
            assert not is_local(f"unix://{forwarded}", endpoint.listener)
        # A process of the engine's name: it is the network that decides.
        program = tmp_path / "dockerd"
        program.symlink_to(Path(sys.executable).resolve())
        for number, (within, is_ours) in enumerate((((), True), (("unshare", "--net"), False))):
            path = tmp_path / f"{number}.sock"
            listen = f"s = socket.socket(socket.AF_UNIX); s.bind({str(path)!r}); s.listen()"
            code = f"import socket; {listen}; print('x', flush=True); input()"
            with subprocess.Popen([*within, program, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
                assert process.stdout is not None
                process.stdout.readline()
                assert is_local(f"unix://{path}", endpoint.listener) is is_ours
                process.terminate()
    finally:
        endpoint.close()


@pytest.mark.parametrize("attested", [False, True])
def test_several_platforms_are_pushed_as_they_are_exported(
    docker29: PrivateEngine, home: Home, by_save: Callable[[], None], attested: bool
) -> None:
    """An index with two platforms, and with the attestations that BuildKit puts beside them."""
    docker29.clear()
    arm = make_image([BASE, make_layer({"arm": b"64" * 40_000})], ARM64)
    images = {HOST: IMAGE, ARM64: arm} | ({Platform("unknown", "unknown"): make_image([APP])} if attested else {})
    docker29.load(index_archive(images, "docker.io/library/several:1"))
    before = shown(docker29)
    taken = []
    with docker29.connect() as engine:
        for number in range(2):
            wanted = Wanted(HOST, all_platforms=True)
            done = publish(home, "several", f"6.{number}", EngineSource(engine, "several:1"), wanted)
            assert shown(docker29) == before
            taken.append((done.release.images, done.warnings))
            by_save()
    assert taken[0] == taken[1]
    assert set(taken[0][0]) == {HOST, ARM64}


@pytest.mark.parametrize("several", [False, True])
def test_the_index_and_the_attestations_are_kept(docker29: PrivateEngine, home: Home, several: bool) -> None:
    """Also where one platform is published, which the engine pushes without its index."""
    docker29.clear()
    arm = make_image([BASE, make_layer({"arm": b"64" * 40_000})], ARM64)
    members = containerd(IMAGE, others=[arm])
    if several:
        members |= arm.blobs()
    (index,) = (data for name, data in members.items() if name.startswith("blobs/") and b"attestation-manifest" in data)
    manifest, _, attestation = (str(entry["digest"]) for entry in json.loads(index)["manifests"])
    docker29.load(make_tar(members))
    before = shown(docker29)
    with docker29.connect() as engine:
        wanted = Wanted(HOST, all_platforms=several)
        done = publish(home, "attested", f"1.{several}", EngineSource(engine, "sample:1"), wanted)
    assert shown(docker29) == before
    (kept,) = find_provenances(home.blocks, done.release.images[HOST].archive)
    assert str(kept.manifest_digest) == manifest
    assert [Digest.of(data) for data in kept.attestations] == [Digest.parse(attestation)]
    assert kept.indexes == (index,)
