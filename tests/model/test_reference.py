"""References, names and versions: the grammar, what it refuses, and the order of versions."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.errors import DcatError, InvalidInputError, InvalidNameError, InvalidVersionError
from catalog.ipld.cid import cid_of, parse_cid
from catalog.model.digest import Digest
from catalog.model.reference import Reference, check_name, check_version, parse_reference, version_key

CID = str(cid_of(b"block"))
HEX = "ab" * 32

names = st.from_regex(r"[a-z0-9]{1,8}([._-][a-z0-9]{1,5}){0,2}(/[a-z0-9]{1,6}){0,2}", fullmatch=True)
versions = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,20}", fullmatch=True)


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("nginx", Reference("nginx")),
        ("nginx@1.25", Reference("nginx", "1.25")),
        ("nginx:1.25", Reference("nginx", "1.25")),
        ("bob/team/api@2.8.1", Reference("bob/team/api", "2.8.1")),
        (f"nginx@sha256:{HEX}", Reference("nginx", digest=Digest(bytes.fromhex(HEX)))),
        (f"nginx@{CID}", Reference("nginx", cid=parse_cid(CID))),
        (CID, Reference(cid=parse_cid(CID))),
        (f"ipfs://{CID}", Reference(cid=parse_cid(CID))),
        (f"sha256:{HEX}", Reference(digest=Digest(bytes.fromhex(HEX)))),
    ],
)
def test_every_form_is_read(text: str, reference: Reference) -> None:
    assert parse_reference(text) == reference
    assert parse_reference(str(reference)) == reference


@pytest.mark.parametrize(
    "text",
    [
        "",
        "@1",
        "nginx@",
        "Nginx@1",
        "nginx@-1",
        "nginx@.1",
        "nginx@" + "1" * 129,
        "a" * 256,
        "a//b@1",
        "/a@1",
        "a/@1",
        "a..b@1",
        "localhost:5000/web@1",
        "localhost:5000/web:1",
        "registry.example:5000/web:1",
        "web.tar.zst@1",
        "team/web.delta/x@1",
        "nginx@sha256:abc",
        f"nginx@sha256:{HEX.upper()}",
        f"{HEX}@1",
        "ipfs://nginx",
        "näme@1",
        "nginx\n@1",
        "nginx@1\n",
        "nginx@1.0\0",
        "..@1",
        "a/../b@1",
        "nginx@1@2",
    ],
)
def test_what_is_outside_the_grammar_is_refused(text: str) -> None:
    with pytest.raises(InvalidInputError):
        parse_reference(text)


def test_a_version_never_reads_as_a_digest_or_cid() -> None:
    for text in (HEX, CID, str(parse_cid(CID)), "QmdfTbBqBPQ7VNxZEYEj14VmRuZBkqFbiwReogJgS1zR1n"):
        with pytest.raises(InvalidVersionError):
            check_version(text)


def test_a_name_alone_has_no_implicit_version() -> None:
    assert parse_reference("nginx").version == ""


@given(names, versions)
def test_what_the_grammar_allows_is_read_back(name: str, version: str) -> None:
    try:
        expected = Reference(check_name(name), check_version(version))
    except (InvalidNameError, InvalidVersionError):
        return
    assert parse_reference(f"{name}@{version}") == expected
    assert parse_reference(f"{name}:{version}") == expected


@given(st.text(max_size=80))
def test_any_text_gives_a_reference_or_a_declared_error(text: str) -> None:
    try:
        parsed = parse_reference(text)
    except DcatError:
        return
    assert text.isascii()
    assert parse_reference(str(parsed)) == parsed


@pytest.mark.long
def test_no_name_outside_the_grammar_in_a_million_strings() -> None:
    """safety.md A14, C8, C15."""
    dice = random.Random(14)
    alphabet = "abz019._-/:@AZ \n\0\u202e\u200bé数🚀‐＿"
    accepted = 0
    for _ in range(1_000_000):
        text = "".join(dice.choices(alphabet, k=dice.randint(0, 12)))
        try:
            check_name(text)
        except InvalidNameError:
            continue
        accepted += 1
        assert set(text) <= set("abz019._-/")
        assert not text.startswith(("-", ".", "/"))
        assert ".." not in text
    assert accepted > 1000


def test_versions_sort_as_people_read_them() -> None:
    ordered = [
        "0.9",
        "1.0-alpha",
        "1.0-beta2",
        "1.0-rc1",
        "1.0-rc10",
        "v1.0",
        "1.0.1",
        "1.2",
        "1.10",
        "1.10-alpine",
        "1.25.3",
        "2024-01-31",
        "2024.02",
    ]
    shuffled = ordered.copy()
    random.Random(1).shuffle(shuffled)
    assert sorted(shuffled, key=version_key) == ordered


@given(st.lists(versions, min_size=3, max_size=3))
def test_the_order_of_versions_is_total(three: list[str]) -> None:
    first, second, third = sorted(three, key=version_key)
    assert version_key(first) <= version_key(second) <= version_key(third)
    assert (version_key(first) == version_key(second)) == (first == second)
