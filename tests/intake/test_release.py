"""Exports and layouts that were added to IPFS: ``publish --from ipfs://CID/PATH``."""

import io
from collections.abc import Mapping

import pytest

from catalog.blockstores.memory import MemoryBlockstore
from catalog.errors import AmbiguousReferenceError, ArchiveError, NotFoundError
from catalog.intake.intake import Wanted
from catalog.intake.release import added_source
from catalog.ipld.block import Block
from catalog.ipld.cid import Cid
from catalog.progress import silent
from catalog.sources.store import FetchingBlockstore
from catalog.unixfs.directory import build_directory
from catalog.unixfs.file_writer import import_file
from catalog.unixfs.hamt import Entry
from tests.factory import field
from tests.factory.archives import MemoryBlocks
from tests.factory.exports import gzipped, oci_archive
from tests.factory.images import SAMPLE
from tests.factory.platforms import AMD64
from tests.factory.tars import make_tar

EXPORT = make_tar(oci_archive(SAMPLE))
LAYOUT = oci_archive(SAMPLE)


class Added:
    """Files and directories as ``ipfs add`` stores them."""

    def __init__(self) -> None:
        self.blocks = MemoryBlockstore()
        self.store = FetchingBlockstore(self.blocks, ())

    def put(self, block: Block) -> None:
        self.blocks.put(*block)

    def file(self, data: bytes, chunk_size: int = 4096) -> Entry:
        link = import_file(io.BytesIO(data), self.put, chunk_size=chunk_size)
        return Entry("", link.cid, link.dag_size)

    def folder(self, entries: Mapping[str, Entry]) -> Entry:
        link = build_directory([entry._replace(name=name) for name, entry in entries.items()], self.put)
        return Entry("", link.cid, link.dag_size)

    def tree(self, members: Mapping[str, bytes]) -> Entry:
        """Add a folder with the members of a layout, in folders inside it."""
        folders: dict[str, dict[str, bytes]] = {}
        entries = {}
        for name, data in members.items():
            top, _, rest = name.partition("/")
            if rest:
                folders.setdefault(top, {})[rest] = data
            else:
                entries[top] = self.file(data)
        return self.folder({**entries, **{name: self.tree(inside) for name, inside in folders.items()}})

    def take(self, cid: Cid, *path: str) -> Cid:
        (taken,) = added_source(cid, path, self.store).take(Wanted(AMD64), MemoryBlocks(), silent)
        assert taken.archive.config == SAMPLE.config_digest
        return taken.archive.archive


@pytest.fixture
def added() -> Added:
    return Added()


def test_a_file_of_any_chunks_is_read(added: Added) -> None:
    assert added.take(added.file(EXPORT).cid) == added.take(added.file(gzipped(EXPORT), 900).cid)


def test_a_path_leads_to_the_export(added: Added) -> None:
    entry = added.folder({"x": added.folder({"my image.tar": added.file(EXPORT), "other": added.file(b"x")})})
    assert added.take(entry.cid, "x", "my image.tar") == added.take(entry.cid, "x", "my%20image.tar")
    with pytest.raises(NotFoundError, match=r"x/absent does not exist"):
        added.take(entry.cid, "x", "absent")


def test_a_directory_with_one_export_stands_for_it(added: Added) -> None:
    wrapped = added.folder({"image.tar": added.file(EXPORT)})
    assert added.take(wrapped.cid) == added.take(added.folder({"again": wrapped}).cid)


def test_a_directory_that_is_a_layout_is_read(added: Added) -> None:
    layout = added.tree(LAYOUT)
    assert added.take(layout.cid) == added.take(added.file(EXPORT).cid)
    assert added.take(added.folder({"layout": layout}).cid, "layout") == added.take(layout.cid)


def test_a_layout_with_a_wrong_blob_is_refused(added: Added) -> None:
    name = next(name for name in LAYOUT if name.startswith("blobs/"))
    layout = added.tree({**LAYOUT, name: LAYOUT[name] + b" "})
    with pytest.raises(ArchiveError, match=r"does not match its name|cut short"):
        added.take(layout.cid)


def test_a_directory_of_several_files_needs_a_path(added: Added) -> None:
    entry = added.folder({"a.tar": added.file(EXPORT), "b.tar": added.file(EXPORT)})
    with pytest.raises(AmbiguousReferenceError) as caught:
        added.take(entry.cid)
    assert caught.value.why == "it holds a.tar, b.tar"
    with pytest.raises(AmbiguousReferenceError, match="not an OCI layout"):
        added.take(added.folder({}).cid)
    deep = added.file(EXPORT)
    for _ in range(6):
        deep = added.folder({"x": deep})
    with pytest.raises(AmbiguousReferenceError, match="more than"):
        added.take(deep.cid)


def test_a_helm_chart_in_a_layout_is_named(added: Added) -> None:
    layout = field.Layout()
    config_type = "application/vnd.cncf.helm.config.v1+json"
    layout.top = [layout.add_image(SAMPLE, config_type=config_type)]
    with pytest.raises(ArchiveError, match="a Helm chart"):
        added.take(added.tree(layout.members()).cid)
