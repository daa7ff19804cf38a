import time

import pytest

from catalog.deployment.nodes import Mapping, Scalar, Sequence, get, get_text, items_of, pairs_of, parse_documents
from catalog.errors import InvalidInputError
from catalog.limits import MAX_YAML_DEPTH
from tests.property.mutate import Target, check_memory, check_target

SEED = b"""\
# first
a: &anchor [one, 'two', "thr\\u0065e", *nothing-like-it]
b: {c: d, <<: {e: f}}
---
!!python/object/apply:os.system ["true"]
--- |
  block
  text
"""


def parse(data: bytes) -> object:
    return parse_documents(data.decode("utf-8", "surrogateescape"))


YAML_TOKENS = (
    *(
        b"&a ",
        b"*a",
        b"!!x ",
        b"<<: ",
        b"- ",
        b": ",
        b"? ",
        b"[",
        b"]",
        b"{",
        b"}",
        b"---\n",
        b"...\n",
        b"%YAML 1.1\n",
        b"|\n ",
        b">-\n ",
    ),
    *(
        b"'",
        b'"',
        b"\\x",
        b"#",
        b"\t",
        b"\r\n",
        b"\xef\xbb\xbf",
        b"\x85",
        b"\0",
        b"\xe2\x80\xa8",
        b"[" * 100,
        b"- " * 100,
        b"? " * 100,
    ),
)
TARGETS = [Target("yaml", parse, InvalidInputError, seeds=[SEED.replace(b", *nothing-like-it", b""), b"a: 1"], tokens=YAML_TOKENS)]


@pytest.mark.parametrize("target", TARGETS, ids=str)
def test_damaged_yaml_is_refused_by_its_own_error(target: Target) -> None:
    check_target(target, 1500)


@pytest.mark.long
@pytest.mark.parametrize("target", TARGETS, ids=str)
def test_damaged_yaml_in_a_process_of_its_own(target: Target) -> None:
    check_memory(__name__, target.name, 50_000, most=1.0)  # PyYAML reads some 100 KB a second


def test_documents_anchors_and_places() -> None:
    text = "a: &x 'one'\nb: !!str two # c\nc: *x\n---\n- three\n---\n"
    first, second = parse_documents(text)
    one, two = get(first, "a"), get(first, "b")
    assert isinstance(one, Scalar)
    assert isinstance(two, Scalar)
    assert (text[one.start : one.stop], text[two.start : two.stop]) == ("one", "two")
    assert get(first, "c") is one
    assert [item.text for item in items_of(second) if isinstance(item, Scalar)] == ["three"]
    assert isinstance(second, Sequence)


@pytest.mark.parametrize("text", ["a: |\n  web:1.0\n", "a: >-\n  web:1.0\n", "a: web\n  1.0\n"])
def test_a_scalar_on_several_lines_has_no_place(text: str) -> None:
    scalar = get(parse_documents(text)[0], "a")
    assert isinstance(scalar, Scalar)
    assert not scalar.is_inline


def test_merge_keys() -> None:
    text = "x: &x {image: one, other: two}\ny: &y {image: three}\na: {<<: [*x, *y], other: own}\nb: {<<: {<<: *y}}\n"
    (document,) = parse_documents(text)
    assert get_text(get(document, "a"), "image") == "one"
    assert get_text(get(document, "a"), "other") == "own"
    assert get_text(get(document, "b"), "image") == "three"
    assert [key for key, _ in pairs_of(get(document, "a"))] == ["other", "image"]


def test_a_merge_that_names_itself_ends() -> None:
    (document,) = parse_documents("a: &a {<<: *a, b: c}\n")
    assert get(get(document, "a"), "image") is None


@pytest.mark.parametrize(
    "text",
    [
        "- &a0 {q: w}\n" + "".join(f"- &a{n} {{<<: *a{n - 1}}}\n" for n in range(1, 12_000)),
        f"- &a {{<<: [{', '.join(['{}'] * 20_000)}]}}\n" + "- {<<: *a}\n" * 20_000,
    ],
    ids=["chain", "wide"],
)
def test_merges_that_lead_to_too_many_mappings_are_refused(text: str) -> None:
    (document,) = parse_documents(text)
    with pytest.raises(InvalidInputError, match="too large"):
        _ = [get(item, "image") for item in items_of(document)]


def test_no_tag_is_obeyed() -> None:
    (document,) = parse_documents('!!python/object/apply:os.system ["exit 1"]')
    assert [item.text for item in items_of(document) if isinstance(item, Scalar)] == ["exit 1"]


def test_a_bomb_of_aliases_stays_small() -> None:
    levels = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    levels += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 60)]  # 9 ** 60 items
    (document,) = parse_documents("\n".join(levels))
    assert isinstance(document, Mapping)
    assert len(document.pairs) == 60


@pytest.mark.parametrize(
    "text",
    [
        "[" * (MAX_YAML_DEPTH + 1) + "]" * (MAX_YAML_DEPTH + 1),
        "[" * 500_000,
        "".join(" " * n + "a:\n" for n in range(MAX_YAML_DEPTH + 1)),
        "- " * 300_000,
        "? " * 300_000,
        "[" + "a," * 110_000 + "]",
        "a: *b",
        "a: [",
        "a: b: c",
        "\0",
        "\ud800",
        "%YAML 9.1\n---\na",
        f"%YAML 1.{'1' * 5000}\n---\na",
        'a: "\\UFFFFFFFF"',
        'a: "\\U00110000"',
    ],
    ids=lambda text: text[:8],
)
def test_what_is_too_large_or_not_yaml_is_refused_soon(text: str) -> None:
    started = time.thread_time()
    with pytest.raises(InvalidInputError):
        parse_documents(text)
    assert time.thread_time() - started < 30  # of the processor; idle: at most 3
