"""The files of an image: a directory, the matches of a search, or one file as text."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from catalog.delivery.contents import ImageFiles, open_image_files
from catalog.documents.files import File, describe_file
from catalog.errors import BlockNotFoundError, PathNotFoundError, ReleaseNotFoundError
from catalog.ipld.cid import Cid
from catalog.limits import MAX_SHOWN_FILE
from catalog.operations.files import describe_file as describe_node
from catalog.rootfs.tree import Node
from catalog.server.pages.filling import path_size
from catalog.server.pages.views.fetching import fetch_if_asked
from catalog.server.pages.views.release import choose_platform, find_release
from catalog.server.pages.visit import Visit

_ROWS = 200
_ENTRY_SIZE = 1024  # bytes that an entry of a tree takes in memory, about


@dataclass(frozen=True, slots=True)
class FilesPage:
    """What stands at a path of an image.

    Of a directory ``files`` are what it holds, or with a ``query`` all below it whose path holds that; ``next`` is the path to go
    on ``after``. Of a file ``text`` is its content where that is text of at most 1 MiB, else null. Paths begin with a slash.
    """

    label: str
    reference: str
    platform: str
    platforms: tuple[str, ...]
    archive: str
    path: str
    query: str
    node: File
    files: tuple[File, ...]
    total: int
    next: str
    text: str | None
    layers: int
    problems: tuple[str, ...]


class Download(NamedTuple):
    """A file to be sent as it is."""

    name: str
    size: int
    pieces: Iterator[bytes]


def files(visit: Visit, label: str, reference: str, path: str = "") -> FilesPage:
    """Make the page of a path, which stands in the address or in the query."""
    path = path or visit.query.get("path", "")
    row, found = find_release(visit, label, reference)
    opened, platform, archive = open_files(visit, label, reference)
    node = opened.find(path)
    query, rows, after = visit.query.get("q", "").strip()[:200], visit.rows(_ROWS), visit.query.get("after", "")
    nodes = _select(opened, node, query)
    begin = next((place + 1 for place, entry in enumerate(nodes) if entry.path == after), 0) if after else 0
    shown = visit.fit(nodes[begin : begin + rows], rows, _row_size)
    return FilesPage(
        label=row.label,
        reference=found.reference,
        platform=platform,
        platforms=tuple(str(known) for known in sorted(found.images)),
        archive=str(archive),
        path=f"/{node.path}",
        query=query,
        node=describe_file(describe_node(opened, node)),
        files=tuple(describe_file(describe_node(opened, entry)) for entry in shown),
        total=len(nodes),
        next=shown[-1].path if len(nodes) > begin + len(shown) else "",
        text=_read_text(opened, node),
        layers=len(opened.layers),
        problems=opened.problems,
    )


def download(visit: Visit, label: str, reference: str, path: str) -> Download:
    """Open a file to be sent; raise `PathNotFoundError` for what has no content."""
    opened, _, _ = open_files(visit, label, reference)
    node = opened.find(path)
    return Download(node.name, opened.size(node), opened.read(node))


def open_files(visit: Visit, label: str, reference: str) -> tuple[ImageFiles, str, Cid]:
    """Open the files of a release's image for the platform in the query; also return that platform and the archive."""
    row, found = find_release(visit, label, reference)
    platform = choose_platform(visit, found)
    if platform is None:
        raise ReleaseNotFoundError(f"{found.reference} has no image", why="it was removed by its publisher")
    fetch_if_asked(visit, row, found, platform)
    archive = found.images[platform].archive
    return open_archive(visit, archive), str(platform), archive


def open_archive(visit: Visit, archive: Cid) -> ImageFiles:
    """Open the files of an archive that is here; raise `PathNotFoundError` where it is not."""
    try:
        return visit.remember(
            ("files", archive),
            lambda: open_image_files(visit.home, archive, visit.blocks, stopped=visit.stopped),
            lambda opened: _ENTRY_SIZE * len(opened.tree),
        )
    except BlockNotFoundError as error:
        raise PathNotFoundError(
            "the files of this image are not here",
            why="this server holds no more than its name",
            hint="dcat pull --no-load",
        ) from error


def _row_size(node: Node) -> int:
    return 370 + path_size(node.path) + len(node.entry.target)


def _select(opened: ImageFiles, node: Node, query: str) -> list[Node]:
    if node.entry.kind != "directory":
        return []
    if not query:
        return opened.tree.children(node.path)
    wanted = query.casefold()
    return sorted((entry for entry in opened.tree.walk(node.path) if wanted in entry.path.casefold()), key=lambda entry: entry.path)


def _read_text(opened: ImageFiles, node: Node) -> str | None:
    """Return a file's content if it is text that can be shown."""
    if opened.tree.content_of(node) is None or opened.size(node) > MAX_SHOWN_FILE:
        return None
    data = b"".join(opened.read(node))
    if b"\0" in data[:8192]:
        return None
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return None
