"""Where members of an archive begin, and pieces of the size that engines take fastest."""

import io
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.clients.docker.feeding import MemberTracker, _joined
from catalog.limits import GIB
from tests.factory.images import five_layers


def archive(sizes: list[int]) -> tuple[bytes, list[int]]:
    """Return a tar with members of these sizes, and where each ends."""
    stream = io.BytesIO()
    ends = []
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for place, size in enumerate(sizes):
            member = tarfile.TarInfo(f"blobs/{place}")
            member.size = size
            tar.addfile(member, io.BytesIO(bytes(size)))
            ends.append(stream.tell())
    return stream.getvalue(), ends


@given(st.lists(st.sampled_from([0, 1, 511, 512, 513, 5000]), max_size=6), st.lists(st.integers(1, 3000), min_size=1, max_size=20))
def test_the_ends_of_members_are_found_however_it_is_cut(sizes: list[int], cuts: list[int]) -> None:
    content, ends = archive(sizes)
    tracker, position = MemberTracker(), 0
    found: list[int | None] = []
    while position < (ends[-1] if ends else 0):
        piece = content[position : position + cuts[len(found) % len(cuts)]]
        boundary = tracker.first_boundary(piece)
        expected = next((end - position for end in ends if position < end <= position + len(piece)), None)
        assert boundary == expected
        found.append(boundary)
        position += len(piece)


def test_a_size_beyond_octal_is_read_from_its_record() -> None:
    size = 9 * GIB
    record = b"20 size=%d\n" % size
    extended = tarfile.TarInfo("pax")
    extended.type, extended.size = tarfile.XHDTYPE, len(record)
    head = (
        extended.tobuf(tarfile.USTAR_FORMAT) + record.ljust(512, b"\0") + tarfile.TarInfo("blobs/big").tobuf(tarfile.USTAR_FORMAT)
    )
    tracker = MemberTracker()
    assert tracker.first_boundary(head) is None
    for _ in range(9 * 1024 - 1):
        assert tracker.first_boundary(_MEBIBYTE) is None
    assert tracker.first_boundary(_MEBIBYTE) == len(_MEBIBYTE)


_MEBIBYTE = bytes(1024 * 1024)


@pytest.mark.parametrize("size", [1, 7, 1000, 100_000, 10_000_000])
@pytest.mark.parametrize("cut", [1, 999, 1000, 1001, 70_000])
def test_pieces_have_one_size_and_the_same_bytes(size: int, cut: int) -> None:
    content = five_layers().archive()[: size * 50]
    pieces = list(_joined((content[start : start + cut] for start in range(0, len(content), cut)), size))
    assert b"".join(pieces) == content
    assert {len(piece) for piece in pieces[:-1]} <= {size}
