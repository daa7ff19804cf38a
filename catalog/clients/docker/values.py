"""What an engine tells about itself and its images, in this project's words."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from catalog.model.digest import DiffID
from catalog.model.platform import Platform

StoreKind = Literal["classic", "containerd", "podman"]
_HUB = "docker.io"


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """One engine. ``target`` is its address, ``origin`` what chose it (``DOCKER_HOST``, ``context colima``, ``default``)."""

    version: str
    api: str
    store: StoreKind
    platform: Platform
    target: str
    origin: str


@dataclass(frozen=True, slots=True)
class EngineImage:
    """One image of the engine, for one platform.

    ``id`` is what the engine shows and takes back, whatever kind of digest that is. ``tags`` are familiar (``nginx:1.25``, not
    ``docker.io/library/nginx:1.25``), sorted. ``diff_ids`` are the layers, base first, with repetitions. ``registry`` are manifest
    references of registries, whole and sorted (``docker.io/library/nginx@sha256:…``). ``platforms`` says for each platform of the
    image whether the engine holds all of it; ``complete`` says it of this one, and ``missing`` names the layers that are not there
    as far as can be told. ``manifest`` is the digest of this platform's manifest in the containerd store, empty elsewhere. ``size``
    is the engine's figure, for progress only.
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
    """What the engine said it loaded; ``id`` is its image ID. Not checked yet: see `Engine.check_loaded`."""

    id: str


def familiar(reference: str) -> str:
    """Write a reference as Docker's people do: without the parts that mean Docker Hub."""
    return reference.removeprefix(f"{_HUB}/library/").removeprefix(f"{_HUB}/")


def whole(reference: str) -> str:
    """Write a reference with its registry host: ``nginx:1`` is ``docker.io/library/nginx:1``."""
    first, slash, _ = reference.partition("/")
    if slash and (first == "localhost" or any(mark in first for mark in ".:")):
        return reference
    return f"{_HUB}/{reference}" if slash else f"{_HUB}/library/{reference}"
