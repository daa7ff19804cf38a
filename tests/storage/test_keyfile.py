"""A key file is private from its first instant, and never replaced."""

import subprocess
import sys
from pathlib import Path

import pytest

from catalog.errors import (
    StorageError,
)
from catalog.storage.keyfile import read_key_file, write_key_file
from tests.needs import ROOT

KEY = """
import ctypes, os, struct, sys
from pathlib import Path
from catalog.storage.keyfile import write_key_file
os.umask(int(sys.argv[2], 8))
folder = Path(sys.argv[1])
libc = ctypes.CDLL(None, use_errno=True)
watch = libc.inotify_init1(os.O_NONBLOCK)
assert libc.inotify_add_watch(watch, str(folder).encode(), 0xFFF) >= 0
modes = set()
def look(label):
    modes.update(entry.stat().st_mode & 0o777 for entry in os.scandir(folder))
write_key_file(folder / "key", b"secret", look)
look("")
events = os.read(watch, 65536)
mask = 0
while events:
    _, one, _, length = struct.unpack_from("iIII", events)
    mask |= one
    events = events[16 + length:]
print(sorted(modes), bool(mask & 0x100), [entry.name for entry in os.scandir(folder)])
"""


@pytest.mark.parametrize("umask", ["0000", "0002", "0022", "0077"])
def test_key_is_0600_from_its_first_instant(tmp_path: Path, umask: str) -> None:
    """D9: whatever the umask, no wider mode is ever seen while the file is written."""
    done = subprocess.run([sys.executable, "-c", KEY, str(tmp_path), umask], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"[{0o600}] True ['key']"


def test_key_is_never_replaced(tmp_path: Path) -> None:
    write_key_file(tmp_path / "key", b"first")
    with pytest.raises(StorageError):
        write_key_file(tmp_path / "key", b"second")
    assert read_key_file(tmp_path / "key") == b"first"
    assert [entry.name for entry in tmp_path.iterdir()] == ["key"]
