"""What deltas saved this home over all time, kept as a note in its trust store and shown by `dcat status`."""

import json
from dataclasses import asdict, dataclass

from catalog.delivery.offers import TakenDelta
from catalog.home.home import Home

_NOTE = "deltas"


@dataclass(frozen=True, slots=True)
class Savings:
    """The number of deltas taken, the bytes that travelled for them, and the bytes of the blocks that they replaced."""

    deltas: int = 0
    received: int = 0
    blocks_size: int = 0

    @property
    def saved(self) -> int:
        return max(self.blocks_size - self.received, 0)


def find_savings(home: Home) -> Savings:
    """Return what was saved so far."""
    from catalog.trust.store import get_note

    with home.trust.read() as connection:
        text = get_note(connection, _NOTE)
    return _decode(text)


def add_saving(home: Home, taken: TakenDelta) -> None:
    """Add a delta that was taken."""
    from catalog.trust.store import get_note, put_note

    with home.trust.write() as connection:
        before = _decode(get_note(connection, _NOTE))
        after = Savings(before.deltas + taken.steps, before.received + taken.size, before.blocks_size + taken.blocks_size)
        put_note(connection, _NOTE, json.dumps(asdict(after)))


def _decode(text: str | None) -> Savings:
    return Savings(**json.loads(text)) if text else Savings()
