"""Attackers, each a process, and the home that follows them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.attacks.publisher import Attacker
from tests.attacks.victim import Victim


@pytest.fixture
def mallory() -> Iterator[Attacker]:
    with Attacker(b"mallory") as attacker:
        yield attacker


@pytest.fixture
def carol() -> Iterator[Attacker]:
    """An honest publisher, played by the same tool."""
    with Attacker(b"carol") as attacker:
        yield attacker


@pytest.fixture
def ann(tmp_path: Path) -> Victim:
    return Victim(tmp_path / "ann")
