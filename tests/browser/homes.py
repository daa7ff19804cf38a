"""Homes of real files for the browser: packages of this machine's Debian and of this Python, in two versions.

Ann publishes and serves; Bob follows her and has images of his own.
"""

import io
import os
import re
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from catalog.home.home import Home, open_home
from catalog.intake.intake import Wanted
from catalog.model.platform import Platform
from catalog.operations.publish import publish
from catalog.operations.remove import remove
from catalog.operations.yank import yank
from tests.factory.exports import source_of, write_save
from tests.factory.images import SampleImage, make_image
from tests.factory.platforms import AMD64, ARM64

_DCAT = Path(sys.executable).with_name("dcat")
_SITE = next(Path(path) for path in sys.path if path.endswith("site-packages"))
_DEBIAN = ("dash", "bash", "grep", "sed", "base-files")
_PYTHON = ("jinja2", "markupsafe", "rich", "typer")
_TIME = 1_700_000_000


@dataclass(frozen=True, slots=True)
class CommandHome:
    """A home that is used through the command line."""

    path: Path

    def dcat(self, *arguments: str) -> str:
        """Run a command, which must succeed, and return what it prints."""
        done = subprocess.run([_DCAT, *arguments], env=self.variables, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"dcat {' '.join(arguments)}: {done.stderr[-2000:]}"
        return done.stdout

    @property
    def variables(self) -> dict[str, str]:
        settings = {"DCAT_HOME": f"{self.path}/home", "DCAT_CONFIG": f"{self.path}/config.toml", "NO_COLOR": "1"}
        return {"PATH": f"{_DCAT.parent}:{os.environ['PATH']}", "HOME": str(self.path), **settings}

    @contextmanager
    def serving(self, *options: str) -> Iterator[str]:
        """Serve the home until the block ends; yield its URL."""
        command = [str(_DCAT), "serve", "--port", "0", *options]
        with subprocess.Popen(command, env=self.variables, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
            try:
                assert process.stdout is not None
                line = process.stdout.readline()
                match = re.search(r"http://\S+", line)
                assert match is not None, line
                yield match[0]
            finally:
                process.terminate()
                try:
                    process.wait(60)
                except subprocess.TimeoutExpired:
                    process.kill()


def write_real_image(path: Path, version: str) -> str:
    """Write a ``docker save`` of `make_real_image`."""
    return write_save(path, make_real_image(version))


def make_real_image(version: str, platform: Platform = AMD64) -> SampleImage:
    """Return an image of real files: Debian packages, Python packages, and a program that differs with the version."""
    packages = _DEBIAN if version != "1.0" else _DEBIAN[:-1]
    base, app = _pack(_list_debian(packages), _status(packages, version)), _pack(_list_python(), _program(version))
    settings = {
        "Entrypoint": ["/usr/bin/python3"],
        "Cmd": ["/srv/app/main.py", "--listen", "0.0.0.0:8080"],
        "Env": ["PATH=/usr/local/bin:/usr/bin:/bin", f"APP_VERSION={version}", "API_TOKEN=very-secret"],
        "ExposedPorts": {"8080/tcp": {}},
        "Labels": {"org.opencontainers.image.vendor": "Example", "org.opencontainers.image.version": version},
        "User": "app",
        "WorkingDir": "/srv/app",
    }
    history = [
        {"created_by": "ADD rootfs.tar.xz / # debian bookworm"},
        {"created_by": "RUN pip install --no-compile --target /srv/packages jinja2 markupsafe rich typer"},
    ]
    return make_image([base, app], platform, settings=settings, history=history)


def fill(folder: Path) -> tuple[CommandHome, CommandHome]:
    """Make the homes of Ann and Bob; Bob follows Ann, and holds one of her releases."""
    ann, bob = CommandHome(folder / "ann"), CommandHome(folder / "bob")
    for made in (ann, bob):
        made.path.mkdir()
    about = "# The shop\n\nServes the *catalogue* and the **cart**.\n\n- HTTP on port 8080\n- Health at `/health`\n\nSee https://git.example.org/shop."
    texts = {"title": "The shop of the example company", "description": about}
    last = make_real_image("2.0")
    with _open(bob) as home:
        for version in ("1.0", "1.1", "1.2"):
            _publish(home, "shop", version, make_real_image(version), texts)
        _publish(home, "shop", "1.2", make_real_image("1.2", ARM64), {}, ARM64)
        yank(home, "shop@1.1", reason="loses the cart when a session ends")
        for name in ("team/etl", "worker"):
            _publish(home, name, "2.0", last, {"title": f"The {name} service"})
        _publish(home, "old", "0.1", last, {})
        remove(home, "old@0.1")
    with _open(ann) as home:
        _publish(home, "api", "3.1", last, {"title": "Ann's api"})
        unknown = make_image([_pack([], {"srv/gateway": os.urandom(300_000)})], AMD64)  # Bob holds nothing of it
        _publish(home, "gateway", "3.1", unknown, {"title": "Ann's gateway"})
    with ann.serving() as url:
        bob.dcat("subscribe", "ann", url)
        bob.dcat("pull", "--no-load", "--platform", "linux/amd64", "ann/api@3.1")
    return ann, bob


def _open(home: CommandHome) -> Home:
    return open_home(home.path / "home", now=datetime.now(UTC).replace(microsecond=0))


def _publish(
    home: Home, name: str, version: str, image: SampleImage, annotations: Mapping[str, str], platform: Platform = AMD64
) -> None:
    publish(home, name, version, source_of(image), Wanted(platform), annotations=annotations)


def _list_debian(packages: Sequence[str]) -> list[Path]:
    listing = subprocess.run(["dpkg", "-L", *packages], capture_output=True, text=True, check=True).stdout
    # Debian merged /bin and its like into /usr: a file is where its real directory is.
    files = {Path(line).parent.resolve() / Path(line).name for line in listing.splitlines() if line.startswith("/")}
    lists = {Path(f"/var/lib/dpkg/info/{name}.list") for name in packages}
    return sorted(path for path in files | lists if path.is_file())


def _list_python() -> list[Path]:
    folders = [path for name in _PYTHON for path in (_SITE / name, *_SITE.glob(f"{name}-*.dist-info"))]
    return sorted(path for folder in folders for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)


def _status(packages: Sequence[str], version: str) -> dict[str, bytes]:
    show = ["dpkg-query", "-W", "-f", "Package: ${Package}\nStatus: ${Status}\nVersion: ${Version}\n\n", *packages]
    text = subprocess.run(show, capture_output=True, text=True, check=True).stdout
    if version == "1.0":  # so that an upgrade upgrades something
        text = re.sub(r"(Package: bash\n.*\nVersion: )\S+", r"\g<1>5.1-2", text)
    return {"var/lib/dpkg/status": text.encode()}


def _program(version: str) -> dict[str, bytes]:
    lines = [f'"""The shop, {version}."""', "", "import sys", "", f'print("shop {version}", sys.argv)', ""]
    return {"srv/app/main.py": "\n".join(lines).encode(), f"srv/app/notes-{version}.md": b"# Notes\n"}


def _pack(paths: Sequence[Path], more: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for path in paths:
            name = str(path).replace(str(_SITE), "/srv/packages").lstrip("/")
            info = tar.gettarinfo(path, name)
            info.uid = info.gid = 0
            info.uname = info.gname = ""
            if info.islnk():
                info.type = tarfile.REGTYPE
                info.size = path.stat().st_size
            if info.isreg():
                with path.open("rb") as file:
                    tar.addfile(info, file)
            elif info.issym():
                tar.addfile(info)
        for name, content in more.items():
            info = tarfile.TarInfo(name)
            info.size, info.mtime, info.mode = len(content), _TIME, 0o644
            tar.addfile(info, io.BytesIO(content))
    return stream.getvalue()
