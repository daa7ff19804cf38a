"""What a running server does besides answering, each in a thread of its own."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Chore:
    """Something that a running server does every ``every`` seconds, in a thread of its own, the first time at once.

    What it raises is told, and it runs again at its next time.
    """

    label: str
    every: float
    run: Callable[[], object]


@contextmanager
def doing(chores: Sequence[Chore], tell: Callable[[str, Exception], None]) -> Iterator[None]:
    """Do the chores while this lasts; ``tell`` is given the label and the error of one that failed."""
    ended = threading.Event()

    def do(chore: Chore) -> None:
        while True:
            try:
                chore.run()
            except Exception as error:
                tell(chore.label, error)
            if ended.wait(chore.every):
                return

    for chore in chores:
        threading.Thread(target=do, args=(chore,), name=f"dcat-{chore.label}", daemon=True).start()
    try:
        yield
    finally:
        ended.set()
