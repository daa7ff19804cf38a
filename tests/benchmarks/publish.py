"""``dcat publish`` from an engine, beside ``docker save`` and ``docker push`` of the same image in the same run.

Each row starts engines of its own, takes less than four minutes on a quiet machine, and is run alone by its name:
``python -m tests.benchmarks publish:docker20-web``.
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

from tests.benchmarks.harness import DCAT, Report, Run, by_turns, median, ratio, run, surroundings
from tests.benchmarks.images import PACKAGES, ImageFile, Pair, image_pairs
from tests.benchmarks.roads import measure_roads
from tests.compat.engines import PrivateEngine, run_docker20, run_docker29_classic, run_registry

ROUNDS = 5


def measure(report: Report) -> None:
    """Publish both pairs from the engines whose store is classic, then measure the roads out of one with containerd's."""
    for row in ROWS.values():
        row(report)


def _measure_classic(title: str, start: Callable[[], AbstractContextManager[PrivateEngine]], name: str, report: Report) -> None:
    """Publish a pair from an engine whose store is classic."""
    pair = image_pairs()[name]
    with start() as engine, tempfile.TemporaryDirectory(prefix="dcat-bench-") as folder:
        for image in (pair.first, pair.second):
            engine.run("load", "--input", str(image.path))
        _measure_pair(report, f"{title}, {name}", engine, pair, Path(folder))


ROWS: Mapping[str, Callable[[Report], None]] = {
    **{f"docker20-{name}": partial(_measure_classic, "docker 20.10", run_docker20, name) for name in PACKAGES},
    **{f"classic29-{name}": partial(_measure_classic, "docker 29 classic", run_docker29_classic, name) for name in PACKAGES},
    **{f"docker29-{name}-{origin}": partial(measure_roads, name, origin) for name in PACKAGES for origin in ("plain", "gzip")},
}


def _measure_pair(report: Report, title: str, engine: PrivateEngine, pair: Pair, folder: Path) -> None:
    home, published = folder / "home", folder / "published"
    environment = surroundings(DCAT_HOME=str(home), HOME=str(folder), DOCKER_HOST=engine.host)

    def publish(image: ImageFile, *options: str) -> Run:
        return run([*DCAT, "publish", image.name, image.version, "--quiet", *options], environment=environment)

    def publish_first() -> Run:
        shutil.rmtree(home, ignore_errors=True)
        return publish(pair.first)

    def publish_second(*options: str) -> Run:
        if not published.exists():
            shutil.copytree(home, published)  # as the first one left it
        shutil.rmtree(home)
        shutil.copytree(published, home)
        os.sync()
        return publish(pair.second, *options)

    def save(image: ImageFile) -> Run:
        return run([*engine.command, "save", image.reference], environment=engine.environment)

    for which, image, options, case in (
        ("first", pair.first, "", publish_first),
        ("second", pair.second, " --no-delta", partial(publish_second, "--no-delta")),
        ("second", pair.second, "", publish_second),
    ):
        runs = by_turns({"save": partial(save, image), "publish": case}, ROUNDS)
        what = f"dcat publish{options}"
        report.add(f"{title} {which}: docker save > /dev/null", median(runs["save"]), "s")
        report.add(f"{title} {which}: {what}", median(runs["publish"]), "s")
        report.add(f"{title} {which}: {what} / docker save", ratio(runs["publish"], runs["save"]), "×", "≤ 1.5")
        report.add(f"{title} {which}: CPU of {what}", min(one.cpu for one in runs["publish"]), "s")
        report.add(f"{title} {which}: peak memory of {what}", max(one.peak for one in runs["publish"]) / 2**20, "MiB", "≤ 200")
        if which == "first":
            pushes = [_push(engine, image) for _ in range(3)]
            report.add(f"{title} {which}: docker push to an empty loopback registry", median(pushes), "s")
            report.add(f"{title} {which}: {what} / docker push", median(runs["publish"]) / median(pushes), "×", "< 0.5")
    shutil.rmtree(published)


def _push(engine: PrivateEngine, image: ImageFile) -> Run:
    """Push to a registry that has nothing: one that has a layer is not sent it again."""
    with run_registry() as registry:
        tag = f"{registry}/{image.reference}"
        engine.run("tag", image.reference, tag)
        pushed = run([*engine.command, "push", "--quiet", tag], environment=engine.environment)
        engine.run("rmi", tag)
    return pushed
