"""The time at which tests happen."""

from datetime import UTC, datetime

NOW = datetime(2026, 11, 24, 6, 33, 30, tzinfo=UTC)
AT = "2026-11-24T06:33:30Z"
"""`NOW`, as releases and records write it."""
