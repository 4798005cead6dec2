"""Which moment is meant? A time has a zone, or it is refused."""

from datetime import UTC, datetime
from typing import Any

from schemas.errors import PerennialError

__all__ = ["NaiveTimestampError", "aware"]


class NaiveTimestampError(PerennialError, ValueError):
    def __init__(self, what: str, value: Any) -> None:
        super().__init__(
            f"{what} is {value}, a time without a zone; it could mean any of 24 moments. "
            "Give it one: datetime(..., tzinfo=UTC), or a column of type TIMESTAMP WITH TIME ZONE."
        )


def aware(value: datetime, what: str) -> datetime:
    """`value` in UTC; a naive time is refused."""
    if value.tzinfo is None:
        raise NaiveTimestampError(what, value)
    return value.astimezone(UTC)
