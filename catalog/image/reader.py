"""Read an archive back from its blocks: check that it is canonical, then give its bytes.

An archive may come from a stranger: whatever its root says is checked against the canonical metadata, rebuilt from the config and
the sizes of the layers. `read_archive` needs the root and its first link only, so that a pull knows which layers it needs before
it fetches them.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from catalog.blockstores.base import BlockSource
from catalog.digest import ConfigDigest, DiffID, ManifestDigest
from catalog.image.config import ImageConfig
from catalog.ipld.cid import Cid


@dataclass(frozen=True, slots=True)
class ArchivedLayer:
    """A distinct layer of an archive: ``size`` uncompressed, ``stored_size`` of its frames, ``cid`` of its sub-DAG."""

    diff_id: DiffID
    size: int
    cid: Cid
    stored_size: int


@dataclass(frozen=True, slots=True)
class ArchiveView:
    """An archive whose metadata was read and found canonical; nothing of its layers was looked at yet.

    ``layers`` are the distinct ones in order of their first place, ``image.diff_ids`` all of them; ``size`` is the ``tar.zst``,
    ``unpacked`` the tar.
    """

    cid: Cid
    config: bytes
    config_digest: ConfigDigest
    manifest: bytes
    manifest_digest: ManifestDigest
    image: ImageConfig
    layers: tuple[ArchivedLayer, ...]
    size: int
    unpacked: int


def read_archive(cid: Cid, source: BlockSource) -> ArchiveView:
    """Read root and metadata of an archive; raise `ArchiveError` unless canonical, `BlockNotFoundError` if absent."""
    raise NotImplementedError


def write_tar(view: ArchiveView, source: BlockSource, without: Collection[DiffID] = ()) -> Iterator[bytes]:
    """Give the canonical uncompressed tar in pieces, without the layers in ``without`` (an engine that has them needs no more).

    Every layer's diffID is verified at its end, before the archive can complete: `VerificationError`. An absent block is a
    `BlockNotFoundError`.
    """
    raise NotImplementedError


def iter_stored(view: ArchiveView, source: BlockSource) -> Iterator[bytes]:
    """Give the archive as it is stored, ``view.size`` bytes of ``tar.zst``; contents are verified as in `write_tar`."""
    raise NotImplementedError


def tar_size(view: ArchiveView, without: Collection[DiffID] = ()) -> int:
    """Give the number of bytes that `write_tar` gives."""
    raise NotImplementedError
