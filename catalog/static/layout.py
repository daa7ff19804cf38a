"""Which file of a static catalogue stands where: paths relative to the folder, or to the URL under which it is served.

The names of files that never change come from their content. Those of `POINTERS` are written last: whoever reads one finds all
that it leads to.
"""

from typing import Final

from catalog.ipld.cid import Cid

FORMAT: Final = "dcat-static/1"
SCHEMA: Final = "dcat/static/v1"
STATIC_PATH: Final = "dcat/v1/static"
"""Says that this is a static catalogue, and which snapshot was written last."""

REGISTRY: Final = "v2"
PING_PATH: Final = "v2/index.html"
INDEXES: Final = "indexes/v2"
"""Above the manifests that are indexes, once more: web servers find out their media type by that."""

PARKED: Final = "v2/_"
"""Above the repositories whose names a folder of files cannot hold: no engine can ask for one there."""

_VERBS: Final = frozenset({"blobs", "manifests", "tags", "referrers"})


def outline_path(root: Cid) -> str:
    """Return the path of the outline of a DAG."""
    return f"outlines/{_shard(root)}/{root}.car"


def delta_path(delta: Cid) -> str:
    """Return the path of a delta file."""
    return f"deltas/{_shard(delta)}/{delta}.delta"


def pack_path(digest: bytes) -> str:
    """Return the path of a pack, by the sha256 of its bytes."""
    return f"packs/{digest.hex()[:2]}/{digest.hex()}.pack"


def pack_index_path(digest: bytes) -> str:
    """Return the path of the index of a pack."""
    return f"packs/{digest.hex()[:2]}/{digest.hex()}.index"


def repository_path(name: str) -> str:
    """Return the folder of a repository.

    In a registry ``acme/tags/list`` is both a list and a part of repositories below; a file cannot be a folder too. So a name with
    such a part, which engines cannot ask for anyway, stands under `PARKED`.
    """
    return f"{REGISTRY}/{name}" if is_pullable(name) else f"{PARKED}/{name}"


def is_pullable(name: str) -> bool:
    """Return whether an engine can pull from a repository of this name."""
    parts = name.split("/")
    return _VERBS.isdisjoint(parts) and parts[0] != PING_PATH.rpartition("/")[2]


def blob_path(repository: str, digest: bytes) -> str:
    """Return the path of a blob of a repository, by its sha256."""
    return f"{repository_path(repository)}/blobs/sha256:{digest.hex()}"


def manifest_path(repository: str, reference: str) -> str:
    """Return the path of a manifest, by its tag or its digest."""
    return f"{repository_path(repository)}/manifests/{reference}"


def index_mark_path(repository: str, reference: str) -> str:
    """Return the path at which a manifest stands once more if it is an index."""
    return f"{INDEXES}/{manifest_path(repository, reference).removeprefix(f'{REGISTRY}/')}"


def tags_path(repository: str) -> str:
    """Return the path of the list of tags."""
    return f"{repository_path(repository)}/tags/list"


def _shard(cid: Cid) -> str:
    """Return the two characters before the last one of a CID's text: 1024 folders, evenly filled."""
    return str(cid)[-3:-1]
