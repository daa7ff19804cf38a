"""Progress of operations: one event type and one callable that receives it."""

from __future__ import annotations

from collections.abc import Callable

from catalog.record import record

TYPE_CHECKING = False  # see catalog.record
if TYPE_CHECKING:
    from typing import Literal

    StepKind = Literal["phase", "part", "total", "note", "warning", "detail"]


@record(frozen=True, slots=True)
class Step:
    """One progress event.

    ``phase`` begins a phase of work, named by ``label``; ``part`` and ``total`` count ``done`` of ``of`` bytes (``of`` is None
    if unknown), a part being one layer or one source; ``note`` and ``warning`` are sentences for people; ``detail`` says how
    something is done and why, for those who look into it.
    ``figures`` are further numbers by name (``stored``, ``present``, ``new_blocks``), for machines and the closing line.
    """

    kind: StepKind
    label: str
    done: int = 0
    of: int | None = None
    figures: tuple[tuple[str, int], ...] = ()


Progress = Callable[[Step], None]


def silent(step: Step) -> None:
    """Ignore the step; the default of every operation."""
