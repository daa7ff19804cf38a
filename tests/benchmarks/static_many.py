"""``export --static`` of 100,000 releases with small images: time, memory, files; then of one release more."""

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from catalog.home.home import Home, open_home
from catalog.image.reader import read_archive
from catalog.index.history import Change
from catalog.ipld.block import Block
from catalog.model.platform import parse_platform
from catalog.model.release import Image, Release
from catalog.own.share import share_own
from catalog.sources.network import NO_NETWORK
from tests.benchmarks.catalogues import make_release
from tests.benchmarks.harness import DCAT, Report, Run, run, surroundings
from tests.factory.archives import MemoryBlocks, store_image
from tests.factory.images import make_image
from tests.factory.tars import make_layer

RELEASES = 100_000
_BATCH = 5_000
_AMD64 = parse_platform("linux/amd64")


def measure(report: Report, releases: int = RELEASES) -> None:
    """Fill a home, export it, and export again: nothing new, one release more, with pruning."""
    with tempfile.TemporaryDirectory(prefix="dcat-bench-") as text:
        home, site = Path(text) / "home", Path(text) / "site"
        _publish(home, range(releases))

        def export(what: str, *options: str) -> Run:
            command = [*DCAT, "export", "--static", str(site), "--quiet", *options]
            done = run(command, environment=surroundings(DCAT_HOME=str(home), HOME=text))
            report.add(f"{what}: CPU", done.cpu, "s")
            report.add(f"{what}: peak memory", done.peak / 2**20, "MiB")
            return done

        export(f"export --static of {releases:,} releases with images")
        sizes = [path.stat().st_size for path in site.rglob("*") if path.is_file()]
        report.add("files", len(sizes), "files")
        report.add("their bytes", sum(sizes) / 1_000_000, "MB")
        export("nothing new")
        _publish(home, range(releases, releases + 1))
        export("one release more")
        now = [path.stat().st_size for path in site.rglob("*") if path.is_file()]
        report.add("one release more: new files", len(now) - len(sizes), "files")
        report.add("one release more: bytes", (sum(now) - sum(sizes)) / 1000, "kB", "≤ 200")
        export("prune", "--prune")


def _publish(path: Path, numbers: range) -> None:
    """Publish releases, 20 of a name: a layer of the name, and one of the version."""
    with open_home(path, now=datetime.now(UTC)) as home:
        catalogue = home.own_catalogue() or home.create_own_catalogue()[0]
        for batch in _batches(numbers):
            releases = list(_store(home, batch))
            changes = [Change(catalogue, home.time, "published", release.name, release.version) for release in releases]
            with home.lock("own"):
                home.put_own(releases, changes)
        share_own(home, NO_NETWORK, deltas=False)


def _batches(numbers: range) -> Iterator[range]:
    for start in range(numbers.start, numbers.stop, _BATCH):
        yield range(start, min(start + _BATCH, numbers.stop))


def _store(home: Home, numbers: range) -> Iterator[Release]:
    blocks = MemoryBlocks()
    for number in numbers:
        release = make_release(number, home.time)
        layers = [{"etc/name": release.name.encode() * 200}, {"version": release.reference.encode() * 100}]
        stored = store_image(make_image([make_layer(files) for files in layers]), blocks)
        view = read_archive(stored.archive, blocks)
        image = Image(view.cid, view.config_digest, view.manifest_digest, 2, view.size, view.unpacked, home.time)
        yield replace(release, images={_AMD64: image})
    home.blocks.put_many(Block(cid, data) for cid, data in blocks.blocks.items())
