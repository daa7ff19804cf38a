"""JSON that two readers could read differently is refused: the table of safety.md, row C6."""

import json
from collections.abc import Callable, Iterator, Mapping

import pytest

from catalog.errors import ArchiveError
from catalog.image.config import parse_config
from catalog.image.document import decode_document
from catalog.image.oci import check_layout, parse_docker_manifest, parse_index, parse_manifest
from catalog.limits import MAX_JSON_SIZE
from catalog.model.platform import Platform
from tests.factory.exports import DOCKER_MANIFEST, OCI_CONFIG, OCI_INDEX, OCI_LAYER, OCI_MANIFEST, digest, dump
from tests.factory.images import SAMPLE

Parse = Callable[[bytes], object]
Document = Mapping[str, object]
SHA = "sha256:" + "ab" * 32
ENTRY: Document = {"mediaType": OCI_LAYER, "digest": SHA, "size": 3}
MANIFEST: Document = {
    "schemaVersion": 2,
    "mediaType": OCI_MANIFEST,
    "config": {**ENTRY, "mediaType": OCI_CONFIG},
    "layers": [ENTRY],
}
INDEX: Document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [{**ENTRY, "mediaType": OCI_MANIFEST}]}
ITEMS: list[Document] = [{"Config": "a.json", "RepoTags": ["a:1"], "Layers": ["a/layer.tar"]}]
CONFIG: Document = {"os": "linux", "architecture": "amd64", "config": {}, "rootfs": {"type": "layers", "diff_ids": [SHA]}}
KINDS: dict[str, tuple[Parse, object]] = {
    "manifest": (parse_manifest, MANIFEST),
    "index": (parse_index, INDEX),
    "manifest.json": (parse_docker_manifest, ITEMS),
    "config": (parse_config, CONFIG),
}


def text_cases(document: object) -> Iterator[tuple[str, bytes]]:
    """The same document, made ambiguous or broken in its text."""
    text = json.dumps(document)
    head, tail = text[: text.index("{") + 1], text[text.index("{") + 1 :]
    first = tail[: tail.index(":")]
    yield "duplicate key", (head + f"{first}: 1, " + tail).encode()
    yield "duplicate key by an escape", (head + f'{first}: 1, "\\u{ord(first[1]):04x}{first[2:]}: 1, ' + tail).encode()
    yield "duplicate unknown key", (head + '"x": 1, "x": 1, ' + tail).encode()
    for constant in ("NaN", "Infinity", "-Infinity"):
        yield constant, (head + f'"x": {constant}, ' + tail).encode()
    for name, value in (
        ("lone high surrogate", '"\\ud800"'),
        ("lone low surrogate", '"\\uDFFF"'),
        ("surrogates the wrong way round", '"\\udc00\\ud800"'),
        ("comment", "1 /* x */"),
        ("single quotes", "'x'"),
        ("hexadecimal", "0x10"),
        ("leading zero", "012"),
        ("plus", "+1"),
        ("bare point", ".5"),
        ("trailing comma", "[1,]"),
        ("raw control character", '"\x01"'),
        ("raw newline", '"\n"'),
        ("unknown escape", '"\\x41"'),
        ("thousands of digits", "1" * 5000),
        ("deep list", "[" * 70 + "]" * 70),
        ("deep object", '{"a":' * 70 + "1" + "}" * 70),
        ("very deep list", "[" * 200_000 + "]" * 200_000),
    ):
        yield name, (head + f'"x": {value}, ' + tail).encode()
    yield "lone surrogate as key", (head + '"\\ud800": 1, ' + tail).encode()
    yield "not UTF-8", (head + '"x": "').encode() + b"\xff" + ('", ' + tail).encode()
    yield "overlong UTF-8", (head + '"x": "').encode() + b"\xc0\x80" + ('", ' + tail).encode()
    yield "surrogate as UTF-8", (head + '"x": "').encode() + b"\xed\xa0\x80" + ('", ' + tail).encode()
    yield "byte order mark", b"\xef\xbb\xbf" + text.encode()
    yield "UTF-16", text.encode("utf-16")
    yield "two documents", (text + text).encode()
    yield "trailing bytes", (text + "x").encode()
    yield "trailing NUL", (text + "\0").encode()
    yield "cut short", text.encode()[:-1]
    yield "nothing", b""
    yield "null", b"null"
    yield "number", b"1"
    yield "text", b'"x"'
    yield "too large", (head + f'"x": "{"x" * MAX_JSON_SIZE}", ' + tail).encode()


def change(document: Document, **fields: object) -> bytes:
    """Change fields; an Ellipsis takes one away."""
    return dump({key: value for key, value in {**document, **fields}.items() if value is not ...})


