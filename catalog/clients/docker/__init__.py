"""The Docker engine, or podman behind its Docker-compatible socket: what it holds, images out of it and into it.

Everything goes over the engine's HTTP API (docker-py), nothing through a program. Three kinds of store differ in what an image
ID is and in what may be left out of a load:

===========  ============================================  =====================================================
store        image ID                                      layers that a load may leave out
===========  ============================================  =====================================================
classic      config digest                                 the longest prefix of chainIDs that any image has
containerd   digest of the manifest, or of an index of     those whose uncompressed blob is surely stored: of images
             several platforms                             with a canonical manifest, complete
podman       config digest                                 none
===========  ============================================  =====================================================

Source: facts of moby v20.10 to v29, and podman 4.3, measured in ``tests/compat``.
"""

from catalog.clients.docker.engine import Engine, connect, require_complete
from catalog.clients.docker.values import EngineImage, EngineInfo, LoadedImage, StoreKind

__all__ = ["Engine", "EngineImage", "EngineInfo", "LoadedImage", "StoreKind", "connect", "require_complete"]
