"""`_headers`: the media type of each manifest, by the rules of both hosts that read it."""

import pytest

from catalog.hosting.header_rules import MAX_RULES, IndexedName, build_header_rules
from catalog.image.canonical import INDEX_TYPE, MANIFEST_TYPE
from tests.fakes.header_rules import Apply, cloudflare_headers, netlify_headers

both = pytest.mark.parametrize("apply", [cloudflare_headers, netlify_headers])


def digest_of(name: str, tag: str) -> str:
    return f"sha256:a{name.replace('/', '')}{tag.replace('.', '')}"


def rules_of(*names: IndexedName) -> str:
    return build_header_rules(names, digest_of).decode()


def type_of(apply: Apply, text: str, path: str) -> str:
    return apply(text, path).get("content-type", "")


@both
@pytest.mark.parametrize("name", ["web", "acme/web", "a/b/c/d/e/f"])
def test_manifests_of_names_of_up_to_six_parts(apply: Apply, name: str) -> None:
    text = rules_of()
    for reference in ("1.0", "latest", f"sha256:{'a' * 64}"):
        assert type_of(apply, text, f"/v2/{name}/manifests/{reference}") == MANIFEST_TYPE
    assert type_of(apply, text, f"/v2/{name}/blobs/sha256:{'a' * 64}") == ""
    assert type_of(apply, text, "/v2/") == "application/json"


@both
def test_a_few_indexes_among_manifests(apply: Apply) -> None:
    text = rules_of(IndexedName("acme/web", ("2.0",), ("1.0", "1.1")))
    assert type_of(apply, text, "/v2/acme/web/manifests/2.0") == INDEX_TYPE
    assert type_of(apply, text, f"/v2/acme/web/manifests/{digest_of('acme/web', '2.0')}") == INDEX_TYPE
    for other in ("1.0", "1.1", "sha256:b", "sha256:acmeweb21"):
        assert type_of(apply, text, f"/v2/acme/web/manifests/{other}") == MANIFEST_TYPE
    assert type_of(apply, text, "/v2/web/manifests/2.0") == MANIFEST_TYPE


@both
def test_many_indexes_take_few_rules(apply: Apply) -> None:
    """All tags of a name but one are indexes: their number does not matter, but for those that are pulled by digest."""
    tags = tuple(f"1.{number}" for number in range(500))
    text = rules_of(IndexedName("web", tags, ("0.9",)))
    assert text.count("\n/") == MAX_RULES
    assert {type_of(apply, text, f"/v2/web/manifests/{tag}") for tag in tags} == {INDEX_TYPE}
    assert type_of(apply, text, "/v2/web/manifests/0.9") == MANIFEST_TYPE
    assert type_of(apply, text, f"/v2/web/manifests/sha256:{'b' * 64}") == MANIFEST_TYPE
    assert type_of(apply, text, f"/v2/web/manifests/{digest_of('web', '1.499')}") == INDEX_TYPE
    assert type_of(apply, text, f"/v2/web/manifests/{digest_of('web', '1.0')}") == MANIFEST_TYPE  # no room


def test_what_has_no_room_is_named() -> None:
    names = [IndexedName(f"name-{number:03}", ("1.0",), ()) for number in range(120)]
    text = rules_of(*names)
    assert text.count("\n/") == MAX_RULES
    served = [name.name for name in names if f"/v2/{name.name}/manifests/1.0\n" in text]
    assert len(served) > 80
    assert type_of(cloudflare_headers, text, f"/v2/{served[-1]}/manifests/1.0") == INDEX_TYPE
    assert "# No room is left" in text
    assert names[len(served)].name in text
    assert f"and {120 - len(served) - 20} more" in text


def test_a_name_of_seven_parts_is_beyond_the_rules() -> None:
    text = rules_of(IndexedName("a/b/c/d/e/f/g", ("1.0",), ()))
    assert "a/b/c/d/e/f/g" in text
    assert type_of(cloudflare_headers, text, "/v2/a/b/c/d/e/f/g/manifests/1.0") == ""
