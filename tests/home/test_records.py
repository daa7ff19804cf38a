import os
import stat
import threading
from pathlib import Path

import pytest

from catalog.errors import StorageError
from catalog.home.records import LocalRouting
from catalog.ipns.key import IpnsKey
from catalog.ipns.record import create_record
from catalog.limits import MAX_RECORD_SIZE

KEY = IpnsKey(b"l" * 32)
OTHER = IpnsKey(b"o" * 32).name


def record(sequence: int) -> bytes:
    return create_record(KEY, b"/ipfs/x", sequence=sequence, validity=10**18).encoded


def test_what_was_put_last_is_given(tmp_path: Path) -> None:
    routing = LocalRouting(tmp_path / "records")
    assert routing.get(KEY.name) is None
    assert list(routing.names()) == []
    for sequence in (2, 1):
        routing.put(KEY.name, record(sequence))
        assert LocalRouting(tmp_path / "records").get(KEY.name) == record(sequence)
    assert routing.get(OTHER) is None
    assert list(routing.names()) == [KEY.name]
    routing.delete(KEY.name)
    routing.delete(KEY.name)
    assert routing.get(KEY.name) is None


def test_nobody_else_can_read_or_add_to_the_directory(tmp_path: Path) -> None:
    previous = os.umask(0)
    try:
        LocalRouting(tmp_path / "records").put(KEY.name, record(1))
    finally:
        os.umask(previous)
    assert stat.S_IMODE((tmp_path / "records").stat().st_mode) == 0o700
    (file,) = (tmp_path / "records").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_reader_sees_a_whole_record_at_all_times(tmp_path: Path) -> None:
    routing = LocalRouting(tmp_path / "records")
    whole = {record(sequence) for sequence in range(20)}
    routing.put(KEY.name, record(0))
    done = threading.Event()
    seen: set[bytes | None] = set()

    def read() -> None:
        while not done.is_set():
            seen.add(routing.get(KEY.name))

    reader = threading.Thread(target=read)
    reader.start()
    for sequence in range(20):
        routing.put(KEY.name, record(sequence))
    done.set()
    reader.join()
    assert seen <= whole


def test_foreign_files_are_no_records(tmp_path: Path) -> None:
    routing = LocalRouting(tmp_path)
    (tmp_path / "nonsense.ipns-record").write_bytes(b"x")
    (tmp_path / f".{'0' * 16}.new").write_bytes(b"x")
    (tmp_path / f"{KEY.name}.ipns-record").write_bytes(b"x" * (MAX_RECORD_SIZE + 1))
    assert list(routing.names()) == [KEY.name]
    assert routing.get(KEY.name) is None


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "records").write_bytes(b"a file where a directory should be")
    with pytest.raises(StorageError, match="cannot be kept"):
        LocalRouting(tmp_path / "records").put(KEY.name, record(1))
    with pytest.raises(StorageError, match="cannot be read"):
        LocalRouting(tmp_path / "records").get(KEY.name)
