"""Room for a collection on a full disk is kept where there is enough of it."""

from pathlib import Path

import pytest

from catalog.home.home import open_home
from catalog.home.reserve import RESERVE_FILE, RESERVE_SIZE, keep_reserve, release_reserve
from tests.factory.times import NOW


def test_a_new_home_has_a_reserve(tmp_path: Path) -> None:
    with open_home(tmp_path / "home", now=NOW):
        pass
    path = tmp_path / "home" / RESERVE_FILE
    assert path.stat().st_size == RESERVE_SIZE
    assert path.stat().st_blocks * 512 >= RESERVE_SIZE
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(("free", "is_kept"), [(RESERVE_SIZE, False), (100 * RESERVE_SIZE, True)])
def test_a_nearly_full_disk_keeps_its_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, is_kept: bool) -> None:
    monkeypatch.setattr("catalog.home.reserve.free_space", lambda path: free)
    keep_reserve(tmp_path)
    assert (tmp_path / RESERVE_FILE).exists() == is_kept


@pytest.mark.parametrize(("free", "is_kept"), [(0, False), (RESERVE_SIZE - 1, False), (RESERVE_SIZE, True)])
def test_a_full_disk_gets_it_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, is_kept: bool) -> None:
    keep_reserve(tmp_path)
    monkeypatch.setattr("catalog.home.reserve.free_space", lambda path: free)
    release_reserve(tmp_path)
    release_reserve(tmp_path)
    assert (tmp_path / RESERVE_FILE).exists() == is_kept
