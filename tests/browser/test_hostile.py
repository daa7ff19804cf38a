"""A publisher who writes attacks into every field: nothing is executed, is markup, or is invisible (docs/safety.md, E3, E4).

A thousand payloads stand in each field: annotations, reasons of yanks, labels, environment, entry point, command, ports, volumes,
history, names of files, targets of links, contents of files, names and versions of packages. Forty go into each release.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, Page

from catalog.home.home import open_home
from catalog.intake.intake import Wanted
from catalog.operations.publish import publish
from catalog.operations.yank import yank
from tests.browser.chromium import window
from tests.browser.payloads import payloads
from tests.factory.exports import source_of
from tests.factory.images import SampleImage, make_image
from tests.factory.platforms import AMD64
from tests.factory.tars import make_tar
from tests.factory.times import NOW
from tests.server.pages.conftest import Pages, showing

pytestmark = pytest.mark.xdist_group("browser")

_A_RELEASE = 40
_TYPED = 190  # characters in an address: what is typed is cut at 200
_WATCH = """
window.trouble = [];
for (const name of ["alert", "confirm", "prompt"]) window[name] = (...words) => { window.trouble.push(name + " " + words); };
document.addEventListener("securitypolicyviolation", (event) => window.trouble.push("policy: " + event.violatedDirective));
"""
# What templates and the Markdown renderer make, and nothing else.
_TAGS = [
    "a",
    "aside",
    "blockquote",
    "body",
    "button",
    "code",
    "data",
    "dd",
    "del",
    "details",
    "div",
    "dl",
    "dt",
    "em",
    "footer",
    "form",
    "g",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "head",
    "header",
    "html",
    "i",
    "input",
    "kbd",
    "ins",
    "label",
    "li",
    "link",
    "main",
    "meta",
    "nav",
    "noscript",
    "ol",
    "p",
    "path",
    "pre",
    "rect",
    "rp",
    "section",
    "script",
    "small",
    "span",
    "strong",
    "summary",
    "svg",
    "table",
    "tbody",
    "td",
    "th",
    "thead",
    "time",
    "title",
    "tr",
    "ul",
]
_LOOK = """
(tags) => {
  const found = [...window.trouble];
  for (const element of document.querySelectorAll("*")) {
    const tag = element.tagName.toLowerCase();
    if (!tags.includes(tag)) found.push("element " + tag);
    for (const attribute of element.attributes) {
      if (/^on|^style$|^srcdoc$/i.test(attribute.name)) found.push("attribute " + attribute.name);
      const address = ["href", "src", "action"].includes(attribute.name);
      if (address && !/^(\\/(?!\\/)|#|https?:\\/\\/)/.test(attribute.value)) found.push(attribute.value);
    }
    if (tag === "script" && element.textContent) found.push("inline script");
  }
  const unseen = "[\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f\\u00ad\\u061c\\u200b-\\u200f\\u2028-\\u202e" +
    "\\u2060-\\u206f\\ufeff\\u{e0000}-\\u{e0fff}]";
  const hidden = document.documentElement.outerHTML.match(new RegExp(unseen, "u"));
  if (hidden) found.push("hidden character " + hidden[0].codePointAt(0).toString(16));
  return found;
}
"""


@dataclass
class Hostile:
    """The server of a home full of payloads, and the addresses of all its pages."""

    pages: Pages
    paths: list[str] = field(default_factory=list)


def image(some: list[str], number: int) -> SampleImage:
    files: dict[str, bytes | tuple[str, str]] = {}
    for place, payload in enumerate(some):
        name = payload.replace("/", "\u2215").encode()[:240].decode("utf-8", "ignore")
        files[f"files/{name}"] = payload.encode()
        files[f"links/{place}"] = ("symlink", payload)
    files["all.txt"] = "\n".join(some).encode()
    files["var/lib/dpkg/status"] = "".join(
        f"Package: {line(payload)}\nStatus: install ok installed\nVersion: {line(payload)}{number}\n\n" for payload in some
    ).encode()
    layers = [make_tar({f"layer/{place}": payload.encode()}) for place, payload in enumerate(some)]
    settings = {
        "Entrypoint": some,
        "Cmd": some,
        "Env": [f"{'E' * (place % 3 + 1)}{place}={payload}" for place, payload in enumerate(some)]
        + [f"{payload}=x" for payload in some],
        "ExposedPorts": {payload: {} for payload in some},
        "Volumes": {payload: {} for payload in some},
        "Labels": {payload: payload for payload in some},
        "User": " ".join(some),
        "WorkingDir": " ".join(some),
        "StopSignal": " ".join(some),
    }
    history = [{"created_by": payload} for payload in some] + [{"comment": some[0]}]
    return make_image([*layers, make_tar(files)], settings=settings, history=history)


def joined(texts: list[str], most: int) -> Iterator[str]:
    """Yield the texts, several together in at most ``most`` characters, or one that is longer."""
    together = ""
    for text in texts:
        if together and len(together) + 1 + len(text) > most:
            yield together
            together = ""
        together += f" {text}" if together else text
    yield together


def line(text: str) -> str:
    return "".join(character for character in text if character.isprintable()) or "x"


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hostile]:
    every = payloads(1000)
    path: Path = tmp_path_factory.mktemp("hostile") / "home"
    with open_home(path, now=NOW) as home:
        found: list[str] = []
        for number in range(len(every) // _A_RELEASE):
            some = every[number * _A_RELEASE : (number + 1) * _A_RELEASE]
            version = f"1.{number}"
            texts = {f"a{place}": payload for place, payload in enumerate(some)}
            texts |= {
                "title": " ".join(some[:8]),
                "description": "\n\n".join(some)[:4000],
                "org.opencontainers.image.source": some[1],
            }
            publish(home, "web", version, source_of(image(some, number)), Wanted(AMD64), annotations=texts)
            publish(
                home,
                f"name{number}",
                "1",
                source_of(image(some, number)),
                Wanted(AMD64),
                annotations={"title": " ".join(some[::-1])[:4000]},
            )
            if number % 5 == 4:
                yank(home, f"web@{version}", reason=" ".join(some[8:12]))
            base = f"/r/mine/web@{version}"
            found += [
                base,
                f"{base}/files",
                f"{base}/files/files",
                f"{base}/files/links",
                f"{base}/files/all.txt",
                f"/r/mine/name{number}",
            ]
            if number:
                found.append(f"/diff/mine/web@1.{number - 1}/mine/web@{version}")
        found += ["/", "/c/mine", "/r/mine/web", "/r/mine/web?n=100", "/storage", "/status", "/search?q=alert"]
        with showing(home) as shown:
            yield Hostile(shown, found)


def trouble(page: Page) -> list[str]:
    return page.evaluate(_LOOK, _TAGS)  # type: ignore[no-any-return]


def test_nothing_that_a_publisher_wrote_is_executed_or_markup(browser: Browser, hostile: Hostile) -> None:
    found: dict[str, Any] = {}
    with window(browser, f"http://127.0.0.1:{hostile.pages.port}") as opened:
        opened.add_init_script(_WATCH)
        page = opened.new_page()
        paths = list(hostile.paths)
        for path in paths:
            answer = page.goto(path)
            assert answer is not None
            assert answer.status == 200, path
            if problems := trouble(page):
                found[path] = problems
            paths += page.evaluate("[...document.querySelectorAll('a[rel=next]')].map((link) => link.href)")
    assert len(paths) > len(hostile.paths)
    assert found == {}


def test_nothing_in_an_address_is_executed_or_markup(browser: Browser, hostile: Hostile) -> None:
    """What is typed comes back in messages, in the search box, in links to the next page and to the twin."""
    places = ["/search?q={}", "/c/{}", "/c/mine?q={}", "/r/mine/{}", "/r/mine/web@{}", "/r/mine/web@1.0/files/{}", "/cid/{}"]
    places += ["/r/mine/web@1.0/files?q={}", "/r/mine/web@1.0?platform={}", "/diff/mine/web@1.0/mine/{}", "/c/mine?after={}", "/{}"]
    found: dict[str, Any] = {}
    with window(browser, f"http://127.0.0.1:{hostile.pages.port}") as opened:
        opened.add_init_script(_WATCH)
        page = opened.new_page()
        for number, text in enumerate(joined(payloads(300), _TYPED)):
            path = places[number % len(places)].format(quote(text, safe=""))
            answer = page.goto(path)
            assert answer is not None
            if answer.headers["content-type"].startswith("text/html") and (problems := trouble(page)):
                found[path] = problems
    assert found == {}


def test_every_payload_is_readable_where_it_stands(hostile: Hostile) -> None:
    """The twins hold each payload exactly; the pages show each in escaped form. Both go on while there is a next page."""
    every = payloads(1000)
    for number in (0, 12, 24):
        some = every[number * _A_RELEASE : (number + 1) * _A_RELEASE]
        made_by, labels, shown, after = [], set(), 0, ""
        while True:
            document = json.loads(hostile.pages.get(f"/r/mine/web@1.{number}.json{after}").body)
            made_by += [row["made_by"] for row in document["layer_list"]]
            labels |= {entry["name"] for entry in document["configuration"]["labels"]}
            text = hostile.pages.get(f"/r/mine/web@1.{number}{after}").body.decode()
            shown += text.count("alert") + text.count("ALERT")
            if not document["next"]:
                break
            after = f"?after={quote(document['next'])}"
        assert labels == set(some)
        assert made_by[: len(some)] == some
        assert shown > 100


def test_a_file_of_an_image_is_never_run_in_the_pages_origin(browser: Browser, hostile: Hostile) -> None:
    """Neither a download nor a block is opened as a page, whatever it holds."""
    name = next(iter(payloads(1)))
    path = f"/r/mine/web@1.0/files/files/{quote(name.replace('/', chr(0x2215)), safe='')}?download=1"
    with window(browser, f"http://127.0.0.1:{hostile.pages.port}") as opened:
        opened.add_init_script(_WATCH)
        page = opened.new_page()
        page.goto("/")
        with page.expect_download() as downloaded:
            page.evaluate("(path) => { location.href = path; }", path)
        assert Path(downloaded.value.path()).read_bytes() == name.encode()
        assert page.url.endswith("/")
        assert trouble(page) == []
