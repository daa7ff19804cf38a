"""One engine: what it holds, and the few changes dcat makes to it."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import BinaryIO

from catalog.clients.docker.values import EngineImage, EngineInfo, LoadedImage
from catalog.digest import ConfigDigest, DiffID, ManifestDigest
from catalog.limits import ENGINE_IDLE_TIMEOUT
from catalog.platform import Platform
from catalog.progress import Progress, silent


def connect(host: str | None = None, *, environment: Mapping[str, str], idle_timeout: float = ENGINE_IDLE_TIMEOUT) -> "Engine":
    """Reach an engine: ``host`` (``unix://…``, ``tcp://…``, ``ssh://…``), else what ``environment`` says, as Docker's command does.

    ``environment`` is a mapping with ``DOCKER_HOST``, ``DOCKER_CONTEXT``, ``DOCKER_CONFIG``, ``DOCKER_TLS_VERIFY``,
    ``DOCKER_CERT_PATH`` and ``HOME`` as far as they are set. Raises `EngineUnavailableError` where nobody answers.
    """
    raise NotImplementedError


class Engine:
    """A connection to one engine. Made by `connect`; close it, or use it in a ``with`` statement.

    All methods raise `EngineUnavailableError` where the engine is gone or says nothing for ``idle_timeout`` seconds.
    """

    def info(self) -> EngineInfo:
        """Tell version, kind of store, platform and address."""
        raise NotImplementedError

    def find(self, reference: str, platform: Platform | None = None) -> EngineImage:
        """Give the image that a reference or an image ID names, exactly.

        Raises `ImageNotFoundError` (``why`` names the nearest tags) and `PlatformNotFoundError` (``why`` lists those there are). An
        image that the engine cannot export is given with ``complete`` false; `require_complete` makes an error of it.
        """
        raise NotImplementedError

    def tags(self) -> dict[str, str]:
        """Give the image ID of every tag (familiar, ``name:version``)."""
        raise NotImplementedError

    def tag_owner(self, name: str, version: str) -> str | None:
        """Give the image ID that ``name:version`` points to, or None."""
        raise NotImplementedError

    def incomplete(self) -> list[EngineImage]:
        """Give the images that the engine shows but cannot export, by tag; empty for stores that have no such thing."""
        raise NotImplementedError

    def save(self, image: EngineImage) -> AbstractContextManager[BinaryIO]:
        """Open the export of an image, without its tags: a tar in one of the engine's forms, to be read to its end."""
        raise NotImplementedError

    def pull(self, reference: str, platform: Platform | None = None, progress: Progress = silent) -> None:
        """Have the engine fetch ``reference`` from its registry."""
        raise NotImplementedError

    def spare_layers(self, diff_ids: Sequence[DiffID], manifests: Collection[ManifestDigest] = ()) -> frozenset[DiffID]:
        """Give the layers that the archive of an image of these layers may leave out in a load right after.

        ``manifests`` are the canonical manifest digests known here: an engine with the containerd store that holds such an image
        whole holds its layers uncompressed.
        """
        raise NotImplementedError

    def load(self, chunks: Iterable[bytes], size: int | None = None, progress: Progress = silent) -> LoadedImage:
        """Feed a canonical archive to the engine and give the ID it prints.

        ``chunks`` may be of any size and are read in another thread; ``size`` is their sum, for progress. On an interrupt feeding
        stops where a member of the archive ends, so that the engine keeps no half-written blob, or after a second. Raises
        `EngineLayerMissingError` where a layer that was left out is gone: send it again in full.
        """
        raise NotImplementedError

    def check_loaded(
        self, loaded: LoadedImage, config: ConfigDigest, manifest: ManifestDigest, diff_ids: Sequence[DiffID]
    ) -> EngineImage:
        """Give the loaded image if it is the one asked for, by ID and by layers; raise `EngineConflictError` otherwise."""
        raise NotImplementedError

    def tag(self, image_id: str, name: str, version: str) -> None:
        """Let ``name:version`` point to the image, wherever it pointed before (see `tag_owner`)."""
        raise NotImplementedError

    def untag(self, name: str, version: str) -> None:
        """Take the tag away; where it does not exist that is fine. An image without another tag goes with it."""
        raise NotImplementedError

    def close(self) -> None:
        """Give up the connection."""
        raise NotImplementedError

    def __enter__(self) -> "Engine":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def require_complete(image: EngineImage) -> EngineImage:
    """Give the image back if the engine can export it; raise `ImageIncompleteError` that says what helps."""
    raise NotImplementedError
