"""An engine's description of itself and of its images, as values."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Literal

from catalog.model.digest import DiffID
from catalog.model.platform import Platform

StoreKind = Literal["classic", "containerd", "podman"]
_HUB = "docker.io"


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """One engine. ``target`` is its address; ``origin`` is what chose it (``DOCKER_HOST``, ``context colima``, ``default``)."""

    version: str
    api: str
    store: StoreKind
    platform: Platform
    target: str
    origin: str


@dataclass(frozen=True, slots=True)
class EngineImage:
    """One image of the engine, for one platform.

    ``id`` is the engine's image ID, whatever it is a digest of. ``tags`` are short (``nginx:1.25``, not
    ``docker.io/library/nginx:1.25``) and sorted. ``diff_ids`` are the layers, base first, with repetitions. ``registry`` are sorted
    full manifest references of registries (``docker.io/library/nginx@sha256:…``). ``platforms`` maps each platform of the image to
    whether the engine holds all of it; ``complete`` is the value of this one, and ``missing`` lists the absent layers as far as
    they are known. ``manifest`` is the digest of this platform's manifest in the containerd store, empty elsewhere. ``size`` is the
    engine's figure, for progress and waiting times only.
    """

    id: str
    tags: tuple[str, ...]
    diff_ids: tuple[DiffID, ...]
    platform: Platform
    registry: tuple[str, ...] = ()
    platforms: Mapping[Platform, bool] = field(default_factory=dict)
    complete: bool = True
    missing: tuple[DiffID, ...] = ()
    manifest: str = ""
    size: int = 0


@dataclass(frozen=True, slots=True)
class LoadedImage:
    """The image ID that the engine reported for a load, not checked yet: see `Engine.check_loaded`.

    ``before`` are the IDs of the images that it had before the load, None if that is not known.
    """

    id: str
    before: Collection[str] | None = None


def familiar(reference: str) -> str:
    """Return a reference in the short form that users type: without the parts that mean Docker Hub."""
    return reference.removeprefix(f"{_HUB}/library/").removeprefix(f"{_HUB}/")


def is_whole(reference: str) -> bool:
    """Return whether a reference has a registry host."""
    first, slash, _ = reference.partition("/")
    return bool(slash) and (first == "localhost" or any(mark in first for mark in ".:"))


def whole(reference: str) -> str:
    """Return a reference with its registry host: ``docker.io/library/nginx:1`` for ``nginx:1``."""
    if is_whole(reference):
        return reference
    return f"{_HUB}/{reference}" if "/" in reference else f"{_HUB}/library/{reference}"
