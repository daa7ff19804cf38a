"""Digests, platforms, times: small values that are never mistaken for each other."""

import contextlib
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.errors import InvalidDigestError, InvalidPlatformError
from catalog.model.digest import ChainID, ConfigDigest, DiffID, Digest, ManifestDigest, chain_ids
from catalog.model.platform import host_platform, make_platform, parse_platform
from catalog.model.release import format_time, parse_time


def test_digests_of_different_things_are_never_equal() -> None:
    raw = bytes(32)
    different: list[Digest] = [ConfigDigest(raw), ManifestDigest(raw), DiffID(raw), ChainID(raw)]
    assert len(set(different)) == 4
    assert ConfigDigest(raw) == ConfigDigest.parse("sha256:" + "00" * 32)


@pytest.mark.parametrize(
    "text", ["", "sha256:", "sha256:" + "a" * 63, "sha256:" + "A" * 64, "sha512:" + "a" * 64, "sha256:../" + "a" * 61, "a" * 64]
)
def test_what_is_no_digest_is_refused(text: str) -> None:
    with pytest.raises(InvalidDigestError):
        Digest.parse(text)


@given(st.text(max_size=80))
def test_any_text_is_a_digest_or_refused(text: str) -> None:
    with contextlib.suppress(InvalidDigestError):
        assert str(Digest.parse(text)) == text


def test_chain_ids_are_those_of_the_image_spec() -> None:
    """chain[0] = diff[0]; chain[n] = sha256(chain[n-1] + " " + diff[n]), over the text forms."""
    first, second = DiffID.of(b"one"), DiffID.of(b"two")
    assert chain_ids([]) == []
    assert chain_ids([first, second]) == [ChainID(first.raw), ChainID.of(f"{first} {second}".encode())]


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("linux/amd64", "linux/amd64"),
        ("linux/amd64/v1", "linux/amd64"),
        ("linux/amd64/v3", "linux/amd64/v3"),
        ("linux/arm64/v8", "linux/arm64"),
        ("linux/arm", "linux/arm/v7"),
        ("linux/arm/v6", "linux/arm/v6"),
        ("linux/arm64/v8.1", "linux/arm64/v8.1"),
    ],
)
def test_platforms_are_normalised(text: str, normal: str) -> None:
    assert str(parse_platform(text)) == normal
    assert parse_platform(normal) == parse_platform(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "linux",
        "linux/",
        "/amd64",
        "linux/amd64/",
        "linux/amd64/v1/x",
        "Linux/amd64",
        "linux/a-b",
        "linux/amd64/V8",
        "linux/amd64\n",
    ],
)
def test_what_a_snapshot_could_not_name_is_refused(text: str) -> None:
    with pytest.raises(InvalidPlatformError):
        parse_platform(text)


@pytest.mark.parametrize(
    ("machine", "platform"),
    [("x86_64", "linux/amd64"), ("aarch64", "linux/arm64"), ("armv7l", "linux/arm/v7"), ("riscv64", "linux/riscv64")],
)
def test_the_hosts_platform(machine: str, platform: str) -> None:
    assert str(host_platform(machine)) == platform
    assert make_platform("linux", "arm").file_part == "linux-arm-v7"


def test_times_are_utc_in_whole_seconds() -> None:
    moment = datetime(2026, 11, 24, 7, 0, 1, 999999, tzinfo=timezone(timedelta(hours=1)))
    assert format_time(moment) == "2026-11-24T06:00:01Z"
    assert format_time(datetime(987, 1, 2, tzinfo=UTC)) == "0987-01-02T00:00:00Z"
    assert parse_time("2026-11-24T06:00:01Z") == datetime(2026, 11, 24, 6, 0, 1, tzinfo=UTC)
    for text in (
        "2026-11-24",
        "2026-11-24T06:00:01",
        "2026-13-24T06:00:01Z",
        "2026-11-24T06:00:01+00:00",
        "2026-11-24T06:00:01.5Z",
    ):
        with pytest.raises(ValueError, match=r"time|month"):
            parse_time(text)
