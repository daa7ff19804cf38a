"""A layer is compared with its diffID once, whoever reads it in whatever order, and nobody passes it otherwise."""

import hashlib
import threading
from dataclasses import replace

import pytest

from catalog.blockstores.memory import MemoryBlockstore
from catalog.errors import VerificationError
from catalog.image import encoder
from catalog.image.encoder import compress_chunk
from catalog.image.reader import ArchivedLayer
from catalog.model.digest import DiffID
from catalog.server.registry import checking
from catalog.server.registry.checking import LayerCheck
from catalog.unixfs.file import raw_leaf
from catalog.unixfs.file_writer import FileTree

CONTENTS = [b"%d" % number * 1000 for number in range(300)]
FRAMES = [compress_chunk(content) for content in CONTENTS]
READ_AHEAD = 64 * 1024


@pytest.fixture
def store() -> MemoryBlockstore:
    return MemoryBlockstore()


@pytest.fixture
def layer(store: MemoryBlockstore) -> ArchivedLayer:
    tree = FileTree(lambda block: store.put(*block))
    for frame in FRAMES:
        block, leaf = raw_leaf(frame)
        store.put(*block)
        tree.add(leaf)
    root = tree.finish()
    whole = b"".join(CONTENTS)
    return ArchivedLayer(DiffID(hashlib.sha256(whole).digest()), len(whole), root.cid, root.file_size)


@pytest.fixture
def inflated(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The frames that were inflated."""
    found: list[bytes] = []
    inflate = encoder.inflate_frame

    def count(frame: bytes) -> bytes:
        found.append(frame)
        return inflate(frame)

    monkeypatch.setattr(checking, "inflate_frame", count)
    return found


def read(check: LayerCheck, store: MemoryBlockstore, frames: int = len(FRAMES)) -> None:
    """Read a layer as a pull does: the first ``frames`` of it, and all of it to its end."""
    position = 0
    for frame, content in zip(FRAMES[:frames], CONTENTS, strict=False):
        assert check.offer(position, frame) in (None, content)
        position += len(frame)
    if frames == len(FRAMES):
        for nothing in check.complete(store, read_ahead=READ_AHEAD):
            assert nothing == b""


def test_one_that_leaves_is_followed_by_the_next(layer: ArchivedLayer, store: MemoryBlockstore, inflated: list[bytes]) -> None:
    check = LayerCheck(layer)
    read(check, store, 100)
    read(check, store, 50)
    assert not check.passed
    read(check, store)
    assert check.passed
    assert inflated == FRAMES
    read(check, store)
    assert inflated == FRAMES


def test_one_that_is_ahead_completes_it_alone(layer: ArchivedLayer, store: MemoryBlockstore, inflated: list[bytes]) -> None:
    check = LayerCheck(layer)
    check.offer(0, FRAMES[0])
    rest = check.complete(store, read_ahead=READ_AHEAD)
    next(rest)  # left in the middle of its work
    del rest
    assert list(check.complete(store, read_ahead=READ_AHEAD))
    assert check.passed
    assert inflated == FRAMES


def test_many_at_once_inflate_it_once(layer: ArchivedLayer, store: MemoryBlockstore, inflated: list[bytes]) -> None:
    check = LayerCheck(layer)
    threads = [threading.Thread(target=read, args=(check, store)) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert check.passed
    assert inflated == FRAMES


def test_a_false_diff_id_passes_for_nobody(layer: ArchivedLayer, store: MemoryBlockstore) -> None:
    check = LayerCheck(replace(layer, diff_id=DiffID(bytes(32))))
    for _ in range(2):
        with pytest.raises(VerificationError):
            read(check, store)
    assert not check.passed


@pytest.mark.parametrize("difference", [-1, 1])
def test_a_false_size_passes_for_nobody(difference: int, layer: ArchivedLayer, store: MemoryBlockstore) -> None:
    check = LayerCheck(replace(layer, size=layer.size + difference))
    for _ in range(2):
        with pytest.raises(VerificationError):
            read(check, store)
    assert not check.passed
