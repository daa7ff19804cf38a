"""List the files of an image without loading it, and without fetching all of it."""

from dataclasses import dataclass

from catalog.delivery.archive import explain_absence
from catalog.delivery.contents import ImageFiles, fetch_image_files
from catalog.errors import UnavailableError
from catalog.home.home import Home
from catalog.index.entry import IndexedRelease
from catalog.lookup.locate import open_lookup
from catalog.model.platform import Platform
from catalog.progress import Progress, silent
from catalog.rootfs.tree import Node
from catalog.sources.network import Network


@dataclass(frozen=True, slots=True)
class ListedFile:
    """A file, directory or link of an image, as ``ls -l`` shows it.

    ``layer`` is the number of the layer that it is from, the first being 1; ``modified`` is in seconds since 1970,
    and None for a directory that no layer has an entry for.
    """

    path: str
    kind: str
    mode: str
    uid: int
    gid: int
    size: int
    modified: int | None
    target: str
    layer: int


@dataclass(frozen=True, slots=True)
class ListedFiles:
    """What stands at a path of an image: ``node`` itself, and ``files``, what it holds (only itself where it is not a
    directory)."""

    entry: IndexedRelease
    platform: Platform
    path: str
    files: tuple[ListedFile, ...]
    problems: tuple[str, ...]


def list_files(
    home: Home,
    reference: str,
    path: str = "",
    *,
    platform: Platform,
    network: Network,
    recursive: bool = False,
    search: str = "",
    progress: Progress = silent,
) -> ListedFiles:
    """List a directory of the image for ``platform`` that ``reference`` means, or all below it; links in ``path`` are followed.

    ``search`` leaves those whose path holds it, upper and lower case alike. Raise `PathNotFoundError` where nothing is at
    ``path``, and what resolving and fetching raise.
    """
    with open_lookup(home.path) as lookup:
        resolved = lookup.resolve(reference, now=home.now, platform=platform)
    image = resolved.image
    assert image is not None
    with home.reading(f"files {reference}"):
        try:
            files = fetch_image_files(home, image, network, progress=progress, catalogue=resolved.catalogue.catalogue)
        except UnavailableError as error:
            raise explain_absence(error, reference, network) from error
    found = files.find(path)
    entry = IndexedRelease(resolved.catalogue, resolved.release)
    return ListedFiles(
        entry,
        resolved.platform or platform,
        found.path,
        select_files(files, found, recursive=recursive, search=search),
        files.problems,
    )


def select_files(files: ImageFiles, at: Node, *, recursive: bool = False, search: str = "") -> tuple[ListedFile, ...]:
    """Return what is at a node: what a directory holds, or all below it that matches, by path; else the node itself."""
    if at.entry.kind != "directory":
        nodes = [at]
    elif recursive or search:
        wanted = search.casefold()
        nodes = sorted((node for node in files.tree.walk(at.path) if wanted in node.path.casefold()), key=lambda node: node.path)
    else:
        nodes = files.tree.children(at.path)
    return tuple(describe_file(files, node) for node in nodes)


def describe_file(files: ImageFiles, node: Node) -> ListedFile:
    """Return a node as it is shown."""
    entry = node.entry
    return ListedFile(
        path=node.path,
        kind=entry.kind,
        mode=entry.mode_text,
        uid=entry.uid,
        gid=entry.gid,
        size=files.size(node),
        modified=None if node.implied else entry.mtime,
        target=entry.target,
        layer=node.layer + 1,
    )
