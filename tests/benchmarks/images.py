"""The two pairs of real images that the figures of the README are about, one patch release apart each.

Base: Debian bookworm as ``debootstrap --variant=minbase`` leaves it, with python3-minimal and its package cache. On it one layer of
PyPI packages for CPython 3.11 as ``pip install --no-compile --target`` leaves them, with equal dependencies in both images of a
pair, and a small layer with the app. Layers are GNU tars, sorted by path, with the times of the installation in whole seconds.

Built once, into a folder that git ignores: ``python -m tests.benchmarks.images`` prints the files. It needs root (debootstrap), the
host's Debian mirror and pip's index; the base and the images of another day differ in bytes, which moves the figures by little.
"""

import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tests.needs import ROOT

FOLDER = ROOT / ".cache" / "benchmarks"
SUITE = "bookworm"
PACKAGES: Mapping[str, tuple[list[str], list[str]]] = {
    "web": (
        ["django==4.2.1", "psycopg2-binary==2.9.8", "pillow==10.0.0"],
        ["django==4.2.2", "psycopg2-binary==2.9.9", "pillow==10.0.1"],
    ),
    "sci": (
        ["numpy==1.26.3", "pandas==2.1.3", "scipy==1.11.3"],
        ["numpy==1.26.4", "pandas==2.1.4", "scipy==1.11.4"],
    ),
}
VERSIONS = ("1.0", "1.1")
APP = """\
\"\"\"{name} {version}\"\"\"
import importlib.metadata as metadata
import sys

sys.path.insert(0, "/srv/packages")
print("{name}", "{version}", sorted((d.name, d.version) for d in metadata.distributions(path=["/srv/packages"])))
"""


@dataclass(frozen=True, slots=True)
class ImageFile:
    """An image that ``docker load`` takes, tagged ``name:version``."""

    name: str
    version: str
    path: Path

    @property
    def reference(self) -> str:
        return f"{self.name}:{self.version}"


@dataclass(frozen=True, slots=True)
class Pair:
    """Two releases of one image."""

    first: ImageFile
    second: ImageFile


def image_pairs(folder: Path = FOLDER) -> dict[str, Pair]:
    """Return the pairs by name (``web``, ``sci``), building what ``folder`` lacks."""
    folder.mkdir(parents=True, exist_ok=True)
    pairs = {name: Pair(*(ImageFile(name, version, folder / f"{name}-{version}.tar") for version in VERSIONS)) for name in PACKAGES}
    for name, pair in pairs.items():
        if not (pair.first.path.exists() and pair.second.path.exists()):
            _build_pair(name, pair, _base_layer(folder), folder)
    return pairs


def _build_pair(name: str, pair: Pair, base: Path, folder: Path) -> None:
    with tempfile.TemporaryDirectory(dir=folder) as work:
        constraints: list[str] = []
        for image, requirements in zip((pair.first, pair.second), PACKAGES[name], strict=True):
            root = Path(work) / image.version
            target = root / "packages" / "srv" / "packages"
            _install(requirements, constraints, target)
            constraints = constraints or _others_installed(requirements, target)
            app = root / "app" / "srv" / "app"
            app.mkdir(parents=True)
            (app / "main.py").write_text(APP.format(name=name, version=image.version), encoding="utf-8")
            layers = [base, _pack(root / "packages", root / "packages.tar"), _pack(root / "app", root / "app.tar")]
            _write_image(image, layers)


def _base_layer(folder: Path) -> Path:
    path = folder / f"{SUITE}-base.tar"
    if path.exists():
        return path
    with tempfile.TemporaryDirectory(dir=folder) as work:
        root = Path(work) / "root"
        _run(["debootstrap", "--variant=minbase", "--include=python3-minimal", SUITE, str(root), _mirror()])
        _pack(root, Path(work) / "base.tar").replace(path)
    return path


def _mirror() -> str:
    """Return the mirror that this host's apt uses for the suite itself (its security updates come from another)."""
    listing = _run(["apt-get", "indextargets", "--format", "$(SITE)", "Created-By: Packages", f"Codename: {SUITE}"])
    sites = listing.split()
    if not sites:
        raise SystemExit(f"apt on this host knows no mirror of {SUITE}, which the base of the benchmark images is made from")
    return sites[0]


def _install(requirements: list[str], constraints: list[str], target: Path) -> None:
    target.mkdir(parents=True)
    constraint_file = target.parent.parent / "constraints.txt"
    constraint_file.write_text("\n".join(constraints), encoding="utf-8")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
    wheels = ["--python-version", "3.11", "--implementation", "cp", "--only-binary", ":all:"]
    _run([*pip, *wheels, "--constraint", str(constraint_file), "--target", str(target), *requirements])
    constraint_file.unlink()


def _others_installed(requirements: list[str], target: Path) -> list[str]:
    """Pin what came along as a dependency, so that the second image of a pair has the same."""
    asked = {requirement.partition("==")[0] for requirement in requirements}
    frozen = _run([sys.executable, "-m", "pip", "--disable-pip-version-check", "list", "--format", "freeze", "--path", str(target)])
    return [line for line in frozen.split() if line.partition("==")[0].lower() not in asked]


def _pack(root: Path, path: Path) -> Path:
    _run(["tar", "--format=gnu", "--sort=name", "--numeric-owner", "-C", str(root), "-cf", str(path), "."])
    return path


def _write_image(image: ImageFile, layers: list[Path]) -> None:
    """Write a ``docker save`` of the older form: config, plain layers, manifest.json."""
    digests = [_sha256(layer) for layer in layers]
    created = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    config = {
        "architecture": "amd64",
        "os": "linux",
        "created": created,
        "config": {"Cmd": ["python3", "/srv/app/main.py"], "Env": ["PATH=/usr/local/bin:/usr/bin:/bin"], "WorkingDir": "/srv/app"},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}" for digest in digests]},
        "history": [{"created": created, "created_by": step} for step in ("debootstrap", "pip install", "COPY app")],
    }
    config_bytes = json.dumps(config).encode()
    config_name = hashlib.sha256(config_bytes).hexdigest() + ".json"
    names = [f"{digest}/layer.tar" for digest in digests]
    manifest = [{"Config": config_name, "RepoTags": [image.reference], "Layers": names}]
    partial = image.path.with_suffix(".partial")
    with tarfile.open(partial, "w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in ((config_name, config_bytes), ("manifest.json", json.dumps(manifest).encode())):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        for name, layer in zip(names, layers, strict=True):
            member = tarfile.TarInfo(name)
            member.size = layer.stat().st_size
            with layer.open("rb") as stream:
                archive.addfile(member, stream)
    partial.replace(image.path)


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _run(command: list[str]) -> str:
    program = shutil.which(command[0])
    if program is None:
        raise SystemExit(f"{command[0]} is not installed: the benchmark images are made with it")
    environment = {**os.environ, "LC_ALL": "C.UTF-8"}
    done = subprocess.run([program, *command[1:]], env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout


if __name__ == "__main__":
    for _pair in image_pairs(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER).values():
        for _image in (_pair.first, _pair.second):
            print(_image.path)
