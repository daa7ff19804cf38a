"""The golden vectors of `dcat-static/1`: what code writes, what the text says, and what was written down are the same."""

import hashlib
from pathlib import Path

import pytest

from catalog.blockstores.memory import MemoryBlockstore
from catalog.hosting.archives import ArchiveWriter
from catalog.hosting.folder import open_folder
from catalog.hosting.snapshots import write_snapshot
from catalog.image.reader import read_archive
from catalog.image.walk import walk
from catalog.ipld.block import Block
from catalog.model.release import Image
from catalog.snapshot.reader import open_snapshot
from catalog.sources.store import FetchingBlockstore
from catalog.unixfs.directory import list_directory
from tests.factory.archives import MemoryBlocks, store_export
from tests.factory.golden import IMAGES, STATIC, read_expected, read_golden
from tests.factory.platforms import AMD64
from tests.factory.releases import make_release
from tests.snapshot.test_writer import golden
from tests.static.from_the_text import Files, static_files_of_image, static_files_of_snapshot
from tests.unixfs.counting import CountingSource

NAME, VERSION = "acme/sample", "1.0"


def digests(files: Files) -> dict[str, list[object]]:
    return {path: [len(data), hashlib.sha256(data).hexdigest()] for path, data in sorted(files.items())}


def read_files(folder: Path) -> Files:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("sample", ["sample.tar", "odd.tar.zst", "nolayers.tar"])
def test_the_files_of_an_image(tmp_path: Path, sample: str) -> None:
    blocks = MemoryBlocks()
    archive = store_export(read_golden(IMAGES / sample), blocks).archive
    view = read_archive(archive, blocks)
    image = Image(archive, view.config_digest, view.manifest_digest, len(view.image.diff_ids), view.size, view.unpacked)
    local = MemoryBlockstore()
    local.put_many(Block(cid, data) for cid, data in blocks.blocks.items())
    platform = view.image.platform or AMD64
    with open_folder(tmp_path) as folder:
        release = make_release(NAME, VERSION, images={platform: image})
        for pointer in ArchiveWriter(folder, FetchingBlockstore(local, [])).write_release(release):
            folder.replace(pointer.path, pointer.data)
    written = read_files(tmp_path)
    assert digests(written) == digests(static_files_of_image(NAME, VERSION, archive, blocks))
    assert digests(written) == read_expected(STATIC)[sample]


@pytest.mark.parametrize("catalogue", ["small", "empty", pytest.param("large", marks=pytest.mark.slow)])
def test_the_files_of_a_snapshot(tmp_path: Path, catalogue: str) -> None:
    """The small one stands in its outline, the large one in a pack."""
    blocks = CountingSource()
    root = golden(catalogue, blocks).root
    with open_folder(tmp_path) as folder:
        write_snapshot(folder, root, None, blocks)
    head = next(entry.cid for entry in list_directory(root, blocks) if entry.name == "catalogue.json")
    tree = [block.cid for block in walk(open_snapshot(root, blocks).releases.cid, blocks)]
    inline = [root, head] if catalogue == "large" else [root, head, *tree]
    packed = [root, head, *tree] if catalogue == "large" else []
    written = read_files(tmp_path)
    assert digests(written) == digests(static_files_of_snapshot(root, inline, packed, blocks))
    assert digests(written) == read_expected(STATIC)[catalogue]
