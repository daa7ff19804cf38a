"""The pages: which address is which page, and what each is made by.

An address with ``.json`` behind it is the twin of the page, unless there is a page of exactly that name: names and versions may
end so too.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from catalog.server.pages.views.catalogue import CataloguePage, catalogue
from catalog.server.pages.views.cid import CidPage, cid
from catalog.server.pages.views.diff import DiffPage, diff
from catalog.server.pages.views.files import FilesPage, files
from catalog.server.pages.views.front import Front, front
from catalog.server.pages.views.name import NamePage, name
from catalog.server.pages.views.release import ReleasePage, release
from catalog.server.pages.views.search import SearchResult, search
from catalog.server.pages.views.status import StatusPage, status
from catalog.server.pages.views.storage import StoragePage, storage

_TWIN = ".json"
_ROWS = {"n": "How many rows the JSON has, from 1 to 1,000; HTML has no more than usual."}
_PLATFORM = {"platform": "The platform of the image, such as linux/arm64; else linux/amd64, or the first that is there."}
_FETCH = {"fetch": "With yes, an image that is not here is fetched first, if this server does that (serve --fetch)."}


@dataclass(frozen=True)
class Page:
    """A page. ``twin`` is the address of its JSON, ``keyset`` the parameter of the query that goes on behind a model's ``next``."""

    key: str
    twin: str
    summary: str
    model: type
    make: Callable[..., Any]
    query: Mapping[str, str] = field(default_factory=dict)
    keyset: str = ""


FRONT = Page("front", "/index.json", "Catalogues and the newest releases", Front, front)
SEARCH = Page(
    "search",
    "/search.json",
    "Names by words",
    SearchResult,
    search,
    {
        "q": "Words that a name, its versions or texts hold.",
        "after": "The catalogue and the name (label/name) behind which the page begins.",
        **_ROWS,
    },
    "after",
)
CATALOGUE = Page(
    "catalogue",
    "/c/{label}.json",
    "A catalogue and its names",
    CataloguePage,
    catalogue,
    {"q": "Words to search for in this catalogue.", "after": "The name behind which the page begins.", **_ROWS},
    "after",
)
NAME = Page(
    "name",
    "/r/{label}/{name}.json",
    "A name and its releases",
    NamePage,
    name,
    {"before": "The version behind which the page begins.", **_ROWS},
    "before",
)
RELEASE = Page(
    "release",
    "/r/{label}/{name}@{version}.json",
    "A release",
    ReleasePage,
    release,
    {"after": "Where the page begins: how many layers to leave out, or a list and a number (labels-40).", **_PLATFORM, **_ROWS},
    "after",
)
FILES = Page(
    "files",
    "/r/{label}/{name}@{version}/files.json",
    "What stands at a path of an image",
    FilesPage,
    files,
    {
        "path": "A path in the image; else its root.",
        "q": "Text that the path of a file below it holds.",
        "after": "The path of the file behind which the page begins.",
        **_FETCH,
        **_PLATFORM,
        **_ROWS,
    },
    "after",
)
DIFF = Page(
    "diff",
    "/diff/{label}/{name}@{version}/{newer_label}/{newer_name}@{newer_version}.json",
    "Two releases compared",
    DiffPage,
    diff,
    {
        "after": "Where the page begins: how many changed files to leave out, or a list and a number (packages-40).",
        **_FETCH,
        **_PLATFORM,
        **_ROWS,
    },
    "after",
)
CID = Page("cid", "/cid/{cid}.json", "A block that is here", CidPage, cid)
STORAGE = Page("storage", "/storage.json", "What is stored, and what sharing saved", StoragePage, storage)
STATUS = Page("status", "/status.json", "How this home stands", StatusPage, status)
PAGES = (FRONT, SEARCH, CATALOGUE, NAME, RELEASE, FILES, DIFF, CID, STORAGE, STATUS)
_PLAIN = {"/": FRONT, "/index": FRONT, "/search": SEARCH, "/storage": STORAGE, "/status": STATUS}


class Call(NamedTuple):
    """A page and the arguments to make it with, from its address."""

    page: Page
    arguments: tuple[str, ...]
    is_twin: bool


def find_pages(path: str) -> list[Call]:
    """Return what an address may mean, likeliest first; nothing where it is no page."""
    found = [Call(page, arguments, False) for page, arguments in _match(path)]
    if path.endswith(_TWIN):
        found += [Call(page, arguments, True) for page, arguments in _match(path.removesuffix(_TWIN))]
    return found


def _match(path: str) -> Iterator[tuple[Page, tuple[str, ...]]]:
    if path in _PLAIN:
        yield _PLAIN[path], ()
        return
    kind, _, rest = path.removeprefix("/").partition("/")
    label, _, below = rest.partition("/")
    if kind == "cid" and rest and not below:
        yield CID, (rest,)
    elif kind == "c" and rest and not below:
        yield CATALOGUE, (rest,)
    elif kind == "r" and below:
        yield from _match_release(label, below)
    elif kind == "diff":
        yield from _match_diff(rest)


def _match_release(label: str, below: str) -> Iterator[tuple[Page, tuple[str, ...]]]:
    found, at, rest = below.partition("@")
    if not at:
        yield NAME, (label, below)
        return
    version, slash, inside = rest.partition("/")
    reference = f"{found}@{version}"
    if not slash:
        yield RELEASE, (label, reference)
    elif inside == "files" or inside.startswith("files/"):
        yield FILES, (label, reference, inside.removeprefix("files").removeprefix("/"))


def _match_diff(rest: str) -> Iterator[tuple[Page, tuple[str, ...]]]:
    label, _, below = rest.partition("/")
    found, at, behind = below.partition("@")
    version, slash, newer = behind.partition("/")
    newer_label, _, newer_reference = newer.partition("/")
    if at and slash and newer_reference:
        yield DIFF, (label, f"{found}@{version}", newer_label, newer_reference)
