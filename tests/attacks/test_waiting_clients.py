"""E8, E12, A17: a followed catalogue lies in sizes or digests while clients of `serve --fetch` wait for the image.

Whatever it states, a client gets nothing whose digest is not the one that it asked for, every request ends, and an honest release
of the same catalogue is served afterwards.
"""

import hashlib
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from http.client import IncompleteRead
from pathlib import Path

import pytest

from catalog.home.home import open_home
from catalog.image.encoder import compress_chunk
from catalog.image.reader import read_archive
from catalog.ipld.block import Block
from catalog.ipld.cid import cid_of
from catalog.limits import MAX_CHUNK_SIZE
from catalog.model.release import Image
from catalog.server.feeding import job
from catalog.server.feeding.feeder import Feeder
from catalog.server.settings import ServerSettings
from catalog.sources.network import SourceSetting, open_network
from catalog.trust.store import list_pins
from catalog.unixfs.file import file_node, raw_leaf
from tests.attacks.publisher import Attacker, list_image
from tests.attacks.victim import Victim
from tests.factory.archives import MemoryBlocks, store_image
from tests.factory.images import BASE, SampleImage, make_image
from tests.factory.platforms import AMD64
from tests.factory.tars import make_layer
from tests.factory.times import NOW
from tests.server.feeding.world import ending
from tests.server.registry.conftest import RegistryServer, serving_registry

_CLIENTS = 6


def _sample(text: str) -> SampleImage:
    return make_image([BASE, make_layer({"srv/data": text.encode() * 60_000})], labels={"text": text})


@contextmanager
def _feeding(path: Path, url: str, log: list[str]) -> Iterator[RegistryServer]:
    """Serve a home that fetches from one source for its clients."""
    feeder = Feeder(
        lambda: open_home(path, now=NOW),
        lambda _: open_network([SourceSetting(url)]),
        lambda text, error: log.append(f"{text} {error or ''}"),
    )
    with ending(feeder), open_home(path, now=NOW) as home, serving_registry(home, ServerSettings(port=0), feeder) as served:
        yield served


def _take(served: RegistryServer, path: str, digest: str) -> bool:
    """Ask for a blob; return whether it came whole. What comes whole must be what was asked for."""
    try:
        answer = served.ask(path)
    except (IncompleteRead, ConnectionError):
        return False
    if answer.status != 200:
        assert answer.status in (404, 429), answer
        return False
    assert f"sha256:{hashlib.sha256(answer.body).hexdigest()}" == digest
    return True


def _pull(served: RegistryServer, version: str) -> bool:
    """Pull as an engine does; return whether all came whole."""
    answer = served.ask(f"/v2/mal/web/manifests/{version}")
    if answer.status != 200:
        assert answer.status in (404, 429), answer
        return False
    assert f"sha256:{hashlib.sha256(answer.body).hexdigest()}" == answer.headers["docker-content-digest"]
    manifest = json.loads(answer.body)
    digests = [entry["digest"] for entry in (manifest["config"], *manifest["layers"])]
    came = [_take(served, f"/v2/mal/web/blobs/{digest}", digest) for digest in digests]
    return all(came)


def _with_another_layer(attacker: Attacker, sample: SampleImage, content_size: int) -> Image:
    """Store an archive of which every block matches its CID, and the last layer's content is something else of some size."""
    blocks = MemoryBlocks()
    stored = store_image(sample, blocks)
    view = read_archive(stored.archive, blocks)
    made: list[Block] = []
    leaves = []
    for start in range(0, content_size, MAX_CHUNK_SIZE):
        block, leaf = raw_leaf(compress_chunk(bytes(min(MAX_CHUNK_SIZE, content_size - start))))
        made.append(block)
        leaves.append(leaf)
    block, fake = file_node(leaves)
    made.append(block)
    root, link = file_node([fake if entry.cid == view.layers[-1].cid else entry for entry in view.links])
    for one in (*made, root, *(Block(cid, data) for cid, data in blocks.blocks.items())):
        attacker.call("put", one)
    return replace(attacker.store(sample), archive=link.cid)


