"""Read an image out of any export: docker save of every engine, podman and skopeo archives, oci-archives, OCI layout folders.

One pass over the stream: every member that can be a layer is hashed, cut and stored as it flows by, small JSON members are kept
in memory, and which is which is decided at the end, because metadata may come first or last.
Only two things are taken: the config's exact bytes and the uncompressed layers, each checked against ``rootfs.diff_ids``.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from catalog.digest import ConfigDigest, ManifestDigest
from catalog.image.config import ImageConfig
from catalog.image.dag import LayerWriter, StoredLayer
from catalog.limits import DEFAULT_MAX_IMAGE_SIZE
from catalog.platform import Platform
from catalog.progress import Progress, silent


@dataclass(frozen=True, slots=True)
class ExportedImage:
    """One complete image of an export: its layers (one for each diffID, in order) are stored and match the config.

    ``names`` are the tags the export gave it, never applied to anything; ``source_manifest`` is the digest of the manifest in the
    export, where it has one: not canonical, and of use only as provenance.
    """

    config: bytes
    image: ImageConfig
    layers: tuple[StoredLayer, ...]
    names: tuple[str, ...]
    source_manifest: ManifestDigest | None

    @property
    def config_digest(self) -> ConfigDigest:
        return self.image.digest


class Export:
    """All images of one export, its layers already in the sink."""

    def choose(
        self, reference: str | None = None, platform: Platform | None = None, *, host: Platform | None = None
    ) -> ExportedImage:
        """Give the one image that ``reference`` (a tag, a config or manifest digest; None: any) and ``platform`` mean.

        ``host`` decides only among several platforms, where ``platform`` is None. Raises `ImageNotFoundError` (no such reference),
        `PlatformNotFoundError` (with those that exist), `AmbiguousReferenceError` (several images), `ImageIncompleteError` (the
        export lacks its config or layers, as a containerd store may give it), `ArchiveError` (config and layers do not match).
        """
        raise NotImplementedError


def read_export(
    chunks: Iterable[bytes],
    new_layer: Callable[[], LayerWriter],
    *,
    max_size: int = DEFAULT_MAX_IMAGE_SIZE,
    progress: Progress = silent,
) -> Export:
    """Read a whole export from its bytes in pieces of any size, compressed (gzip, zstd, xz, bzip2) or not.

    ``max_size`` bounds what is inflated in all. Raises `ArchiveError`, whatever the bytes.
    """
    raise NotImplementedError


def read_layout(
    folder: Path, new_layer: Callable[[], LayerWriter], *, max_size: int = DEFAULT_MAX_IMAGE_SIZE, progress: Progress = silent
) -> Export:
    """Read an OCI layout folder; links inside it are not followed."""
    raise NotImplementedError
