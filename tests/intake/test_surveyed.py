"""The documents of images that a push sends alone: what they lead to, and what they refuse to keep."""

import json

import pytest

from catalog.errors import ArchiveError, InvalidDigestError
from catalog.image.provenance import Provenance
from catalog.intake import surveyed as surveyed_module
from catalog.intake.surveyed import SurveyedImages
from catalog.model.digest import Digest
from tests.factory.images import APP, BASE, make_image
from tests.server.registry.pushing import CONFIG, INDEX, LAYER, MANIFEST, index_of, manifest_of

IMAGE = make_image([BASE, APP])
BLOBS = [b"packed base", b"packed app"]
DATA = manifest_of(IMAGE.config, BLOBS)
PLATFORM = {"os": "linux", "architecture": "amd64"}


def survey() -> SurveyedImages:
    surveyed = SurveyedImages()
    surveyed.wants_configs = True
    surveyed.add_blob(Digest.of(IMAGE.config), len(IMAGE.config), [IMAGE.config])
    surveyed.add_manifest(DATA, MANIFEST, tagged=False)
    return surveyed


def test_only_wanted_configs_need_be_sent() -> None:
    surveyed = SurveyedImages()
    digest = Digest.of(IMAGE.config)
    assert surveyed.has_blob(digest, CONFIG)
    surveyed.wants_configs = True
    assert not surveyed.has_blob(digest, CONFIG)
    assert not surveyed.has_blob(digest, "application/vnd.docker.container.image.v1+json")
    assert surveyed.has_blob(Digest.of(b"layer"), LAYER)
    assert surveyed.has_blob(Digest.of(b"statement"), "application/vnd.in-toto+json")
    surveyed.add_blob(digest, len(IMAGE.config), [IMAGE.config])
    assert surveyed.has_blob(digest, CONFIG)


def test_an_image_is_traced_to_its_index() -> None:
    surveyed = survey()
    assert surveyed.trace(IMAGE.config_digest) is None  # nothing has the tag yet
    attested = json.dumps({**json.loads(DATA), "layers": []}).encode()
    index = index_of(
        [(DATA, PLATFORM), (attested, {"os": "unknown", "architecture": "unknown"})],
        {str(Digest.of(attested)): str(Digest.of(DATA))},
    )
    surveyed.add_manifest(attested, MANIFEST, tagged=False)
    surveyed.add_manifest(index, INDEX, tagged=True)
    assert surveyed.trace(IMAGE.config_digest) == Provenance(DATA, (index,), (attested,))
    assert surveyed.trace(make_image([BASE]).config_digest) is None


def test_the_layers_of_an_image_are_listed_with_the_diff_ids_that_may_be_absent() -> None:
    surveyed = survey()
    base, app = map(Digest.of, BLOBS)
    expected = {Digest.of(IMAGE.config): None, base: IMAGE.diff_ids[0], app: None}
    assert surveyed.list_blobs(Digest.of(DATA), IMAGE.diff_ids[:1]) == expected
    assert surveyed.list_blobs(Digest.of(b"another manifest"), []) is None
    short = manifest_of(IMAGE.config, BLOBS[:1])
    surveyed.add_manifest(short, MANIFEST, tagged=False)
    assert surveyed.list_blobs(Digest.of(short), []) is None
    lost = manifest_of(b"{}", BLOBS)  # its config was not sent
    surveyed.add_manifest(lost, MANIFEST, tagged=False)
    assert surveyed.list_blobs(Digest.of(lost), []) is None


def test_documents_have_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    surveyed = SurveyedImages()
    with pytest.raises(InvalidDigestError):
        surveyed.add_blob(Digest.of(b"a"), 1, [b"b"])
    with pytest.raises(ArchiveError):
        surveyed.add_blob(Digest.of(b"a"), 1 << 40, [b"a"])
    monkeypatch.setattr(surveyed_module, "MAX_HELD_JSON_SIZE", 1000)
    surveyed.add_manifest(b"{}" * 400, MANIFEST, tagged=False)
    with pytest.raises(ArchiveError, match="too many documents"):
        surveyed.add_manifest(b"{}" * 101, MANIFEST, tagged=False)
