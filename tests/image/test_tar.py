"""Outer archives: what every reader of tar sees alike is read, anything else is refused."""

import io
import tarfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.errors import ArchiveError
from catalog.image.stream import ByteStream
from catalog.image.tar import MemberKind, normalise_name, read_members
from catalog.limits import MAX_MEMBER_NAME_LENGTH, MAX_TAR_EXTENSION_SIZE
from tests.factory.tars import make_tar, pieces


def members_of(data: bytes, size: int = 1 << 16) -> dict[str, tuple[MemberKind, bytes, str]]:
    stream = ByteStream(pieces(data, size))
    return {member.name: (member.kind, b"".join(content), member.target) for member, content in read_members(stream)}


def header(name: bytes = b"a", size: bytes = b"00000000000\0", kind: bytes = b"0", **fields: bytes) -> bytes:
    """A header of any content with the right checksum."""
    block = bytearray(512)
    block[0 : len(name)] = name
    block[100:108] = b"0000644\0"
    block[124 : 124 + len(size)] = size
    block[156:157] = kind
    block[157 : 157 + len(fields.get("target", b""))] = fields.get("target", b"")
    block[257:265] = fields.get("magic", b"ustar\x0000")
    block[345 : 345 + len(fields.get("prefix", b""))] = fields.get("prefix", b"")
    block[148:156] = b" " * 8
    block[148:156] = fields.get("checksum", b"%06o\0 " % sum(block))
    return bytes(block)


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 512)


def pax(*records: bytes, kind: bytes = b"x") -> bytes:
    body = b"".join(records)
    return header(b"pax", b"%011o\0" % len(body), kind) + padded(body)


def record(key: bytes, value: bytes) -> bytes:
    body = b" " + key + b"=" + value + b"\n"
    length = len(body) + 1
    while len(b"%d" % length) + len(body) != length:
        length += 1
    return b"%d" % length + body


def long_name(name: bytes, kind: bytes = b"L") -> bytes:
    return header(b"././@LongLink", b"%011o\0" % (len(name) + 1), kind, magic=b"ustar  \0") + padded(name + b"\0")


END = bytes(1024)
FIVE = header(size=b"00000000005\0") + padded(b"12345")
NAMES = st.from_regex(r"[a-z]{1,60}(/[a-zé]{1,90}){0,3}", fullmatch=True)


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(NAMES, st.binary(max_size=1500), max_size=5),
    st.sampled_from([tarfile.PAX_FORMAT, tarfile.GNU_FORMAT]),
    st.integers(1, 2000),
)
def test_tars_of_every_form_are_read(files: dict[str, bytes], form: int, size: int) -> None:
    assert {name: found[1] for name, found in members_of(make_tar(files, form=form), size).items()} == files


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_links_and_folders(form: int) -> None:
    target = "b/" + "c" * (150 if form != tarfile.USTAR_FORMAT else 50)
    files = {"a": ("symlink", target), "./b/x": ("hardlink", "a")}
    found = members_of(make_tar(files, form=form, folders=["b", "./"]))
    assert found == {
        "b": (MemberKind.DIRECTORY, b"", ""),
        "": (MemberKind.DIRECTORY, b"", ""),
        "a": (MemberKind.SYMLINK, b"", target),
        "b/x": (MemberKind.HARDLINK, b"", "a"),
    }


def test_content_that_nobody_takes_is_skipped() -> None:
    stream = ByteStream(pieces(make_tar({"a": b"x" * 3000, "b": b"y"}), 100))
    assert [member.name for member, _ in read_members(stream)] == ["a", "b"]


@pytest.mark.parametrize(
    ("data", "name", "content"),
    [
        (FIVE, "a", b"12345"),
        (header(size=b"5          \0") + padded(b"12345"), "a", b"12345"),
        (header(size=b"\x80" + (5).to_bytes(11, "big")) + padded(b"12345"), "a", b"12345"),
        (header(kind=b"\0", magic=b"\0" * 8, size=b"          5\0") + padded(b"12345"), "a", b"12345"),
        (header(prefix=b"folder"), "folder/a", b""),
        (header(prefix=b"ignored", magic=b"ustar  \0"), "a", b""),
        (pax(record(b"path", b"long/name")) + header(), "long/name", b""),
        (pax(record(b"size", b"5")) + header() + padded(b"12345"), "a", b"12345"),
        (pax(record(b"size", b"5")) + FIVE, "a", b"12345"),
        (pax(record(b"mtime", b"1.5"), record(b"unknown", b"=\n=")) + FIVE, "a", b"12345"),
        (pax(record(b"comment", b"x"), kind=b"g") + FIVE, "a", b"12345"),
        (long_name(b"n" * 300) + FIVE, "n" * 300, b"12345"),
        (header(checksum=b"%6o\0 " % (sum(header()) - sum(header()[148:156]) + 256)), "a", b""),
        (header(b"n" * 100), "n" * 100, b""),
    ],
)
def test_forms_of_headers(data: bytes, name: str, content: bytes) -> None:
    assert members_of(data + END)[name][1] == content


