"""A home of all that makes a page look different: many versions, layers and platforms, long texts, other scripts, failures.

It is for screenshots. Everything in it is small and made in this process, at times of the last two months.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from catalog.home.home import Home, open_home
from catalog.intake.intake import Wanted
from catalog.ipns.name import parse_ipns_name
from catalog.model.platform import Platform
from catalog.operations.publish import publish
from catalog.operations.remove import remove
from catalog.operations.subscribe import subscribe
from catalog.operations.yank import yank
from tests.browser.homes import CommandHome
from tests.factory.exports import source_of
from tests.factory.images import SampleImage, make_image, versioned_text
from tests.factory.platforms import AMD64, ARM, ARM64
from tests.factory.tars import make_tar
from tests.fakes.homes import network_of

LONG_NAME = "platform-engineering/data-science/jupyter-notebook-with-everything-that-anybody-ever-asked-for"
LONG_VERSION = "2026.11.28-rc.1-build.20261128.4f2a9c1d7e3b5a60"
_PLATFORMS = (AMD64, ARM64, ARM, Platform("linux", "ppc64le"), Platform("linux", "riscv64"), Platform("linux", "s390x"))
_NAMES = (
    "api",
    "auth",
    "billing",
    "cart",
    "checkout",
    "edge",
    "events",
    "gateway",
    "images",
    "ledger",
    "mail",
    "metrics",
    "orders",
)
_ABOUT = """# Orders

Takes **orders** from the shop and hands them to the *ledger*. Three things to know:

