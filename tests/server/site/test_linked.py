"""A store that holds other things too: only what this home keeps is shown of it."""

import contextlib
import random
from http.client import IncompleteRead

import pytest

from catalog.errors import BlockNotFoundError
from catalog.home.roots import Root
from catalog.ipld.cid import Cid
from catalog.server.site.linked import LinkedBlocks
from catalog.unixfs.file import FileLink
from tests.server.dags import add_directory, add_file
from tests.server.serving import Blocks, serving


class Home:
    """Two stores and a list of roots."""

    def __init__(self) -> None:
        self.local, self.node = Blocks(), Blocks()
        self.roots: list[Root] = []
        self.looked = 0
        self.blocks = LinkedBlocks(self.local, self.node, self.list_roots, lambda: len(self.roots))

    def list_roots(self) -> list[Root]:
        self.looked += 1
        return self.roots

    def add_archive(self, seed: int) -> Cid:
        cid = add_file(self.node, random.Random(seed).randbytes(20_000), leaf=1000).cid
        self.roots.append(Root(cid, "own", "web@1.0"))
        return cid


def test_only_what_is_linked_is_shown_of_a_shared_store() -> None:
    home = Home()
    private = home.node.add(b"somebody's private file")
    local = home.local.add(b"local")
    archive = home.add_archive(1)
    assert not home.blocks.has(archive)
    home.blocks.refresh()
    mine = [Cid(binary) for binary in home.node.kept if binary != private.binary]
    assert all(home.blocks.has(cid) and home.blocks.get(cid) for cid in (*mine, local))
    assert not home.blocks.has(private)
    with pytest.raises(BlockNotFoundError):
        home.blocks.get(private)
    assert [block.cid for block in home.blocks.get_many([private, local, archive, private])] == [local, archive]
    with serving(home.blocks) as served:  # type: ignore[arg-type]  # any blocks that may be shown
        assert served.ask(f"/ipfs/{private}?format=raw").status == 404
        assert len(served.ask(f"/ipfs/{archive}").body) == 20_000
        assert served.ask("/dcat/v1/blocks", "POST", f"{private}\n{local}".encode()).blocks() == [(local, b"local")]


def test_what_is_new_is_seen_by_the_next_look_and_nothing_is_looked_at_twice() -> None:
    home = Home()
    home.add_archive(1)
    home.blocks.refresh()
    home.blocks.refresh()
    assert home.looked == 1
    second = home.add_archive(2)
    home.blocks.refresh()
    assert home.blocks.has(second)
    assert home.looked == 2


def test_a_node_that_lacks_something_is_looked_at_again() -> None:
    home = Home()
    archive = home.add_archive(1)
    lost = home.node.kept.pop(archive.binary)
    home.blocks.refresh()
    home.node.kept[archive.binary] = lost
    leaf = Cid(next(iter(home.node.kept)))
    assert not home.blocks.has(leaf)
    home.blocks.refresh()
    assert home.blocks.has(leaf)


def test_what_a_publisher_links_or_calls_an_archive_is_not_shown_for_that() -> None:
    home = Home()
    private = home.node.add(b"somebody's private file")
    folder = add_directory(home.node, {"letter": FileLink(private, 23, 23)})
    extra = add_directory(home.local, {"catalogue.json": FileLink(private, 23, 23), "more": FileLink(folder, 23, 60)})
    home.roots += [
        Root(extra, "snapshot", "ann"),
        *(Root(cid, reason, "web@1.0") for cid in (private, folder) for reason in ("pinned", "pulled", "mirrored")),
    ]
    home.blocks.refresh()
    assert home.blocks.has(extra)
    with serving(home.blocks) as served:  # type: ignore[arg-type]
        for path in (f"{private}?format=raw", f"{folder}?format=raw", f"{extra}/more/letter", f"{extra}?format=car"):
            answer = b""
            with contextlib.suppress(IncompleteRead):
                answer = served.ask(f"/ipfs/{path}").body
            assert b"private" not in answer
            assert b"letter" not in answer
