"""What an engine says while it loads or pulls, and what of it is a failure.

The status is 200 whatever happens: failures come in the stream, as ``errorDetail``, or (containerd store) as plain text.
Source: moby, api/server/router/image and daemon/containerd/image_exporter.go (v20.10 to v29).
"""

import re
from collections.abc import Mapping
from typing import Any

from catalog.progress import Progress, Step

_LOADED = re.compile(r"Loaded image(?: ID)?: (\S+)")


def failure_of(event: Mapping[str, Any]) -> str | None:
    """Give the message of an event that reports a failure."""
    detail = event.get("errorDetail")
    if isinstance(detail, Mapping) and detail.get("message"):
        return str(detail["message"])
    if event.get("error"):
        return str(event["error"])
    text = str(event.get("stream", ""))
    return text.strip() if "Error unpacking" in text else None


def loaded_of(event: Mapping[str, Any]) -> list[str]:
    """Give the IDs or references that an event says were loaded."""
    return _LOADED.findall(str(event.get("stream", "")))


def tell(event: Mapping[str, Any], progress: Progress) -> None:
    """Pass on how far the engine is with a layer."""
    detail = event.get("progressDetail")
    if isinstance(detail, Mapping) and isinstance(current := detail.get("current"), int):
        total = detail.get("total")
        label = f"{event.get('status', '')} {event.get('id', '')}".strip()
        progress(Step("part", label, current, total if isinstance(total, int) and total > 0 else None))
