"""Requests of engines that have this server as a mirror of another registry, such as docker.io.

Such a request is about a name of that registry. What a tag means there must not change because a catalogue that is followed brings
the same name: by tag only names of the own catalogue, and those behind an alias, are answered; both were chosen here. A digest
means the same everywhere. Engines say in three ways that they ask a mirror: containerd by ``?ns=``, podman by the registry in front
of the name (the location that ``dcat mirror`` writes), Docker by a Host that nobody types (`MIRROR_HOST`).
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from starlette.requests import Request

from catalog.sources.protocol import MIRROR_HOST

_DOCKER_HUB = "docker.io"
_LIBRARY = "library/"
_HOST = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*(?:\.[a-z0-9]+(?:-[a-z0-9]+)*)+", re.ASCII)


@dataclass(frozen=True, slots=True)
class AskedName:
    """The name that is asked for, and the registry that it is a name of; empty: of this one."""

    name: str
    registry: str = ""


def read_name(request: Request, name: str, has_name: Callable[[str], bool]) -> AskedName:
    """Return what a request asks for; ``has_name`` says whether a name means something in this registry."""
    registry = request.query_params.get("ns", "")
    first, _, rest = name.partition("/")
    if not registry and request.headers.get("host", "").startswith(f"{MIRROR_HOST}:"):
        registry = _DOCKER_HUB
    elif not registry and rest and _HOST.fullmatch(first) and not has_name(name):
        registry, name = first, rest
    # For a short name of Docker Hub engines write library/NAME.
    return AskedName(name.removeprefix(_LIBRARY) if registry == _DOCKER_HUB else name, registry)
