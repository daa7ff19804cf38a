"""``dcat publish`` from an engine, beside ``docker save`` and ``docker push`` of the same image in the same run."""

import os
import shutil
import tempfile
from functools import partial
from pathlib import Path

from tests.benchmarks.harness import DCAT, Report, Run, by_turns, median, ratio, run, surroundings
from tests.benchmarks.images import ImageFile, Pair, image_pairs
from tests.compat.engines import PrivateEngine, run_docker20, run_docker29, run_registry

ROUNDS = 5


def measure(report: Report) -> None:
    """Publish both pairs from docker 20.10, then from docker 29."""
    for title, start in (("docker 20.10", run_docker20), ("docker 29", run_docker29)):
        with start() as engine, run_registry() as registry, tempfile.TemporaryDirectory(prefix="dcat-bench-") as folder:
            for name, pair in image_pairs().items():
                for image in (pair.first, pair.second):
                    engine.run("load", "--input", str(image.path))
                _measure_pair(report, f"{title}, {name}", engine, registry, pair, Path(folder))
                engine.clear()


def _measure_pair(report: Report, title: str, engine: PrivateEngine, registry: str, pair: Pair, folder: Path) -> None:
    home, published = folder / "home", folder / "published"
    environment = surroundings(DCAT_HOME=str(home), HOME=str(folder), DOCKER_HOST=engine.host)

    def publish(image: ImageFile) -> Run:
        return run([*DCAT, "publish", image.name, image.version, "--quiet"], environment=environment)

    def publish_first() -> Run:
        shutil.rmtree(home, ignore_errors=True)
        return publish(pair.first)

    def publish_second() -> Run:
        if not published.exists():
            shutil.copytree(home, published)  # as the first one left it
        shutil.rmtree(home)
        shutil.copytree(published, home)
        os.sync()
        return publish(pair.second)

    def save(image: ImageFile) -> Run:
        return run([*engine.command, "save", image.reference], environment=engine.environment)

    for which, image, case in (("first", pair.first, publish_first), ("second", pair.second, publish_second)):
        runs = by_turns({"save": partial(save, image), "publish": case}, ROUNDS)
        pushes = [_push(engine, registry, image, number) for number in range(1 if which == "second" else 3)]
        report.add(f"{title} {which}: docker save > /dev/null", median(runs["save"]), "s")
        report.add(f"{title} {which}: dcat publish", median(runs["publish"]), "s")
        report.add(f"{title} {which}: dcat publish / docker save", ratio(runs["publish"], runs["save"]), "×", "≤ 1.5")
        report.add(f"{title} {which}: docker push to a loopback registry", median(pushes), "s")
        report.add(f"{title} {which}: dcat publish / docker push", median(runs["publish"]) / median(pushes), "×", "< 0.5")
        report.add(f"{title} {which}: CPU of dcat publish", min(one.cpu for one in runs["publish"]), "s")
        report.add(
            f"{title} {which}: peak memory of dcat publish", max(one.peak for one in runs["publish"]) / 2**20, "MiB", "≤ 200"
        )
    shutil.rmtree(published)


def _push(engine: PrivateEngine, registry: str, image: ImageFile, number: int) -> Run:
    """Push to a repository that is new, but for the second version: that one goes where the first went last."""
    repository = f"{registry}/{image.name}-{number if image.version == '1.0' else 2}"
    engine.run("tag", image.reference, f"{repository}:{image.version}")
    pushed = run([*engine.command, "push", "--quiet", f"{repository}:{image.version}"], environment=engine.environment)
    engine.run("rmi", f"{repository}:{image.version}")
    return pushed
