"""A blob that was a layer once is known as long as the layer is held whole, and no longer."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from catalog.blockstores.embedded import EmbeddedBlockstore
from catalog.blockstores.layers import KnownBlob, find_layer, forget_layers, note_layers
from catalog.blockstores.writing import BlockWriter
from catalog.image.dag import LayerWriter, StoredLayer
from catalog.image.walk import walk
from catalog.model.digest import Digest
from tests.factory.images import APP, BASE

BLOB = Digest.of(b"a compressed layer")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EmbeddedBlockstore]:
    opened = EmbeddedBlockstore(tmp_path / "blocks.sqlite")
    yield opened
    opened.close()


def put_layer(store: EmbeddedBlockstore, content: bytes) -> StoredLayer:
    with BlockWriter(store) as sink:
        writer = LayerWriter(sink)
        writer.feed(content)
        return writer.finish()


def test_a_noted_layer_is_found_while_it_is_whole(store: EmbeddedBlockstore) -> None:
    layer = put_layer(store, BASE + bytes(range(256)) * 4000)
    assert find_layer(store, store, BLOB) is None
    note_layers(store, [KnownBlob(BLOB, layer, 18)])
    note_layers(store, [])
    assert find_layer(store, store, BLOB) == KnownBlob(BLOB, layer, 18)
    forget_layers(store)
    assert find_layer(store, store, BLOB) == KnownBlob(BLOB, layer, 18)
    leaf = [block.cid for block in walk(layer.cid, store)][-1]
    store.delete([leaf])
    assert find_layer(store, store, BLOB) is None
    store.delete([layer.cid])
    forget_layers(store)
    put_layer(store, BASE + bytes(range(256)) * 4000)
    assert find_layer(store, store, BLOB) is None


def test_the_newest_note_of_a_blob_counts(store: EmbeddedBlockstore) -> None:
    first, second = put_layer(store, BASE), put_layer(store, APP)
    for layer in (first, second):
        note_layers(store, [KnownBlob(BLOB, layer, 18)])
        assert find_layer(store, store, BLOB) == KnownBlob(BLOB, layer, 18)