def values(*given: object) -> tuple[object, ...]:
    return given


def documents(*given: Document) -> tuple[Document, ...]:
    return given


def shape_cases() -> Iterator[tuple[str, Parse, bytes]]:
    for name, parse, document in (("manifest", parse_manifest, MANIFEST), ("index", parse_index, INDEX)):
        for version in values(1, 3, "2", 2.5, None, True, ..., [2]):
            yield f"{name}: schema version {version}", parse, change(document, schemaVersion=version)
        for media_type in values("application/json", "application/vnd.docker.distribution.manifest.v1+json", OCI_LAYER, 5, {}):
            yield f"{name}: media type {media_type}", parse, change(document, mediaType=media_type)
        foreign: Document = (
            {"manifests": [], "fsLayers": [], "signatures": []} if name == "manifest" else {"layers": [], "config": {}}
        )
        for key, value in foreign.items():
            yield f"{name}: with {key}", parse, change(document, **{key: value})
            yield f"{name}: with {key} filled", parse, change(document, **{key: [ENTRY] if value == [] else ENTRY})
        for key in document:
            yield f"{name}: {key} in capitals too", parse, change(document, **{key.upper(): document[key]})
            if "s" in key:  # Go reads the long s as an s
                yield f"{name}: {key} with a long s too", parse, change(document, **{key.replace("s", "\u017f", 1): document[key]})
    yield "manifest: index's media type", parse_manifest, change(MANIFEST, mediaType=OCI_INDEX)
    yield "index: manifest's media type", parse_index, change(INDEX, mediaType=OCI_MANIFEST)
    for value in values(..., None, {}, "x", 1, [1], ["x"], [[]], [None]):
        if value != {}:
            yield f"manifest: layers {value}", parse_manifest, change(MANIFEST, layers=value)
            yield f"index: manifests {value}", parse_index, change(INDEX, manifests=value)
    for value in values(..., None, "x", [], 1, {}):
        yield f"manifest: config {value}", parse_manifest, change(MANIFEST, config=value)
    entries: list[Document] = [{"digest": text} for text in (SHA[:-1], SHA + "0", SHA.upper(), "", None)]
    entries += [{"digest": text} for text in (SHA[7:], " " + SHA, SHA + "\n", "sha256:../../etc/passwd", "sha512:../x", 5)]
    entries += [{"size": size} for size in values(-1, 1.5, "3", None, True, 1 << 63, [])]
    entries += [{"platform": value} for value in values("linux", [], 1, {"os": 1})]
    entries += [{"annotations": value} for value in values("x", [], {"a": 1}, {"a": None})]
    entries += [{"mediaType": 1}, {"artifactType": []}, {"Digest": SHA}, {"SIZE": 3}]
    for entry in entries:
        yield f"manifest: layer {entry}", parse_manifest, change(MANIFEST, layers=[{**ENTRY, **entry}])
        yield f"index: entry {entry}", parse_index, change(INDEX, manifests=[{**ENTRY, **entry}])
    for text in ("md5:" + "0" * 32, "sha512:" + "0" * 128):
        yield f"manifest: layer {text[:9]}", parse_manifest, change(MANIFEST, layers=[{**ENTRY, "digest": text}])
    for item in values(
        {}, {"Config": ""}, {"Config": 1}, {"Config": "a", "config": "b"}, {"Config": "a", "Layers": "x"}, [], 1, "x"
    ):
        yield f"manifest.json: item {item}", parse_docker_manifest, dump([item])
    for fields in documents({"Layers": [1]}, {"RepoTags": "x"}, {"RepoTags": [None]}, {"layers": []}, {"REPOTAGS": []}):
        yield f"manifest.json: {fields}", parse_docker_manifest, dump([{**ITEMS[0], **fields}])
    yield "manifest.json: object", parse_docker_manifest, dump({"Config": "a"})
    yield "manifest.json: too many", parse_docker_manifest, dump(ITEMS * 1025)
    for os in values("linux/amd64", "../x", 1, "l" * 33):
        yield f"config: os {os}", parse_config, change(CONFIG, os=os)
    for fields in documents(
        {"architecture": "a m d"},
        {"variant": "v 8"},
        {"rootfs": []},
        {"config": []},
        {"OS": "linux"},
        {"RootFS": {}},
        {"o\u017f": "linux"},
        {"rootf\u017f": {}},
    ):
        yield f"config: {fields}", parse_config, change(CONFIG, **fields)
    for key in ("manifests", "layers", "fsLayers"):
        yield f"config: with {key}", parse_config, change(CONFIG, **{key: []})
    for rootfs in documents(
        {"type": "x"}, {"diff_ids": SHA}, {"diff_ids": [1]}, {"diff_ids": [SHA[7:]]}, {"diff_ids": [SHA, None]}
    ):
        yield f"config: rootfs {rootfs}", parse_config, change(CONFIG, rootfs=rootfs)
    yield "config: rootfs twice", parse_config, change(CONFIG, rootfs={"diff_ids": [], "DIFF_IDS": [SHA]})
    yield "config: rootfs twice, with a long s", parse_config, change(CONFIG, rootfs={"diff_ids": [], "diff_id\u017f": [SHA]})
    for inner in documents({"Labels": []}, {"Labels": {"a": 1}}, {"Env": "x"}, {"Env": [1]}, {"labels": {}}):
        yield f"config: config {inner}", parse_config, change(CONFIG, config=inner)
    for layout in (b"{}", b'{"imageLayoutVersion":"2"}', b'{"imageLayoutVersion":1}', b"[]", b""):
        yield f"oci-layout: {layout!r}", check_layout, layout


