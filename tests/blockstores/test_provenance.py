"""Provenance is kept as long as its archive, the newest few of each."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from catalog.blockstores.embedded import EmbeddedBlockstore
from catalog.blockstores.provenance import find_provenances, forget_provenances, note_provenance
from catalog.image.provenance import Provenance
from catalog.ipld.block import Block
from catalog.ipld.cid import cid_of
from catalog.limits import MAX_PROVENANCES

ROOT = Block(cid_of(b"an archive's root"), b"an archive's root")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EmbeddedBlockstore]:
    opened = EmbeddedBlockstore(tmp_path / "blocks.sqlite")
    yield opened
    opened.close()


def test_it_is_kept_as_long_as_the_archive(store: EmbeddedBlockstore) -> None:
    store.put(ROOT.cid, ROOT.data)
    note_provenance(store, {})
    note_provenance(store, {ROOT.cid: Provenance(b"first", (b"index",))})
    assert find_provenances(store, ROOT.cid) == (Provenance(b"first", (b"index",)),)
    forget_provenances(store)
    assert find_provenances(store, ROOT.cid)
    store.delete([ROOT.cid])
    forget_provenances(store)
    assert find_provenances(store, ROOT.cid) == ()


def test_the_newest_few_are_kept(store: EmbeddedBlockstore) -> None:
    made = [Provenance(b"%d" % number) for number in range(MAX_PROVENANCES + 2)]
    for provenance in [*made, made[2]]:
        note_provenance(store, {ROOT.cid: provenance})
    assert find_provenances(store, ROOT.cid) == (made[2], *reversed(made[3:]))
