"""Images as files of a static catalogue, made in memory and written without a home."""

import random
from dataclasses import dataclass
from pathlib import Path

from catalog.blockstores.memory import MemoryBlockstore
from catalog.hosting.archives import ArchiveWriter
from catalog.hosting.folder import open_folder
from catalog.image.reader import read_archive
from catalog.ipld.block import Block
from catalog.ipld.cid import Cid
from catalog.model.release import Image
from catalog.sources.store import FetchingBlockstore
from catalog.static.layout import SCHEMA, STATIC_PATH
from tests.factory.archives import MemoryBlocks, store_image
from tests.factory.images import BASE, SampleImage, make_image
from tests.factory.platforms import AMD64
from tests.factory.releases import make_release
from tests.factory.tars import make_layer


def make_version(version: str, changed: int = 0) -> SampleImage:
    """Return an image of three layers, the largest of 40 chunks; where ``changed``, one in four of its files has a line more."""
    files = {}
    for number in range(40):
        data = random.Random(number).randbytes(40_000)
        line = b"%d\n" % changed if changed and number % 4 == 1 else b""
        files[f"app/{number:03}"] = data[:20_000] + line + data[20_000:]
    return make_image([BASE, make_layer(files), make_layer({"version": version.encode()})])


@dataclass(frozen=True)
class StoredVersions:
    """Versions of one image: their archives, all blocks, and the folder that was written of them."""

    folder: Path
    archives: tuple[Cid, ...]
    blocks: dict[Cid, bytes]


def write_versions(folder: Path, name: str = "web") -> StoredVersions:
    """Write two versions, each as a release of its own, by two runs."""
    archives: list[Cid] = []
    blocks = MemoryBlocks()
    for number, version in enumerate(("1.0", "1.1")):
        stored = store_image(make_version(version, number), blocks)
        local = MemoryBlockstore()
        local.put_many(Block(cid, data) for cid, data in blocks.blocks.items())
        view = read_archive(stored.archive, blocks)
        image = Image(view.cid, view.config_digest, view.manifest_digest, 3, view.size, view.unpacked)
        release = make_release(name, version, images={AMD64: image})
        with open_folder(folder) as files:
            for pointer in ArchiveWriter(files, FetchingBlockstore(local, [])).write_release(release):
                files.replace(pointer.path, pointer.data)
            files.replace(STATIC_PATH, b'{"schema":"%s"}' % SCHEMA.encode())
        archives.append(view.cid)
    return StoredVersions(folder, tuple(archives), dict(blocks.blocks))