1. It listens on port `8080`; health is at `/health`.
2. Its database is migrated at start, unless `MIGRATE=no`.
3. It needs `ORDERS_DB` and [the queue](https://git.example.org/queue).

## Run it

```
docker run --rm -p 8080:8080 \\
  -e ORDERS_DB=postgres://db.example.org/orders \\
  registry.example.org/orders:2.4.1
```

> Versions below 2.3 lose the cart when a session ends.

- Owned by *team commerce*
- On call: see https://wiki.example.org/commerce
"""


def fill_showcase(folder: Path) -> tuple[CommandHome, CommandHome]:
    """Make Dora's home, who follows Eve; return it and one that has only been subscribed to, whose catalogue expired."""
    dora, eve = CommandHome(folder / "dora"), CommandHome(folder / "eve")
    for made in (dora, eve):
        made.path.mkdir()
    now = datetime.now(UTC).replace(microsecond=0)
    base = make_tar(
        {f"usr/lib/{number}.so": versioned_text("base", 90_000, seed=number) for number in range(12)}, mtime=1_700_000_000
    )
    with _open(eve, now - timedelta(days=45)) as home:
        for name in ("api", "worker"):
            _publish(home, name, "7.0", _image(base, name, "7.0"), {"title": f"Eve's {name}"})
    for position, name in enumerate(_NAMES):
        for number in range(3 if position % 3 else 1):
            with _open(dora, now - timedelta(days=59 - position * 4 - number, minutes=position * 7)) as home:
                version = f"{position % 4}.{number}.{position}"
                _publish(home, name, version, _image(base, name, version), {"title": f"The {name} service of the example company"})
    with _open(dora, now - timedelta(days=44)) as home, _open(eve, now - timedelta(days=44)) as publisher:
        catalogue = publisher.own_catalogue()
        assert catalogue is not None
        subscribe(home, network_of(publisher), parse_ipns_name(catalogue), "eve")
    for number in range(200):
        with _open(dora, now - timedelta(days=50, hours=-6 * number)) as home:
            version = f"{1 + number // 100}.{number // 10 % 10}.{number % 10}"
            annotations = {"title": "Takes orders and hands them to the ledger", "description": _ABOUT}
            for platform in _PLATFORMS if number > 190 else _PLATFORMS[: 2 if number > 170 else 1]:
                if (number, platform) != (197, ARM64):
                    _publish(home, "commerce/orders", version, _image(base, "orders", version, platform), annotations, platform)
            if number in (196, 188):
                yank(home, f"commerce/orders@{version}", reason="loses the cart when a session ends; see the note of 12 November")
            if number == 194:
                remove(home, f"commerce/orders@{version}")
    with _open(dora, now - timedelta(hours=5)) as home:
        _publish(home, "deep", "1.0", _deep(base, "1.0"), {"title": "An image of forty layers"})
        _publish(home, "deep", "1.1", _deep(base, "1.1"), {"title": "An image of forty layers"})
        _publish(
            home, LONG_NAME, LONG_VERSION, _image(base, "long", "1"), {"title": "All notebooks of the data science guild " * 4}
        )
        _publish(home, "i18n", "1.0", _other_scripts(base), _OTHER_SCRIPTS)
        _publish(home, "scratch", "0.1", make_image([make_tar({"hello": b"x" * 900})], settings={}), {})
    return dora, eve


_OTHER_SCRIPTS = {
    "title": "画像カタログ – قائمة الصور – רשימת תמונות – 映像目錄",
    "description": "これは例です。**太字** と `コード`。\n\nهذا مثال على وصف طويل باللغة العربية مع **نص غامق**.",
    "maintainer": "山田太郎, فريق التجارة الإلكترونية",
    "org.opencontainers.image.source": "https://git.example.org/" + "a-very-long-path/" * 12,
    "odd": "left \u202ethgir\u202c and \u200bzero",
}


def _open(home: CommandHome, now: datetime) -> Home:
    return open_home(home.path / "home", now=now)


def _publish(
    home: Home, name: str, version: str, image: SampleImage, annotations: Mapping[str, str], platform: Platform = AMD64
) -> None:
    # Signed once for many: by whatever is published last.
    publish(home, name, version, source_of(image), Wanted(platform), annotations=annotations, shares=name in ("worker", "scratch"))


def _image(base: bytes, name: str, version: str, platform: Platform = AMD64) -> SampleImage:
    files = {
        f"srv/{name}/main.py": f"print({name!r}, {version!r})\n".encode(),
        f"srv/{name}/data.txt": versioned_text(version, 60_000),
        f"srv/{name}/{platform.architecture}": b"x" * 20_000,
    }
    settings = {
        "Entrypoint": [f"/srv/{name}/main.py"],
        "Env": ["PATH=/usr/bin:/bin", f"VERSION={version}", "ORDERS_DB_PASSWORD=canary", "LANG=C.UTF-8"],
        "ExposedPorts": {"8080/tcp": {}, "9090/tcp": {}},
        "Labels": {"org.opencontainers.image.vendor": "Example", "org.opencontainers.image.version": version},
        "User": "app",
    }
    history = [
        {"created_by": "/bin/sh -c #(nop) ADD file:4f2a9c1d7e3b5a604f2a9c1d7e3b5a604f2a9c1d7e3b5a60 in / "},
        {"created_by": f"COPY --chown=app:app ./dist /srv/{name} # buildkit"},
    ]
    return make_image([base, make_tar(files, mtime=1_700_000_000)], platform, settings=settings, history=history)


def _deep(base: bytes, version: str) -> SampleImage:
    layers = [make_tar({f"srv/{n}": versioned_text(version if n > 25 else "0", 2000 * (n % 7 + 1), seed=n)}) for n in range(39)]
    steps = [
        f"RUN /bin/sh -c apt-get update && apt-get install --no-install-recommends -y package-{n} "
        f"libpackage-{n}-dev && rm -rf /var/lib/apt/lists/* # buildkit"
        for n in range(39)
    ]
    history = [{"created_by": step} for step in ["ADD rootfs.tar.xz / # debian trixie", *steps]]
    labels = {f"com.example.team.component-{n}.owner": f"team-{n}@example.org" for n in range(24)}
    settings = {"Entrypoint": ["/usr/bin/tini", "--"], "Cmd": ["/srv/run", "--everything"], "Labels": labels}
    settings |= {"Env": [f"COMPONENT_{n}_ADDRESS=http://component-{n}.svc.cluster.local:8080/v1" for n in range(30)]}
    return make_image([base, *layers], settings=settings, history=history)


def _other_scripts(base: bytes) -> SampleImage:
    files = {f"srv/{name}": name.encode() for name in ("写真.txt", "صورة.txt", "תמונה.txt", "größe ✓.txt", "a\u202egnp.exe")}
    labels = {"説明": "コンテナ画像の例です。" * 12, "وصف": "صورة حاوية للاختبار " * 12, "plain": "ordinary"}
    return make_image([base, make_tar(files)], settings={"Labels": labels, "Env": ["GRÜSSE=Hallo, Wörld", "挨拶=こんにちは"]})
