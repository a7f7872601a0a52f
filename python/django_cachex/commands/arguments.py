"""What callers pass, as what servers take."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Duration", "Moment", "as_keys", "milliseconds", "moment"]

type Duration = int | float | timedelta
type Moment = int | float | datetime


def milliseconds(duration: Duration) -> int:
    """Return a duration in seconds as whole milliseconds.

    Raises:
        TypeError: it is no duration.
    """
    if isinstance(duration, timedelta):
        return duration // timedelta(milliseconds=1)
    return int(_number(duration) * 1000)


def moment(when: Moment) -> int:
    """Return a moment (Unix seconds, or a datetime; naive means local time) as whole Unix milliseconds.

    Raises:
        TypeError: it is no moment.
    """
    return int(_number(when.timestamp() if isinstance(when, datetime) else when) * 1000)


def _number(value: Any) -> float:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise TypeError(f"a number was expected, not {type(value).__name__}; to remove an expiry use persist()")
    return value


def as_keys(keys: str | Iterable[str]) -> list[str]:
    """Return one key or several as a list.

    Raises:
        ValueError: there is none.
    """
    listed = [keys] if isinstance(keys, str) else list(keys)
    if not listed:
        raise ValueError("at least one key is needed")
    return listed