@pytest.mark.parametrize(
    "data",
    [
        b"x",
        FIVE + END[:-1],
        FIVE[:-1],
        FIVE + bytes(512) + b"x",
        FIVE + bytes(512) + FIVE + END,
        header(checksum=b"0000000\0") + END,
        header(checksum=b"garbage!") + END,
        header(size=b"0000000000x\0") + END,
        header(size=b"-0000000005\0") + END,
        header(size=b"0x5") + END,
        header(size=b"1 2") + END,
        header(size=b"\xff" * 12) + END,
        header(size=b"\x80" + b"\xff" * 11) + END,
        header(size=b"77777777777\0") + END,
        header(b"") + END,
        header(b"../a") + END,
        header(b"a/../../b") + END,
        header(b"/../etc/passwd") + END,
        header(b"\xff\xfe") + END,
        header(b"a", prefix=b"/..") + END,
        *(header(kind=kind) + END for kind in (b"3", b"4", b"6", b"S", b"D", b"M", b"N", b"V", b"\xff")),
        header(kind=b"5", size=b"00000000005\0") + padded(b"12345") + END,
        header(kind=b"1", size=b"00000000005\0", target=b"b") + padded(b"12345") + END,
        header(kind=b"2", size=b"00000000005\0", target=b"b") + padded(b"12345") + END,
        pax(record(b"size", b"6")) + FIVE + END,
        pax(record(b"size", b"4")) + FIVE + END,
        pax(record(b"size", b"0")) + FIVE + END,
        pax(record(b"size", b"-5")) + header() + END,
        pax(record(b"size", b"05")) + header() + padded(b"12345") + END,
        pax(record(b"size", b"5.0")) + header() + padded(b"12345") + END,
        pax(record(b"size", b"9" * 19)) + header() + END,
        pax(record(b"size", b"9" * 400)) + header() + END,
        pax(record(b"size", b"5"), record(b"size", b"5")) + FIVE + END,
        pax(record(b"path", b"a"), record(b"path", b"b")) + FIVE + END,
        pax(record(b"path", b"../a")) + FIVE + END,
        pax(record(b"path", b"")) + FIVE + END,
        pax(record(b"path", b"a\0b")) + FIVE + END,
        pax(record(b"GNU.sparse.major", b"1")) + FIVE + END,
        pax(record(b"path", b"a"), kind=b"g") + FIVE + END,
        pax(record(b"size", b"5"), kind=b"g") + FIVE + END,
        pax(b"12 path=a\n") + FIVE + END,
        pax(b"9 path=a\n\n") + FIVE + END,
        pax(b"5 a=b") + FIVE + END,
        pax(b"06 a=b\n") + FIVE + END,
        pax(b"6 a b\n") + FIVE + END,
        pax(b"1 ") + FIVE + END,
        pax(b"99999999999 a=b\n") + FIVE + END,
        pax(b"x") + FIVE + END,
        pax(record(b"a", b"b")) + pax(record(b"c", b"d")) + FIVE + END,
        pax(record(b"path", b"b")) + long_name(b"c") + FIVE + END,
        long_name(b"b") + pax(record(b"path", b"c")) + FIVE + END,
        long_name(b"b") + long_name(b"c") + FIVE + END,
        long_name(b"b", b"K") + pax(record(b"linkpath", b"c")) + header(kind=b"2") + END,
        pax(record(b"path", b"b")) + END,
        pax(record(b"path", b"n" * (MAX_MEMBER_NAME_LENGTH + 1))) + FIVE + END,
        header(b"pax", b"%011o\0" % (MAX_TAR_EXTENSION_SIZE + 1), b"x") + END,
        header(b"pax", b"00000777777\0", b"x") + END,
    ],
)
def test_what_readers_disagree_on_is_refused(data: bytes) -> None:
    for size in (1 << 16, 100):
        with pytest.raises(ArchiveError):
            members_of(data, size)


def test_more_members_than_any_export_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("catalog.image.tar.MAX_EXPORT_MEMBERS", 10)
    ten = b"".join(header(b"%d" % number) for number in range(10))
    assert len(members_of(ten + END)) == 10
    with pytest.raises(ArchiveError, match="more than 10 members"):
        members_of(ten + header(b"x") + END)


def test_a_large_extended_header_takes_no_time() -> None:
    body = b"".join(record(b"%x" % number, b"") for number in range(80_000))
    assert len(body) < MAX_TAR_EXTENSION_SIZE
    assert members_of(pax(body) + FIVE + END)["a"][1] == b"12345"


def test_python_reads_the_same() -> None:
    data = pax(record(b"size", b"5")) + header() + padded(b"12345") + long_name(b"n" * 200) + FIVE + END
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        assert list(members_of(data)) == tar.getnames()


@given(st.text(alphabet="ab./\u00e9\0", max_size=12))
def test_names_have_one_form_or_are_refused(name: str) -> None:
    try:
        normal = normalise_name(name)
    except ArchiveError:
        assert ".." in name.split("/")
    else:
        assert normal == normalise_name(normal)
        assert not normal.startswith("/")
        assert ".." not in normal.split("/")


@pytest.mark.parametrize(
    ("data", "remark"),
    [
        (FIVE + END, ""),
        (FIVE + END + bytes(5000), ""),
        (FIVE, "lacks the blocks that end a tar"),
        (FIVE + bytes(512), "lacks the blocks that end a tar"),
        (FIVE + END + b"\n", "after the export's end"),
        (FIVE + END + bytes(5000) + b"error: \xff", "error: \\xff"),
    ],
)
def test_an_unusual_end_is_a_remark(data: bytes, remark: str) -> None:
    for size in (1, 512, len(data)):
        remarks: list[str] = []
        names = [member.name for member, _ in read_members(ByteStream(pieces(data, size)), remarks.append)]
        assert names == ["a"]
        assert len(remarks) == bool(remark)
        assert remark in "".join(remarks)


def test_a_slash_before_a_name_is_dropped() -> None:
    assert list(members_of(header(b"/etc/passwd") + header(b"a", prefix=b"/") + END)) == ["etc/passwd", "a"]
