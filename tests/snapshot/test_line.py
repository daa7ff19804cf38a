"""Lines: the golden ones, round trips of all that a release may hold, and what is refused."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.errors import InvalidInputError, SnapshotError
from catalog.ipld.cid import DAG_PB, cid_of
from catalog.limits import MAX_LINE_SIZE
from catalog.model.digest import ConfigDigest, ManifestDigest
from catalog.model.platform import make_platform
from catalog.model.release import DeltaLink, Image, Release
from catalog.snapshot.json import encode_json
from catalog.snapshot.line import check_time, decode_line, encode_line, line_key
from tests.property.mutate import JSON_TOKENS, Target, check_memory, check_target
from tests.snapshot.generated import golden_lines

numbers = st.integers(0, 2**53 - 1)
cids = st.builds(cid_of, st.binary(max_size=4), st.just(DAG_PB))
times = st.datetimes().map(lambda moment: moment.strftime("%Y-%m-%dT%H:%M:%SZ").rjust(20, "0"))
registries = st.lists(st.integers(0, 9).map(lambda n: f"registry.example/image{n}@sha256:{n:064x}"), max_size=3, unique=True)
extras = st.dictionaries(
    st.text(min_size=9, max_size=12), st.none() | numbers | st.text(max_size=9) | st.lists(numbers), max_size=2
)
platforms = st.builds(
    make_platform,
    st.sampled_from(["linux", "windows"]),
    st.sampled_from(["amd64", "arm", "arm64"]),
    st.sampled_from(["", "v6", "v8"]),
)
images = st.builds(
    Image,
    cids,
    st.builds(ConfigDigest.of, st.binary(max_size=2)),
    st.builds(ManifestDigest.of, st.binary(max_size=2)),
    numbers,
    numbers,
    numbers,
    st.none() | times,
    registries.map(lambda entries: tuple(sorted(entries))),
    st.dictionaries(cids, st.builds(DeltaLink, cids, numbers, extras), max_size=2),
    st.sampled_from(["dcat-image/1", "dcat-image/2"]),
    extras,
)
releases = st.builds(
    Release,
    st.from_regex(r"[a-z0-9]{1,8}(/[a-z0-9]{1,8}){0,2}", fullmatch=True),
    st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,8}", fullmatch=True),
    times,
    st.dictionaries(platforms, images, max_size=2),
    st.dictionaries(st.from_regex(r"[a-z0-9._/-]{1,9}", fullmatch=True), st.text(max_size=50), max_size=3),
    st.none(),
    st.none() | st.text(max_size=30),
    extras,
)

GOOD = golden_lines("small")


@pytest.mark.parametrize("name", ["small", "large"])
def test_golden_lines_come_out_as_they_went_in(name: str) -> None:
    for line in golden_lines(name)[:2000]:
        release = decode_line(line)
        assert encode_line(release) == line + b"\n"
        assert line_key(line) == (release.name, release.version)


@given(releases)
def test_whatever_a_release_holds_comes_back(release: Release) -> None:
    line = encode_line(release)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert decode_line(line[:-1]) == release


def test_unknown_keys_are_kept_and_written_again() -> None:
    fields = json.loads(GOOD[1])
    fields["signature"] = {"by": ["someone", 1]}
    (image,) = fields["images"].values()
    image["platform features"] = []
    image["deltas"] = {image["archive"]: {"cid": image["archive"], "size": 1, "level": 12}}
    line = encode_json(fields)
    release = decode_line(line)
    assert release.extra == {"signature": {"by": ["someone", 1]}}
    assert encode_line(release) == line + b"\n"


def test_a_line_has_at_most_8_kib() -> None:
    def with_title(size: int) -> Release:
        return Release("a", "1", "2026-11-24T00:00:00Z", annotations={"a": "x" * 4000, "b": "x" * size})

    room = MAX_LINE_SIZE - len(encode_line(with_title(0)))
    line = encode_line(with_title(room))
    assert len(line) == MAX_LINE_SIZE
    assert decode_line(line[:-1]) == with_title(room)
    with pytest.raises(InvalidInputError, match="makes a line of 8193 bytes"):
        encode_line(with_title(room + 1))
    with pytest.raises(SnapshotError, match="a line of 8193 bytes"):
        decode_line(encode_json({"a": "x" * (MAX_LINE_SIZE - 8)}))


def changed(change: Callable[[dict[str, Any], dict[str, Any]], object]) -> bytes:
    """Change a good line's fields and its image's, and write it canonically."""
    fields = json.loads(GOOD[1])
    (image,) = fields["images"].values()
    change(fields, image)
    return encode_json(fields)


FIVE = {"cid": str(cid_of(b"")), "size": 1}
BAD: list[tuple[str, Callable[[dict[str, Any], dict[str, Any]], object]]] = [
    ("a name outside the grammar", lambda release, image: release.update(name="Team")),
    ("a name with dots", lambda release, image: release.update(name="../x")),
    ("a name with a reserved ending", lambda release, image: release.update(name="x.delta")),
    ("a version outside the grammar", lambda release, image: release.update(version="-1")),
    ("a version that is a CID", lambda release, image: release.update(version=image["archive"])),
    ("a name that is no text", lambda release, image: release.update(name=1)),
    ("a time with a fraction", lambda release, image: release.update(published="2026-11-24T00:00:00.5Z")),
    ("a time with an offset", lambda release, image: release.update(published="2026-11-24T00:00:00+00:00")),
    ("a day that does not exist", lambda release, image: release.update(published="2026-02-30T00:00:00Z")),
    ("no time", lambda release, image: release.update(published=None)),
    ("a leap second", lambda release, image: release.update(published="2026-12-31T23:59:60Z")),
    ("digits of another script", lambda release, image: release.update(published="２026-11-24T00:00:00Z")),
    ("removed with images", lambda release, image: release.update(removed="2026-11-24T00:00:00Z")),
    ("removed as a flag", lambda release, image: release.update(removed=True, images={})),
    ("yanked as a flag", lambda release, image: release.update(yanked=True)),
    ("annotations as a list", lambda release, image: release.update(annotations=[])),
    ("an annotation that is no text", lambda release, image: release.update(annotations={"a": 1})),
    ("an annotation's key in capitals", lambda release, image: release.update(annotations={"A": "x"})),
    ("an annotation that is too long", lambda release, image: release.update(annotations={"a": "x" * 4097})),
    ("images as null", lambda release, image: release.update(images=None)),
    ("an image as a list", lambda release, image: release.update(images={"linux/amd64": []})),
    ("a platform that is not normalised", lambda release, image: release.update(images={"linux/arm64/v8": image})),
    ("arm without a variant", lambda release, image: release.update(images={"linux/arm": image})),
    ("a platform outside the grammar", lambda release, image: release.update(images={"Linux/amd64": image})),
    ("17 platforms", lambda release, image: release.update(images={f"os{n}/amd64": image for n in range(17)})),
    ("a missing key", lambda release, image: release.pop("yanked")),
    ("an image's missing key", lambda release, image: image.pop("created")),
    ("an archive that is no CID", lambda release, image: image.update(archive="bafy")),
    ("an archive in CIDv0", lambda release, image: image.update(archive="QmdfTbBqBPQ7VNxZEYEj14VmRuZBkqFbiwReogJgS1zR1n")),
    ("an archive that is a number", lambda release, image: image.update(archive=1)),
    ("a config digest of another hash", lambda release, image: image.update(config="sha512:" + "0" * 64)),
    ("a config digest in capitals", lambda release, image: image.update(config="sha256:" + "A" * 64)),
    ("a size below zero", lambda release, image: image.update(size=-1)),
    ("a size of 2⁵³", lambda release, image: image.update(size=2**53)),
    ("a size as a flag", lambda release, image: image.update(size=True)),
    ("a size as text", lambda release, image: image.update(size="1")),
    ("layers as a list", lambda release, image: image.update(layers=[])),
    ("a registry that is no reference", lambda release, image: image.update(registry=["nginx:1"])),
    ("registries out of order", lambda release, image: image.update(registry=[f"b@sha256:{1:064x}", f"a@sha256:{1:064x}"])),
    ("a registry twice", lambda release, image: image.update(registry=[f"b@sha256:{1:064x}"] * 2)),
    ("registry as text", lambda release, image: image.update(registry="")),
    ("registry as a map", lambda release, image: image.update(registry={})),
    ("deltas as a list", lambda release, image: image.update(deltas=[])),
    ("a delta without a size", lambda release, image: image.update(deltas={image["archive"]: {"cid": image["archive"]}})),
    ("a delta from no CID", lambda release, image: image.update(deltas={"x": {"cid": image["archive"], "size": 1}})),
    ("a delta as text", lambda release, image: image.update(deltas={image["archive"]: image["archive"]})),
    (
        "five deltas",
        lambda release, image: image.update(
            deltas={str(cid_of(bytes([n]))): {"cid": image["archive"], "size": 1} for n in range(5)}
        ),
    ),
    ("an unknown integer of 2⁵³", lambda release, image: release.update(new=2**53)),
    ("a format that is no text", lambda release, image: image.update(format=None)),
]


@pytest.mark.parametrize(("what", "change"), BAD, ids=[what for what, _ in BAD])
def test_other_lines_are_refused(what: str, change: Callable[[dict[str, Any], dict[str, Any]], object]) -> None:
    with pytest.raises(SnapshotError) as caught:
        decode_line(changed(change))
    assert "line" in caught.value.message


def test_a_line_that_is_good_otherwise_is_refused_when_it_is_not_canonical() -> None:
    line = GOOD[1]
    for other in (
        line + b" ",
        line.replace(b":", b": ", 1),
        line + b"\n",
        line.replace(b'"removed":null,', b'"removed":null,"removed":null,'),
    ):
        with pytest.raises(SnapshotError):
            decode_line(other)


@given(times)
def test_times_are_given_back(text: str) -> None:
    assert check_time(text, "t") == text


@pytest.mark.parametrize("line", [b"{}", b'{"name":1,"version":"1"}', b'{"name":"a"}', b"[]", b"x"])
def test_a_line_without_a_key_has_no_key(line: bytes) -> None:
    with pytest.raises(SnapshotError):
        line_key(line)


def _read(line: bytes) -> Release:
    return decode_line(line)


TARGETS = [
    Target("line", _read, SnapshotError, [*GOOD[:3], GOOD[-1]], JSON_TOKENS, lambda release: encode_line(release)[:-1]),
    Target("line key", line_key, SnapshotError, GOOD[:2], JSON_TOKENS),
]


@pytest.mark.parametrize("target", TARGETS, ids=str)
def test_damaged_lines_are_refused_by_their_own_error(target: Target) -> None:
    check_target(target, 25_000)


@pytest.mark.long
@pytest.mark.parametrize("target", TARGETS, ids=str)
def test_a_million_damaged_lines(target: Target) -> None:
    check_memory(__name__, target.name, 1_000_000)
