"""The lists of a static catalogue that change with it: the tags of each name."""

from collections.abc import Iterable, Iterator

from catalog.home.home import Home
from catalog.hosting.folder import Folder, Pointer
from catalog.limits import MAX_STATIC_TAGS
from catalog.lookup.locate import open_lookup
from catalog.static.layout import PING_PATH, manifest_path, tags_path
from catalog.static.registry import build_tags


def list_tags(home: Home, catalogue: str, names: Iterable[str], folder: Folder) -> Iterator[Pointer]:
    """Yield the answer to ``/v2/``, and the tags of each name: the newest versions that are neither yanked nor removed."""
    yield Pointer(PING_PATH, b"{}\n")
    with open_lookup(home.path) as lookup:
        for name in names:
            tags: list[str] = []
            for row in lookup.view.usable(catalogue, name):
                if folder.has(manifest_path(name, row.release.version)):
                    tags.append(row.release.version)
                if len(tags) == MAX_STATIC_TAGS:
                    break
            yield Pointer(tags_path(name), build_tags(name, tags))
