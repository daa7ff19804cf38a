"""Every page in every state: what is looked at as a screenshot. Those of Bob's home are walked by the tests as well."""

import json
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass

from playwright.sync_api import Page

from tests.browser.showcase import LONG_NAME, LONG_VERSION


@dataclass(frozen=True)
class Scene:
    """A page of a home's server; ``act`` is what somebody does there first."""

    name: str
    path: str
    home: str = "bob"
    act: Callable[[Page], None] | None = None

    @property
    def file(self) -> str:
        return self.name.replace(" ", "-")


def locate(address: str, scene: Scene) -> str:
    """Return the address of a scene on a server; a block is one of an image there."""
    path = scene.path
    if "ARCHIVE" in path or "LAYER" in path:
        with urllib.request.urlopen(f"{address}/r/mine/shop@1.2.json") as answer:
            document = json.load(answer)
            path = path.replace("ARCHIVE", document["images"]["linux/amd64"]["archive"])
            path = path.replace("LAYER", document["layer_list"][0]["cid"])
    return f"{address}{path}"


def _choose_tab(key: str) -> Callable[[Page], None]:
    return lambda page: page.locator(f"label[for='tab-{key}']").click()


def _copy(page: Page) -> None:
    page.locator("button.copy").first.click()


def _tab_on(page: Page) -> None:
    for _ in range(3):
        page.keyboard.press("Tab")


BOB = (
    Scene("front", "/"),
    Scene("search", "/search?q=shop"),
    Scene("nothing found", "/search?q=nothing"),
    Scene("own catalogue", "/c/mine"),
    Scene("followed catalogue", "/c/ann"),
    Scene("name", "/r/mine/shop"),
    Scene("name with a slash", "/r/mine/team/etl"),
    Scene("release", "/r/mine/shop@1.2"),
    Scene("other platform", "/r/mine/shop@1.2?platform=linux/arm64"),
    Scene("yanked", "/r/mine/shop@1.1"),
    Scene("removed", "/r/mine/old@0.1"),
    Scene("followed and held", "/r/ann/api@3.1"),
    Scene("followed and not held", "/r/ann/gateway@3.1"),
    Scene("files", "/r/mine/shop@1.2/files"),
    Scene("directory", "/r/mine/shop@1.2/files/usr/bin"),
    Scene("found files", "/r/mine/shop@1.2/files?q=jinja2"),
    Scene("text", "/r/mine/shop@1.2/files/srv/app/main.py"),
    Scene("program", "/r/mine/shop@1.2/files/usr/bin/bash"),
    Scene("difference", "/diff/mine/shop@1.0/mine/shop@1.2"),
    Scene("difference of what is not here", "/diff/ann/api@3.1/ann/gateway@3.1"),
    Scene("storage", "/storage"),
    Scene("status", "/status"),
    Scene("error", "/r/mine/shop@9"),
    Scene("block", "/cid/ARCHIVE"),
    Scene("no block", "/cid/bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy"),
    Scene("names filtered", "/c/mine?q=nothing"),
)
_LONG = f"/r/mine/{LONG_NAME}@{LONG_VERSION}"
MORE = (
    *(
        Scene(f"tab {key}", "/r/mine/shop@1.2", act=_choose_tab(key))
        for key in ("docker", "podman", "kubernetes", "compose", "ipfs", "curl")
    ),
    Scene("focus", "/r/mine/shop@1.2", act=_tab_on),
    Scene("copied", "/r/mine/shop@1.2", act=_copy),
    Scene("layer", "/cid/LAYER"),
    Scene("file not there", "/r/mine/shop@1.2/files/srv/nothing"),
    Scene("no such page", "/nothing/here"),
    Scene("bad request", "/r/mine/shop?n=0"),
    Scene("no such catalogue", "/c/an"),
    Scene("other platform missing", "/r/mine/shop@1.2?platform=linux/s390x"),
    Scene("front full", "/", "dora"),
    Scene("search full", "/search?q=service", "dora"),
    Scene("catalogue full", "/c/mine", "dora"),
    Scene("catalogue expired", "/c/eve", "dora"),
    Scene("name full", "/r/mine/commerce/orders", "dora"),
    Scene("name last page", "/r/mine/commerce/orders?before=1.0.9", "dora"),
    Scene("name long", f"/r/mine/{LONG_NAME}", "dora"),
    Scene("release platforms", "/r/mine/commerce/orders@2.9.9", "dora"),
    Scene("release deep", "/r/mine/deep@1.1", "dora"),
    Scene("release long", _LONG, "dora"),
    Scene("release scripts", "/r/mine/i18n@1.0", "dora"),
    Scene("release small", "/r/mine/scratch@0.1", "dora"),
    Scene("files scripts", "/r/mine/i18n@1.0/files/srv", "dora"),
    Scene("difference deep", "/diff/mine/deep@1.0/mine/deep@1.1", "dora"),
    Scene("difference same", "/diff/mine/deep@1.1/mine/deep@1.1", "dora"),
    Scene("storage full", "/storage", "dora"),
    Scene("status failing", "/status", "dora"),
    Scene("empty front", "/", "nobody"),
    Scene("empty search", "/search", "nobody"),
    Scene("empty storage", "/storage", "nobody"),
    Scene("empty status", "/status", "nobody"),
)
SCENES = (*BOB, *MORE)
