"""A complete answer of an engine, and what it says of a failure."""

import json
from dataclasses import dataclass

_SHOWN = 1000  # of a message


@dataclass(frozen=True, slots=True)
class Reply:
    """A complete answer of the engine."""

    status: int
    body: bytes

    @property
    def message(self) -> str:
        """What the engine says about a failure."""
        try:
            return str(json.loads(self.body)["message"])[:_SHOWN]
        except (ValueError, KeyError, TypeError, RecursionError):
            return self.body[:_SHOWN].decode(errors="replace").strip() or "no message"

    @property
    def is_refused_by_grammar(self) -> bool:
        """Whether the engine says that a name is malformed: by 400, 404 or 500, as versions and podman differ."""
        return "invalid" in self.message or "lowercase" in self.message
