"""How long a source may take: values that are passed in, so that tests can scale them down."""

from dataclasses import dataclass

from catalog import limits


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds, except for the rate. ``budget`` is how long a fetch continues without a new verified block.

    ``replicas`` is how long a share waits for the nodes of a cluster, ``service`` for each pinning service.
    """

    connect: float = limits.CONNECT_TIMEOUT
    first_byte: float = limits.FIRST_BYTE_TIMEOUT
    rate_window: float = limits.RATE_WINDOW
    min_rate: float = limits.MIN_RATE  # bytes a second, averaged over rate_window
    hedge: float = limits.HEDGE_AFTER
    retry: float = limits.RETRY_AFTER
    budget: float = limits.SOURCE_BUDGET
    replicas: float = limits.REPLICA_WAIT
    service: float = limits.SERVICE_WAIT
    total: float | None = None  # of the whole command, if the user set one
