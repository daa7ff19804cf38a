"""Time limits of a source for tests that wait for them to pass."""

from dataclasses import replace

from catalog.clients.timeouts import Timeouts


def scaled(timeouts: Timeouts, factor: float) -> Timeouts:
    """Return the same limits with every time divided by ``factor``; the rate stays."""
    return replace(
        timeouts,
        connect=timeouts.connect / factor,
        first_byte=timeouts.first_byte / factor,
        rate_window=timeouts.rate_window / factor,
        hedge=timeouts.hedge / factor,
        retry=timeouts.retry / factor,
        budget=timeouts.budget / factor,
        total=None if timeouts.total is None else timeouts.total / factor,
    )
