"""A home with releases of every kind, and a server that shows it."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from catalog.home.home import Home, open_home
from catalog.intake.intake import Wanted
from catalog.model.platform import Platform
from catalog.operations.publish import publish
from catalog.operations.remove import remove
from catalog.operations.yank import yank
from catalog.server.settings import ServerSettings
from catalog.server.site.opening import open_site
from tests.factory.exports import source_of
from tests.factory.images import SampleImage, make_image, versioned_text
from tests.factory.platforms import AMD64, ARM64
from tests.factory.tars import make_tar
from tests.factory.times import NOW
from tests.server.serving import Answer, Served, running

DPKG = "Package: openssl\nStatus: install ok installed\nVersion: {0}\nArchitecture: amd64\n\n"


def image(version: str, platform: Platform = AMD64) -> SampleImage:
    """Return an image of two layers, the second of which differs with the version."""
    base = make_tar(
        {
            "etc/os-release": b'ID=sample\nNAME="Sample"\n',
            "usr/lib/big.so": versioned_text("0", 300_000),
            "usr/share/binary": bytes(range(256)),
            "etc/gone": b"x",
        },
        mtime=1_700_000_000,
    )
    app = make_tar(
        {
            "app/main.py": f"print('{version}')\n".encode(),
            "app/link": ("symlink", "../etc/os-release"),
            "etc/.wh.gone": b"",
            "var/lib/dpkg/status": DPKG.format(version).encode(),
            f"app/only-in-{version}": b"x",
        },
        mtime=1_700_000_000,
    )
    settings = {
        "Entrypoint": ["/app/main.py"],
        "Cmd": ["--serve"],
        "Env": ["PATH=/bin", f"APP_VERSION={version}", "DB_PASSWORD=canary-secret"],
        "ExposedPorts": {"8080/tcp": {}},
        "Labels": {"team": "web"},
        "User": "app",
        "WorkingDir": "/app",
    }
    return make_image([base, app], platform, settings=settings)


def fill(home: Home) -> None:
    """Publish releases: two versions, two platforms, a yanked and a removed one, and a name with a slash."""
    annotations = {"title": "The web app", "description": "# Web\n\nServes **pages**. See https://example.org/web."}
    for version in ("1.0", "1.1"):
        publish(home, "web", version, source_of(image(version)), Wanted(AMD64), annotations=annotations)
    publish(home, "web", "1.1", source_of(image("1.1", ARM64)), Wanted(ARM64))
    publish(home, "web", "0.9", source_of(image("0.9")), Wanted(AMD64))
    publish(home, "web", "0.8", source_of(image("0.8")), Wanted(AMD64))
    publish(home, "team/api.json", "2.0.json", source_of(image("2.0")), Wanted(AMD64))
    yank(home, "web@0.9", reason="leaks memory")
    remove(home, "web@0.8")


@dataclass
class Pages:
    """A running server and the home that it shows."""

    home: Home
    port: int
    served: Served

    def get(self, path: str, /, **headers: str) -> Answer:
        return self.served.ask(path, **headers)


@contextlib.contextmanager
def showing(home: Home, settings: ServerSettings | None = None) -> Iterator[Pages]:
    """Serve a home until the block ends."""
    site = open_site(home, lambda: NOW)
    with running(site, settings or ServerSettings(port=0)) as (server, log):
        yield Pages(home, server.port, Served(server, None, None, log))  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pages]:
    """The server of a filled home."""
    path: Path = tmp_path_factory.mktemp("pages") / "home"
    with open_home(path, now=NOW) as home:
        fill(home)
        with showing(home) as shown:
            yield shown
