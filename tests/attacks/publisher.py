"""A publisher that signs anything: no line, tree, record or sequence of it is checked.

`Publisher` is the whole of it, served by `tests.fakes.lying_source.LyingSource`; `Attacker` runs one in a process of its own and
has the same methods. Commands and results travel as pickles over the process's standard streams.
"""

import io
import pickle
import subprocess
import sys
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any, BinaryIO, Self

from catalog.image.dag import StoredArchive
from catalog.ipld.block import Block
from catalog.ipld.cid import Cid
from catalog.ipns.key import IpnsKey
from catalog.ipns.name import IpnsName
from catalog.ipns.record import Record, create_record
from catalog.ipns.validity import nanoseconds
from catalog.model.platform import Platform
from catalog.model.release import Image, Release
from catalog.snapshot.catalogue import Catalogue, encode_catalogue
from catalog.snapshot.line import encode_line
from catalog.snapshot.tree import build_tree
from catalog.unixfs.directory import build_directory
from catalog.unixfs.file_writer import import_file
from catalog.unixfs.hamt import Entry
from tests.factory.archives import MemoryBlocks, store_image
from tests.factory.images import SampleImage
from tests.factory.times import AT, NOW
from tests.fakes.lying_source import LyingSource
from tests.needs import ROOT

_LIFE = 2 * nanoseconds(NOW)


class Publisher:
    """A key with blocks, lines and records. Everything that is signed is served at once."""

    def __init__(self, seed: bytes, server: LyingSource) -> None:
        self._key = IpnsKey(seed.ljust(32, b"."))
        self._server = server
        self._sequence = 0
        self._releases: dict[tuple[str, str], bytes] = {}
        self._root: Cid | None = None

    def name(self) -> IpnsName:
        return self._key.name

    def url(self) -> str:
        return self._server.url

    def publish(
        self, *releases: Release, gone: Iterable[tuple[str, str]] = (), sequence: int | None = None, **options: Any
    ) -> Record:
        """Add or replace releases, leave out the lines ``gone``, and sign the snapshot (`publish_lines`)."""
        for release in releases:
            self._releases[release.name, release.version] = encode_line(release)
        for key in gone:
            del self._releases[key]
        return self.publish_lines(self._releases, sequence=sequence, **options)

    def publish_lines(
        self,
        lines: Mapping[tuple[str, str], bytes],
        *,
        sequence: int | None = None,
        stated: int | None = None,
        extra: Mapping[str, Cid] | None = None,
        inside: Mapping[str, Cid] | None = None,
    ) -> Record:
        """Sign a snapshot of exactly these lines (LF included), each under the key that orders it; it may state another number.

        ``extra`` are further entries of its root, ``inside`` those of its ``images/``.
        """
        self._releases = dict(lines)
        put = self.put
        tree = build_tree(sorted(self._releases.items()), put)
        head = Catalogue("", AT, self._root, len(self._releases) if stated is None else stated)
        head_file = import_file(io.BytesIO(encode_catalogue(head)), put)
        images = build_directory([Entry(name, cid, 0) for name, cid in (inside or {}).items()], put)
        entries = [
            Entry("catalogue.json", head_file.cid, head_file.dag_size),
            Entry("images", images.cid, images.dag_size),
            Entry("releases.ndjson", tree.cid, tree.dag_size),
            *(Entry(name, cid, 0) for name, cid in (extra or {}).items()),
        ]
        self._root = build_directory(entries, put).cid
        return self.sign(f"/ipfs/{self._root}", sequence=sequence)

    def publish_index(self, index: Cid) -> Record:
        """Sign a snapshot whose file of releases is any block."""
        put = self.put
        head_file = import_file(io.BytesIO(encode_catalogue(Catalogue("", AT, self._root, len(self._releases)))), put)
        images = build_directory([], put)
        entries = [
            Entry("catalogue.json", head_file.cid, head_file.dag_size),
            Entry("images", images.cid, images.dag_size),
            Entry("releases.ndjson", index, 0),
        ]
        return self.sign(f"/ipfs/{build_directory(entries, put).cid}")

    def sign(self, value: str, *, sequence: int | None = None, validity: int = _LIFE, successor: IpnsName | None = None) -> Record:
        """Sign any value under any sequence (else the next one), and serve it as the record."""
        self._sequence = self._sequence + 1 if sequence is None else sequence
        record = create_record(self._key, value.encode(), sequence=self._sequence, validity=validity, successor=successor)
        return self.serve(record)

    def serve(self, record: Record) -> Record:
        """Serve a record, of this or any other name, whatever was served before."""
        self._server.records[str(record.name)] = record.encoded
        return record

    def put(self, block: Block) -> None:
        self._server.store[block.cid] = block

    def store(self, sample: SampleImage) -> Image:
        """Store a real image as its canonical archive; return it as a release lists it."""
        blocks = MemoryBlocks()
        stored = store_image(sample, blocks)
        for cid, data in blocks.blocks.items():
            self.put(Block(cid, data))
        return _listed(stored)

    def behave(self, behaviour: str, rate: int = 0) -> None:
        """Have the server misbehave from now on (`tests.fakes.lying_source.BEHAVIOURS`)."""
        self._server.rate = rate
        self._server.behaviour = behaviour

    def paths(self) -> list[str]:
        """Return the paths of all requests so far."""
        return [path for _, path, _ in self._server.requests]


def _listed(stored: StoredArchive) -> Image:
    return Image(stored.archive, stored.config, stored.manifest, len(stored.layers), stored.size, stored.unpacked, stored.created)


class Attacker:
    """A `Publisher` in a process of its own; its methods are those of the publisher. Use it as a context manager."""

    def __init__(self, seed: bytes) -> None:
        command = [sys.executable, "-m", "tests.attacks.publisher", seed.hex()]
        self._process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        try:
            self.name: IpnsName = self.call("name")
            self.url: str = self.call("url")
        except BaseException:
            self.__exit__(None, None, None)
            raise

    def call(self, method: str, *arguments: Any, **options: Any) -> Any:
        """Call a method of the publisher; return what it returns."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        pickle.dump((method, arguments, options), self._process.stdin)
        self._process.stdin.flush()
        return pickle.load(self._process.stdout)  # from this test's own process

    def publish(self, *releases: Release, **options: Any) -> Record:
        record: Record = self.call("publish", *releases, **options)
        return record

    def sign(self, value: str, **options: Any) -> Record:
        record: Record = self.call("sign", value, **options)
        return record

    def store(self, sample: SampleImage) -> Image:
        image: Image = self.call("store", sample)
        return image

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        with self._process as process:  # which closes its pipes
            assert process.stdin is not None
            try:
                process.stdin.close()
                process.wait(60)
            except (OSError, subprocess.TimeoutExpired):
                process.kill()


def list_image(name: str, version: str, image: Image, platform: Platform, **fields: Any) -> Release:
    """Return a release of one image under a platform."""
    return Release(name, version, AT, {platform: image}, **fields)


def _run(seed: bytes, commands: BinaryIO, results: BinaryIO) -> None:
    with LyingSource() as server:
        publisher = Publisher(seed, server)
        while True:
            try:
                method, arguments, options = pickle.load(commands)  # from the test that started this
            except EOFError:
                return
            pickle.dump(getattr(publisher, method)(*arguments, **options), results)
            results.flush()


if __name__ == "__main__":
    _run(bytes.fromhex(sys.argv[1]), sys.stdin.buffer, sys.stdout.buffer)
