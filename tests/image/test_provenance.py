"""The manifest under which an image was pushed is found below an index, kept byte for byte, and bounded."""

import json

import pytest

from catalog.errors import CodecError
from catalog.image.provenance import Provenance, decode_provenance, encode_provenance, trace_provenance
from catalog.ipld import dag_cbor
from catalog.model.digest import ConfigDigest, Digest
from tests.factory.images import SAMPLE, make_image
from tests.factory.platforms import ARM64
from tests.factory.tars import make_layer

INDEX = "application/vnd.oci.image.index.v1+json"
OTHER = make_image([make_layer({"arm": b"64"})], ARM64)
ATTESTED = {"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": str(Digest.of(SAMPLE.manifest))}
ATTESTATION = SAMPLE.manifest.replace(b"layer.v1.tar", b"layer.v1.tax")


def index_of(*entries: tuple[bytes, str, dict[str, str]]) -> bytes:
    listed = [
        {"mediaType": kind, "digest": str(Digest.of(data)), "size": len(data), "annotations": annotations}
        for data, kind, annotations in entries
    ]
    return json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": listed}).encode()


MANIFEST = json.loads(SAMPLE.manifest)["mediaType"]
INNER = index_of((OTHER.manifest, MANIFEST, {}), (SAMPLE.manifest, MANIFEST, {}), (ATTESTATION, MANIFEST, ATTESTED))
OUTER = index_of((INNER, INDEX, {}))
DOCUMENTS = {Digest.of(data): data for data in (OTHER.manifest, SAMPLE.manifest, ATTESTATION, INNER)}


def trace(root: bytes, config: ConfigDigest = SAMPLE.config_digest) -> Provenance | None:
    return trace_provenance(config, root, DOCUMENTS.get)


def test_a_manifest_is_found_by_its_config() -> None:
    assert trace(SAMPLE.manifest) == Provenance(SAMPLE.manifest)
    assert trace(INNER) == Provenance(SAMPLE.manifest, (INNER,), (ATTESTATION,))
    assert trace(OUTER) == Provenance(SAMPLE.manifest, (OUTER, INNER), (ATTESTATION,))
    assert trace(OUTER, OTHER.config_digest) == Provenance(OTHER.manifest, (OUTER, INNER))
    assert trace(OTHER.manifest) is None
    assert trace(b"not a manifest") is None


def test_a_document_comes_back_as_it_was() -> None:
    provenance = Provenance(SAMPLE.manifest, (OUTER, INNER), (ATTESTATION,))
    encoded = encode_provenance(provenance)
    assert decode_provenance(encoded) == provenance
    fields = dag_cbor.decode_map(encoded)
    assert decode_provenance(dag_cbor.encode(fields | {"more": 1})) == provenance
    for wrong in (
        fields | {"format": "dcat-provenance/2"},
        fields | {"manifest": "text"},
        fields | {"indexes": [1]},
        {"format": "x"},
    ):
        with pytest.raises(CodecError):
            decode_provenance(dag_cbor.encode(wrong))


def test_what_has_too_many_bytes_is_left_out() -> None:
    large = index_of((SAMPLE.manifest, MANIFEST, {}), *[(OTHER.manifest, MANIFEST, {"padding": "x" * 1000})] * 1000)
    attested = index_of((SAMPLE.manifest, MANIFEST, {}), (ATTESTATION + b" " * (1 << 20), MANIFEST, ATTESTED))
    DOCUMENTS[Digest.of(ATTESTATION + b" " * (1 << 20))] = ATTESTATION + b" " * (1 << 20)
    assert trace(large) == Provenance(SAMPLE.manifest)
    assert trace(attested) == Provenance(SAMPLE.manifest, (attested,))
    assert trace(SAMPLE.manifest + b" " * (1 << 20)) is None
