"""The files of `docs/formats/static.md`, made from its text alone: nothing here comes from `catalog.static` or `catalog.hosting`.

Blocks and joined leaves are those of other formats, which have golden vectors of their own.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence

import dag_cbor
from multiformats import CID

from catalog.image.reader import read_archive
from catalog.image.walk import walk
from catalog.ipld.block import BlockSource
from catalog.ipld.cid import Cid
from catalog.unixfs.file_reader import read_file

Files = dict[str, bytes]


def static_files_of_image(name: str, version: str, archive: Cid, blocks: BlockSource) -> Files:
    """Return the files of a release of one platform."""
    files: Files = {}
    view = read_archive(archive, blocks)
    blobs = {}
    for layer in view.layers:
        joined = b"".join(read_file(layer.cid, blocks))
        digest = hashlib.sha256(joined).digest()
        blobs[layer.diff_id] = (layer.cid, digest, len(joined))
        files[f"v2/{name}/blobs/sha256:{digest.hex()}"] = joined
        nodes = [block.cid for block in walk(layer.cid, blocks) if not block.is_leaf]
        files[_outline_name(layer.cid)] = _outline(layer.cid, nodes, blocks, blobs=[blobs[layer.diff_id]], repository=name)
    outer = [archive, *(block.cid for link in view.links[::2] for block in walk(link.cid, blocks))]
    files[_outline_name(archive)] = _outline(archive, outer, blocks, blobs=list(blobs.values()), repository=name)
    config = f"sha256:{hashlib.sha256(view.config).hexdigest()}"
    files[f"v2/{name}/blobs/{config}"] = view.config
    kind = "application/vnd.oci.image."
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{kind}manifest.v1+json",
        "config": {"mediaType": f"{kind}config.v1+json", "digest": config, "size": len(view.config)},
        "layers": [
            {
                "mediaType": f"{kind}layer.v1.tar+zstd",
                "digest": f"sha256:{blobs[diff_id][1].hex()}",
                "size": blobs[diff_id][2],
            }
            for diff_id in view.image.diff_ids
        ],
    }
    data = json.dumps(manifest, sort_keys=True, separators=(",", ":")).encode()
    files[f"v2/{name}/manifests/sha256:{hashlib.sha256(data).hexdigest()}"] = data
    files[f"v2/{name}/manifests/{version}"] = data
    return files


def static_files_of_snapshot(root: Cid, inline: Sequence[Cid], packed: Sequence[Cid], blocks: BlockSource) -> Files:
    """Return the outline of a snapshot that holds some blocks itself, and the others in a pack."""
    files: Files = {}
    packs = []
    if packed:
        pack = b"".join(blocks.get(cid) for cid in packed)
        index = b"".join(cid.binary + _varint(len(blocks.get(cid))) for cid in packed)
        digest = hashlib.sha256(pack).digest()
        files[f"packs/{digest.hex()[:2]}/{digest.hex()}.pack"] = pack
        files[f"packs/{digest.hex()[:2]}/{digest.hex()}.index"] = index
        packs = [(digest, len(pack), len(index))]
    files[_outline_name(root)] = _outline(root, inline, blocks, packs=packs)
    return files


def _outline_name(root: Cid) -> str:
    return f"outlines/{str(root)[-3:-1]}/{root}.car"


def _outline(
    root: Cid,
    cids: Iterable[Cid],
    blocks: BlockSource,
    *,
    blobs: Sequence[tuple[Cid, bytes, int]] = (),
    packs: Sequence[tuple[bytes, int, int]] = (),
    repository: str = "",
) -> bytes:
    manifest = dag_cbor.encode(
        {
            "before": [],
            "blobs": [[_link(cid), digest, size] for cid, digest, size in blobs],
            "format": "dcat-static/1",
            "packs": [list(pack) for pack in packs],
            "repository": repository,
            "root": _link(root),
            "size": 0,
        }
    )
    first = b"\x01\x71\x12\x20" + hashlib.sha256(manifest).digest()
    header = dag_cbor.encode({"roots": [CID.decode(first)], "version": 1})
    sections = [(first, manifest), *((cid.binary, blocks.get(cid)) for cid in dict.fromkeys(cids))]
    return b"".join([_varint(len(header)), header, *(_varint(len(cid) + len(data)) + cid + data for cid, data in sections)])


def _link(cid: Cid) -> CID:
    return CID.decode(cid.binary)


def _varint(number: int) -> bytes:
    encoded = b""
    while number > 127:
        encoded += bytes([number % 128 + 128])
        number //= 128
    return encoded + bytes([number])
