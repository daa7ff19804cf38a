"""How long a source may take: values that are handed in, so that tests scale them down."""

from dataclasses import dataclass, replace
from typing import Self

from catalog import limits


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds, except for the rate. ``budget`` is the longest that a fetch goes on without a new verified block."""

    connect: float = limits.CONNECT_TIMEOUT
    first_byte: float = limits.FIRST_BYTE_TIMEOUT
    rate_window: float = limits.RATE_WINDOW
    min_rate: float = limits.MIN_RATE  # bytes a second, averaged over rate_window
    hedge: float = limits.HEDGE_AFTER
    retry: float = limits.RETRY_AFTER
    budget: float = limits.SOURCE_BUDGET
    total: float | None = None  # of everything, where the user set one

    def scaled(self, factor: float) -> Self:
        """Give the same limits with every time divided by ``factor``; the rate stays."""
        return replace(
            self,
            connect=self.connect / factor,
            first_byte=self.first_byte / factor,
            rate_window=self.rate_window / factor,
            hedge=self.hedge / factor,
            retry=self.retry / factor,
            budget=self.budget / factor,
            total=None if self.total is None else self.total / factor,
        )