def _lie(attacker: Attacker, kind: str) -> Image:
    sample = _sample("lied")
    image, other = attacker.store(sample), attacker.store(_sample("other"))
    layer = len(sample.layers[-1])
    match kind:
        case "nothing":
            return image
        case "a smaller size":
            return replace(image, size=1000, unpacked=2000)
        case "a larger size":
            return replace(image, size=1 << 39, unpacked=1 << 40)
        case "another config":
            return replace(image, config=other.config)
        case "another manifest":
            return replace(image, manifest=other.manifest)
        case "another archive":
            return replace(image, archive=other.archive)
        case "an archive that is not here":
            return replace(image, archive=cid_of(b"nowhere"))
        case "other content in a layer":
            return _with_another_layer(attacker, sample, layer)
        case "more content in a layer":
            return _with_another_layer(attacker, sample, layer + 4096)
        case _:
            return _with_another_layer(attacker, sample, layer - 4096)


# Whether a lie is served: what is served of one in sizes is right all the same.
_LIES: dict[str, bool | None] = {
    "another config": False,
    "another manifest": False,
    "nothing": True,  # of the archive about which the two before lied
    "a smaller size": None,
    "a larger size": None,
    "another archive": False,
    "an archive that is not here": False,
    "other content in a layer": False,
    "more content in a layer": False,
    "less content in a layer": False,
}


def _pinned(victim: Victim) -> set[str]:
    with open_home(victim.path, now=NOW) as home, home.trust.read() as connection:
        return {pin.archive for pin in list_pins(connection)}


def _wait_until_unpinned(victim: Victim, image: Image) -> None:
    deadline = time.monotonic() + 60
    while str(image.archive) in _pinned(victim):
        assert time.monotonic() < deadline, f"{image.archive} stays pinned"
        time.sleep(0.02)


def test_nothing_wrong_leaves_while_clients_wait(mallory: Attacker, ann: Victim, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "FEEDER_PATIENCE", 60.0)
    images = [_lie(mallory, kind) for kind in _LIES]
    honest = mallory.store(_sample("honest"))
    lied = [list_image("web", f"6.{number}", image, AMD64) for number, image in enumerate(images)]
    mallory.publish(list_image("web", "1.0", honest, AMD64), *lied)
    ann.subscribe(mallory, "mal")
    log: list[str] = []
    with _feeding(ann.path, mallory.url, log) as served, ThreadPoolExecutor(_CLIENTS) as pool:
        for number, (image, (kind, whole)) in enumerate(zip(images, _LIES.items(), strict=True)):
            came = {one.result() for one in [pool.submit(_pull, served, f"6.{number}") for _ in range(_CLIENTS)]}
            assert whole is None or came == {whole}, kind
            if "content" in kind:
                served.wait_for_log("layer sha256:")
                served.log.clear()
            elif whole is False:
                assert any(f"web@6.{number}" in line for line in log), kind
            if "content" in kind:
                _wait_until_unpinned(ann, image)
        assert _pull(served, "1.0")
        assert served.ask("/health").status == 200
    assert str(honest.archive) in _pinned(ann)


@pytest.mark.parametrize("behaviour", ["flip", "wrong-root"])
def test_a_source_that_turns_bad_while_clients_wait(behaviour: str, mallory: Attacker, ann: Victim) -> None:
    """What is refused is 404 to those who wait, and once the source is honest again the image is there."""
    mallory.publish(list_image("web", "1.0", mallory.store(_sample("honest")), AMD64))
    ann.subscribe(mallory, "mal")
    log: list[str] = []
    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(_CLIENTS) as pool:
        patch.setattr(job, "FEEDER_PATIENCE", 60.0)
        patch.setattr(job, "FEEDER_RETRY", 0.0)
        with _feeding(ann.path, mallory.url, log) as served:
            mallory.call("behave", behaviour)
            assert {one.result() for one in [pool.submit(_pull, served, "1.0") for _ in range(_CLIENTS)]} == {False}
            mallory.call("behave", "honest")
            assert _pull(served, "1.0")