CASES = [
    *((f"{kind}: {name}", parse, data) for kind, (parse, good) in KINDS.items() for name, data in text_cases(good)),
    *shape_cases(),
]


def test_the_table_has_two_hundred_cases() -> None:
    assert len(CASES) >= 200


def test_good_documents_are_read() -> None:
    for parse, document in KINDS.values():
        parse(dump(document))
        parse(b" \n" + json.dumps(document, indent=1).encode() + b"\n")
    assert parse_manifest(change(MANIFEST, mediaType=...)).layers[0].size == 3
    assert parse_manifest(change(MANIFEST, mediaType=DOCKER_MANIFEST)).is_image
    assert parse_index(change(INDEX, mediaType=...)).entries[0].platform is None
    assert parse_docker_manifest(dump([{"Config": "a", "RepoTags": None, "Layers": None, "Parent": ""}]))[0].tags == ()
    index = parse_index(change(INDEX, manifests=[{**ENTRY, "digest": "sha512:" + "0" * 128}, ENTRY]))
    assert (len(index.entries), index.unsupported) == (1, ("sha512 digests are not supported",))
    check_layout(b'{"imageLayoutVersion": "1.0.0"}')


@pytest.mark.parametrize(("name", "parse", "data"), CASES, ids=[name[:60] for name, _, _ in CASES])
def test_ambiguous_documents_are_refused(name: str, parse: Parse, data: bytes) -> None:
    with pytest.raises(ArchiveError):
        parse(data)


def test_sixty_four_levels_are_read() -> None:
    decode_document(b"[" * 64 + b"]" * 64, "this")
    with pytest.raises(ArchiveError, match="nested"):
        decode_document(b"[" * 66 + b"]" * 66, "this")


def test_a_config_is_what_it_says() -> None:
    config = parse_config(SAMPLE.config)
    assert config.digest.hex == digest(SAMPLE.config)
    assert config.platform == Platform("linux", "amd64")
    assert [diff_id.hex for diff_id in config.diff_ids] == [digest(layer) for layer in SAMPLE.layers]
    assert (config.labels, config.env) == ({"title": "größe ✓", "n": "é"}, ("PATH=/usr/bin",))
    assert parse_config(change(CONFIG, architecture="arm64", variant="v8")).platform == Platform("linux", "arm64")
    assert parse_config(change(CONFIG, rootfs=..., config=...)).diff_ids == ()
    assert parse_config(change(CONFIG, config={"Env": None, "Labels": None})).env == ()


@pytest.mark.parametrize(
    ("created", "expected"),
    [
        ("2026-11-24T06:33:30Z", "2026-11-24T06:33:30Z"),
        ("2026-11-24T06:33:30.999999999Z", "2026-11-24T06:33:30Z"),
        ("2026-11-24t06:33:30z", "2026-11-24T06:33:30Z"),
        ("2026-11-24T06:33:30+02:00", "2026-11-24T04:33:30Z"),
        ("2026-11-24T23:33:30.5-01:30", "2026-11-25T01:03:30Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
        ("0001-01-01T00:00:00+00:01", None),
        ("9999-12-31T23:59:59-00:01", None),
        ("2026-02-30T00:00:00Z", None),
        ("2026-11-24T06:33:60Z", None),
        ("2026-11-24 06:33:30Z", None),
        ("2026-11-24T06:33:30", None),
        ("2026-11-24T06:33:30+24:00", None),
        ("٢٠٢٦-11-24T06:33:30Z", None),
        ("", None),
        (None, None),
        (1764000000, None),
        (..., None),
    ],
)
def test_created(created: object, expected: str | None) -> None:
    assert parse_config(change(CONFIG, created=created)).created == expected
