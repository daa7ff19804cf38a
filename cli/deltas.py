"""How deltas are shown: their size, and that of the blocks that they replace."""

from typing import TYPE_CHECKING, Any

from cli.quantities import format_size

if TYPE_CHECKING:
    from catalog.delivery import Delivered, PlannedDelta, TakenDelta


def describe_delta(delta: "PlannedDelta | TakenDelta", blocks_size: int) -> str:
    """Return a line such as ``1.2 MB by delta from 1.0 (7.9 MB of blocks)``."""
    return f"{format_size(delta.size)} by delta from {delta.base} ({format_size(blocks_size)} of blocks)"


def delta_body(delta: "PlannedDelta | TakenDelta | None", blocks_size: int) -> dict[str, Any] | None:
    """Return the JSON of a delta that was taken, or would be."""
    if delta is None:
        return None
    return {
        "base": delta.base,
        "bytes": delta.size,
        "steps": delta.steps,
        "source": delta.source,
        "blocks_bytes": blocks_size,
        "complete": getattr(delta, "complete", None),
    }


def fetched_body(fetched: "Delivered | None") -> dict[str, Any]:
    """Return the JSON of what was fetched, a delta's bytes included."""
    if fetched is None:
        return {"blocks": 0, "bytes": 0, "sources": []}
    sources = [{"source": use.name, "bytes": use.size} for use in fetched.sources]
    return {"blocks": fetched.blocks, "bytes": fetched.size, "sources": sources}
