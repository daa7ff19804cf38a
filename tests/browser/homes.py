"""Homes of real files for the browser: packages of this machine's Debian and of this Python, in two versions.

Ann publishes and serves; Bob follows her and has images of his own. All is done by the commands themselves.
"""

import io
import os
import re
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from catalog.model.platform import Platform
from tests.factory.exports import write_save
from tests.factory.images import make_image
from tests.factory.platforms import AMD64, ARM64

_DCAT = Path(sys.executable).with_name("dcat")
_SITE = next(Path(path) for path in sys.path if path.endswith("site-packages"))
_DEBIAN = ("dash", "bash", "coreutils", "libc-bin", "base-files")
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
        process = subprocess.Popen(command, env=self.variables, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            match = re.search(r"http://\S+", line)
            assert match is not None, line
            yield match[0]
        finally:
            process.terminate()
            process.wait(20)
            if process.stdout is not None:
                process.stdout.close()


def write_real_image(path: Path, version: str, platform: Platform = AMD64) -> str:
    """Write a ``docker save`` of real files: Debian packages, Python packages, and a program that differs with the version."""
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
    return write_save(path, make_image([base, app], platform, settings=settings, history=history))


def fill(folder: Path) -> tuple[CommandHome, CommandHome]:
    """Make the homes of Ann and Bob; Bob follows Ann, and holds one of her releases."""
    ann, bob = CommandHome(folder / "ann"), CommandHome(folder / "bob")
    for home in (ann, bob):
        home.path.mkdir()
    image = folder / "image.tar"
    about = "# The shop\n\nServes the *catalogue* and the **cart**.\n\n- HTTP on port 8080\n- Health at `/health`\n\nSee https://git.example.org/shop."
    titles = ("--title", "The shop of the example company", "--annotation", f"description={about}")
    for version in ("1.0", "1.1", "1.2"):
        write_real_image(image, version)
        bob.dcat("publish", "shop", version, "--from", str(image), "--platform", "linux/amd64", *titles)
    write_real_image(image, "1.2", ARM64)
    bob.dcat("publish", "shop", "1.2", "--from", str(image), "--platform", "linux/arm64")
    bob.dcat("yank", "shop@1.1", "--reason", "loses the cart when a session ends")
    write_real_image(image, "2.0")
    for name in ("team/etl", "worker"):
        bob.dcat("publish", name, "2.0", "--from", str(image), "--platform", "linux/amd64", "--title", f"The {name} service")
    bob.dcat("publish", "old", "0.1", "--from", str(image), "--platform", "linux/amd64")
    bob.dcat("remove", "old@0.1")
    for name in ("api", "gateway"):
        if name == "gateway":  # Bob holds nothing of it
            write_save(image, make_image([_pack([], {"srv/gateway": os.urandom(300_000)})], AMD64))
        ann.dcat("publish", name, "3.1", "--from", str(image), "--platform", "linux/amd64", "--title", f"Ann's {name}")
    with ann.serving() as url:
        bob.dcat("subscribe", "ann", url)
        bob.dcat("pull", "--no-load", "--platform", "linux/amd64", "ann/api@3.1")
    return ann, bob


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
