"""The times of IPNS records: RFC 3339 text with nanoseconds, held as integer nanoseconds since 1970.

`datetime` holds microseconds only, so the text is read and written by hand.
Source: ipfs/specs ipns-record.md ("Validity"); boxo util/time.go (RFC3339Nano: trailing zeros are cut).
"""

import re
from datetime import UTC, date, datetime, timedelta
from typing import Final

from catalog.errors import RecordError

SECOND: Final = 10**9
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
_MICROSECOND: Final = timedelta(microseconds=1)
_TEXT: Final = re.compile(
    rb"(\d{4})-(\d\d)-(\d\d)T([01]\d|2[0-3]):([0-5]\d):([0-5]\d)(?:\.(\d{1,9}))?(?:Z|([+-])([01]\d|2[0-3]):([0-5]\d))"
)


def nanoseconds(moment: datetime) -> int:
    """Return an aware moment as nanoseconds since 1970."""
    return (moment - _EPOCH) // _MICROSECOND * 1000


def moment_of(time: int) -> datetime:
    """Return nanoseconds since 1970 as a moment, cut to the microsecond."""
    return _EPOCH + time // 1000 * _MICROSECOND


_LOWEST: Final = nanoseconds(datetime.min.replace(tzinfo=UTC))
_HIGHEST: Final = nanoseconds(datetime.max.replace(tzinfo=UTC)) + 999


def parse_validity(text: bytes) -> int:
    """Read RFC 3339 with 0 to 9 digits of fraction and any offset; raise `RecordError` for anything else."""
    match = _TEXT.fullmatch(text)
    if match is None:
        raise RecordError("the record's validity is not an RFC 3339 time")
    year, month, day, hour, minute, second = (int(part) for part in match.group(1, 2, 3, 4, 5, 6))
    try:
        days = date(year, month, day).toordinal() - _EPOCH_DAY
    except ValueError as error:
        raise RecordError("the record's validity is a day that does not exist") from error
    seconds = days * 86400 + hour * 3600 + minute * 60 + second
    if match[8]:
        offset = int(match[9]) * 3600 + int(match[10]) * 60
        seconds += -offset if match[8] == b"+" else offset
    time = seconds * SECOND + int((match[7] or b"").ljust(9, b"0"))
    if not _LOWEST <= time <= _HIGHEST:
        raise RecordError("the record's validity is outside the years 1 to 9999")
    return time


def format_validity(time: int) -> bytes:
    """Write a time in UTC as Go's RFC3339Nano does."""
    if not _LOWEST <= time <= _HIGHEST:
        raise RecordError("a record's validity lies in the years 1 to 9999")
    seconds, fraction = divmod(time, SECOND)
    days, rest = divmod(seconds, 86400)
    text = f"{date.fromordinal(days + _EPOCH_DAY).isoformat()}T{rest // 3600:02}:{rest // 60 % 60:02}:{rest % 60:02}"
    if fraction:
        text += f".{fraction:09}".rstrip("0")
    return f"{text}Z".encode()
