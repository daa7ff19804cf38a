"""What two releases take in dcat's store, beside a registry's compressed layers of the same images."""

import gzip
import hashlib
import json
import tarfile
import tempfile
from pathlib import Path

from tests.benchmarks.harness import Report, dcat_json, surroundings
from tests.benchmarks.images import ImageFile, image_pairs

MB = 1_000_000
# docs/formats/image.md, section 3.3: first release (MB), new for the second (MB), new blocks
WANTED = {"web": (119.4, 7.86, 273), "sci": (174.3, 13.98, 807)}


def measure(report: Report) -> None:
    """Publish both pairs into one home each, and compress their layers as a registry's client does."""
    for name, pair in image_pairs().items():
        first_size, new_size, new_blocks = WANTED[name]
        with tempfile.TemporaryDirectory(prefix="dcat-bench-") as folder:
            environment = surroundings(DCAT_HOME=f"{folder}/home", HOME=folder)
            first, second = (_publish(environment, image) for image in (pair.first, pair.second))
        report.add(f"{name} 1.0: stored", first["new_bytes"] / MB, "MB", f"{first_size} ± 5 %")
        report.add(f"{name} 1.0: blocks", first["new_blocks"], "blocks")
        report.add(f"{name} 1.1 after 1.0: new", second["new_bytes"] / MB, "MB", f"{new_size} ± 5 %")
        report.add(f"{name} 1.1 after 1.0: new blocks", second["new_blocks"], "blocks", f"{new_blocks} ± 5 %")
        held: dict[str, int] = {}
        registry = [_compress_layers(image.path, held) for image in (pair.first, pair.second)]
        report.add(f"{name} 1.0: registry, gzip layers", registry[0] / MB, "MB")
        report.add(f"{name} 1.1 after 1.0: registry, new gzip layers", registry[1] / MB, "MB")


def _publish(environment: dict[str, str], image: ImageFile) -> dict[str, int]:
    stored: dict[str, int] = dcat_json(environment, "publish", image.name, image.version, "--from", str(image.path))["stored"]
    return stored


def _compress_layers(path: Path, held: dict[str, int]) -> int:
    """Return the size of those layers, compressed as Docker's push does (gzip, default level), that are not ``held`` yet."""
    new = 0
    with tarfile.open(path) as archive:
        manifest = json.load(archive.extractfile("manifest.json") or _absent("manifest.json"))
        for name in manifest[0]["Layers"]:
            content = (archive.extractfile(name) or _absent(name)).read()
            digest = hashlib.sha256(content).hexdigest()
            if digest not in held:
                held[digest] = len(gzip.compress(content, 6, mtime=0))
                new += held[digest]
    return new


def _absent(name: str) -> tarfile.ExFileObject:
    raise SystemExit(f"the image has no {name}")
