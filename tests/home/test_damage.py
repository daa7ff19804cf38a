"""Salvaging the blocks of a damaged file."""

import os
from pathlib import Path

import pytest

from catalog.home.damage import salvage_blocks
from catalog.home.home import BLOCKS_FILE, open_home
from catalog.ipld.block import Block
from catalog.ipld.cid import cid_of
from tests.factory.times import NOW


def test_a_file_is_put_aside_on_a_file_system_without_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError

    data = b"kept"
    with open_home(tmp_path / "home", now=NOW) as home:
        home.blocks.put_many([Block(cid_of(data), data)])
        monkeypatch.setattr(os, "link", refuse)
        assert salvage_blocks(home) == 1
        assert home.blocks.get(cid_of(data)) == data
        assert (home.path / f"{BLOCKS_FILE}.damaged").stat().st_size
