"""Under which manifest an image was pushed, byte for byte: ``dcat-provenance/1``.

The canonical manifest of an archive is dcat's own. Signatures and attestations of others are about the manifest that a registry
had: its digest, and those of its compressed layers. What is kept is the exact bytes of that manifest, of the indexes that led to
it, and of the manifests that BuildKit attests it with. Source: docs/formats/provenance.md.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from catalog.errors import ArchiveError, CodecError
from catalog.image.oci import ATTESTED_ANNOTATION, Descriptor, parse_index, parse_manifest
from catalog.ipld.cid import DAG_CBOR, Cid, cid_of
from catalog.ipld.dag_cbor import decode_map, encode
from catalog.limits import MAX_INDEX_DEPTH, MAX_PROVENANCE_SIZE
from catalog.model.digest import ConfigDigest, Digest, ManifestDigest

FORMAT = "dcat-provenance/1"
FindDocument = Callable[[Digest], bytes | None]


@dataclass(frozen=True, slots=True)
class Provenance:
    """The exact bytes of an image's manifest, of the indexes that led to it, the outermost first, and of its attestations."""

    manifest: bytes
    indexes: tuple[bytes, ...] = ()
    attestations: tuple[bytes, ...] = ()

    @property
    def manifest_digest(self) -> ManifestDigest:
        return ManifestDigest.of(self.manifest)

    @property
    def cid(self) -> Cid:
        """The CID of the encoded document."""
        return cid_of(encode_provenance(self), DAG_CBOR)


def trace_provenance(config: ConfigDigest, root: bytes, find: FindDocument) -> Provenance | None:
    """Return the provenance of the image with this config that a manifest, or an index, leads to; None where it does not.

    ``find`` returns documents by their digests. Attestations, then indexes, are left out where all would have too many bytes, and
    the whole where the manifest alone has.
    """
    found = _trace(config, root, find, ())
    if found is None or len(found.manifest) > MAX_PROVENANCE_SIZE:
        return None
    for smaller in (found, Provenance(found.manifest, found.indexes), Provenance(found.manifest)):
        if len(encode_provenance(smaller)) <= MAX_PROVENANCE_SIZE:
            return smaller
    return None


def encode_provenance(provenance: Provenance) -> bytes:
    """Return the document as DAG-CBOR."""
    return encode(
        {
            "format": FORMAT,
            "manifest": provenance.manifest,
            "indexes": list(provenance.indexes),
            "attestations": list(provenance.attestations),
        }
    )


def decode_provenance(data: bytes) -> Provenance:
    """Read a document; raise `CodecError` for anything else. Unknown keys are ignored."""
    if len(data) > MAX_PROVENANCE_SIZE:
        raise CodecError(f"a provenance of {len(data)} bytes: at most {MAX_PROVENANCE_SIZE} are read")
    fields = decode_map(data)
    manifest = fields.get("manifest")
    if fields.get("format") != FORMAT or not isinstance(manifest, bytes):
        raise CodecError(f"not a document of the format {FORMAT}")
    return Provenance(manifest, _read_list(fields.get("indexes")), _read_list(fields.get("attestations")))


def _read_list(value: object) -> tuple[bytes, ...]:
    if not isinstance(value, list) or not all(isinstance(entry, bytes) for entry in value):
        raise CodecError("a provenance lists documents that are not bytes")
    return tuple(value)


def _trace(config: ConfigDigest, document: bytes, find: FindDocument, indexes: tuple[bytes, ...]) -> Provenance | None:
    try:
        manifest = parse_manifest(document)
    except ArchiveError:
        if len(indexes) == MAX_INDEX_DEPTH:
            return None
    else:
        return Provenance(document, indexes) if manifest.config.digest.raw == config.raw else None
    try:
        entries = parse_index(document).entries
    except ArchiveError:
        return None
    for entry in entries:
        inner = None if entry.is_attestation else find(entry.digest)
        found = None if inner is None else _trace(config, inner, find, (*indexes, document))
        if found is not None:
            return Provenance(found.manifest, found.indexes, found.attestations or _find_attestations(entry, entries, find))
    return None


def _find_attestations(image: Descriptor, entries: Iterable[Descriptor], find: FindDocument) -> tuple[bytes, ...]:
    """Return the manifests of an index that attest one of its entries."""
    about = [find(entry.digest) for entry in entries if entry.annotations.get(ATTESTED_ANNOTATION) == str(image.digest)]
    return tuple(document for document in about if document is not None)
