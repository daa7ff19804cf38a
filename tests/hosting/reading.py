"""Reading a folder of plain files as somebody does who follows its catalogue, and comparing everything in it."""

import hashlib
from contextlib import closing
from pathlib import Path

from catalog.blockstores.memory import MemoryBlockstore
from catalog.clients.http import HttpClient
from catalog.followed.target import ask_server
from catalog.image.reader import read_listed_archive, write_tar
from catalog.ipns.record import check_record
from catalog.snapshot.reader import open_snapshot
from catalog.sources.http import HttpBlockSource
from catalog.sources.http_records import HttpRouting
from catalog.sources.store import FetchingBlockstore
from tests.fakes.static_host import StaticHost


def read_folder(folder: Path, *, images: bool = True) -> set[str]:
    """Return the releases of the catalogue in a folder; with ``images`` every one of them is read to its last byte.

    Each file that is named by its content is compared with its name.
    """
    for blob in folder.glob("v2/**/sha256:*"):
        assert hashlib.sha256(blob.read_bytes()).hexdigest() == blob.name.removeprefix("sha256:"), blob
    for pack in folder.glob("packs/*/*.pack"):
        assert hashlib.sha256(pack.read_bytes()).hexdigest() == pack.stem
    with StaticHost(folder) as host, closing(HttpClient(host.url)) as client, closing(HttpBlockSource(client)) as source:
        name = ask_server(client)
        record = HttpRouting(client).get(name)
        assert record is not None
        root = check_record(name, record).snapshot_cid
        store = FetchingBlockstore(MemoryBlockstore(), [source])
        store.expect([root])
        found = set()
        for release in open_snapshot(root, store).read():
            found.add(release.reference)
            for platform, image in release.images.items() if images else ():
                store.fetch_dag([image.archive])
                for _ in write_tar(read_listed_archive(image, platform, store), store):
                    pass
        return found
