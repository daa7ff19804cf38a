"""The Docker engine, or podman by its Docker-compatible socket: finding images, reading them and loading them.

Everything uses the engine's HTTP API, and no program. Three kinds of store differ in what an image ID is and in which
layers may be left out of a load:

===========  ============================================  =====================================================
store        image ID                                      layers that a load may leave out
===========  ============================================  =====================================================
classic      config digest                                 the longest prefix of chainIDs that any image has
containerd   digest of the manifest, or of an index of     those whose uncompressed blob is known to be stored: of
             several platforms                             complete images with a canonical manifest
podman       config digest                                 none
===========  ============================================  =====================================================

In requests a name always has its registry host (``docker.io/library/web:1.0``): podman resolves a short name to any local image,
such as ``localhost/web:1.0`` (docs/safety.md C16).

Source: moby v20.10 to v29 and podman 4.3, measured in ``tests/compat``.
"""

from catalog.clients.docker.engine import Engine, connect, require_complete
from catalog.clients.docker.values import EngineImage, EngineInfo, LoadedImage, StoreKind

__all__ = ["Engine", "EngineImage", "EngineInfo", "LoadedImage", "StoreKind", "connect", "require_complete"]
