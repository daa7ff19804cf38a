"""Periodic work of a running server, each piece in a thread of its own."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Chore:
    """Work that a running server does at once and then every ``every`` seconds. What it raises is reported; it runs again."""

    label: str
    every: float
    run: Callable[[], object]


@contextmanager
def doing(chores: Sequence[Chore], report: Callable[[str, Exception], None]) -> Iterator[None]:
    """Run the chores until the context ends; ``report`` is called with the label and the error of one that failed."""
    ended = threading.Event()

    def do(chore: Chore) -> None:
        while True:
            try:
                chore.run()
            except Exception as error:
                report(chore.label, error)
            if ended.wait(chore.every):
                return

    for chore in chores:
        threading.Thread(target=do, args=(chore,), name=f"dcat-{chore.label}", daemon=True).start()
    try:
        yield
    finally:
        ended.set()
