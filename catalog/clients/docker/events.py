"""The events that an engine reports while it loads or pulls, and the failures among them.

The status is always 200: a failure is an event with ``errorDetail``, or (containerd store) plain text.
Source: moby, api/server/router/image and daemon/containerd/image_exporter.go (v20.10 to v29).
"""

import re
from collections.abc import Mapping
from typing import Any, TypeGuard

from catalog.errors import (
    EngineConflictError,
    EngineLayerMissingError,
    EngineUnavailableError,
    ImageNotFoundError,
    UnavailableError,
)
from catalog.progress import Progress, Step

_LOADED = re.compile(r"Loaded image(?: ID)?: (\S+)")
_SHOWN = 1000  # characters of what an engine says
_MAX_COUNT = 1 << 62  # of bytes that an engine may report


def failure_of(event: Mapping[str, Any]) -> str | None:
    """Return the message of an event that reports a failure, else None."""
    detail = event.get("errorDetail")
    if isinstance(detail, Mapping) and detail.get("message"):
        return str(detail["message"])[:_SHOWN]
    if event.get("error"):
        return str(event["error"])[:_SHOWN]
    text = str(event.get("stream", ""))
    return text.strip()[:_SHOWN] if "Error unpacking" in text else None


def loaded_of(event: Mapping[str, Any]) -> list[str]:
    """Return the IDs or references that an event reports as loaded."""
    return _LOADED.findall(str(event.get("stream", "")))


def report(event: Mapping[str, Any], progress: Progress) -> None:
    """Report the engine's progress with a layer."""
    detail = event.get("progressDetail")
    if isinstance(detail, Mapping) and _is_count(current := detail.get("current")):
        total = detail.get("total")
        label = f"{event.get('status', '')} {event.get('id', '')}".strip()[:_SHOWN]
        progress(Step("part", label, current, total if _is_count(total) and total > 0 else None))


def load_failed(said: str) -> EngineConflictError | EngineUnavailableError:
    """Return the error for a failed load."""
    if "no such file or directory" in said or "not found" in said:
        return EngineLayerMissingError("the engine lacks a layer that was not sent", why=said, hint="send the whole archive")
    if "no space left" in said:
        return EngineUnavailableError("the engine's disk is full", why=said, hint="make room where the engine keeps its data")
    return EngineConflictError("the engine did not load the image", why=said)


def pull_failed(reference: str, said: str, *, absent: bool = False) -> ImageNotFoundError | UnavailableError:
    """Return the error for a failed pull; ``absent`` if the status was 404."""
    if absent or any(part in said for part in ("not found", "manifest unknown", "does not exist", "no matching manifest")):
        return ImageNotFoundError(f'the registry has no image "{reference}" for the engine', why=said)
    return UnavailableError(f'the engine could not pull "{reference}"', why=said)


def _is_count(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and 0 <= value < _MAX_COUNT
