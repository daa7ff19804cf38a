import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from catalog.errors import CatalogueNotFoundError, RecordError, StorageError
from catalog.home.home import Home
from catalog.ipns.key import IpnsKey
from catalog.operations.key import export_key, import_key, show_key, write_secret
from tests.factory.releases import publish_fake
from tests.fakes.homes import open_at, share


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    with open_at(tmp_path / "home") as opened:
        yield opened


def test_there_is_no_key_before_the_first_publish(home: Home) -> None:
    with pytest.raises(CatalogueNotFoundError):
        show_key(home)


def test_a_key_moves_to_another_home(home: Home, tmp_path: Path) -> None:
    publish_fake(home, "web", "1")
    share(home)
    info = show_key(home)
    assert (info.sequence, info.revoked) == (1, False)
    for form, passphrase in (("pem", None), ("pem", b"secret"), ("protobuf", None)):
        content = export_key(home, form, passphrase)  # type: ignore[arg-type]
        with open_at(tmp_path / f"{form} {len(passphrase or b'')}") as other:
            assert import_key(other, content, passphrase) == info.name
            assert other.own_catalogue() == str(info.name)
            assert stat.S_IMODE(other.key_path.stat().st_mode) == 0o600
    with pytest.raises(RecordError, match="encrypted"):
        export_key(home, "protobuf", b"secret")


def test_a_home_keeps_its_own_key(home: Home) -> None:
    publish_fake(home, "web", "1")
    with pytest.raises(StorageError, match="this home's catalogue"):
        import_key(home, IpnsKey(b"x" * 32).encode(), None)
    assert import_key(home, export_key(home, "pem", None), None) == show_key(home).name


@pytest.mark.parametrize("umask", [0o000, 0o002, 0o022])
def test_a_secret_is_never_readable_by_others(tmp_path: Path, umask: int) -> None:
    """Safety D9."""
    previous = os.umask(umask)
    try:
        write_secret(tmp_path / "secret", b"content")
    finally:
        os.umask(previous)
    assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == 0o600
    with pytest.raises(StorageError, match="exists"):
        write_secret(tmp_path / "secret", b"other")
    assert (tmp_path / "secret").read_bytes() == b"content"
