"""What callers pass, as what servers take."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "Duration",
    "Field",
    "Moment",
    "Score",
    "as_keys",
    "choice",
    "field_text",
    "milliseconds",
    "moment",
    "some",
]

type Duration = int | float | timedelta
type Field = str | bytes | int | float
type Moment = int | float | datetime
type Score = int | float | str


_EPOCH = 1970


def milliseconds(duration: Duration) -> int:
    """Return a duration in seconds as whole milliseconds.

    Raises:
        TypeError: it is no duration.
        ValueError: it is infinite or not a number.
    """
    if isinstance(duration, timedelta):
        return duration // timedelta(milliseconds=1)
    return _thousand(duration)


def moment(when: Moment) -> int:
    """Return a moment (Unix seconds, or a datetime; naive means local time) as whole Unix milliseconds.

    Raises:
        TypeError: it is no moment.
        ValueError: it is infinite or not a number.
    """
    if not isinstance(when, datetime):
        return _thousand(when)
    try:
        return _thousand(when.timestamp())
    except (ValueError, OverflowError):
        # Beyond what the system's clock knows, in local time.
        if when.year > _EPOCH:
            raise
        return 0


def _thousand(value: Any) -> int:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise TypeError(f"a number was expected, not {type(value).__name__}; to remove an expiry use persist()")
    if isinstance(value, int):
        return value * 1000
    if not math.isfinite(value):
        raise ValueError(f"a finite number was expected, not {value}")
    if not math.isfinite(value * 1000):
        return int(value) * 1000
    # What is written 0.29 or 1.001 is a hair less in binary.
    return math.floor(round(value * 1000, 3))


def as_keys(keys: str | Iterable[str]) -> list[str]:
    """Return one key or several as a list.

    Raises:
        ValueError: there is none.
    """
    return [keys] if isinstance(keys, str) else some("key", keys)


def some[T](what: str, given: Iterable[T]) -> list[T]:
    """Return what was *given* as a list.

    Raises:
        ValueError: there is nothing.
    """
    listed = list(given)
    if not listed:
        raise ValueError(f"at least one {what} is needed")
    return listed


def choice(given: str, *words: str) -> str:
    """Return which of *words* was given, in whatever case.

    Raises:
        ValueError: none of them.
    """
    word = str(given).upper()
    if word not in words:
        raise ValueError(f"{' or '.join(words)} expected")
    return word


def field_text(field: Field) -> str | bytes:
    """Return a hash field, a stream field's name, an entry id, or the name of a group or consumer as it is sent.

    Raises:
        TypeError: it is no text, bytes or number.
    """
    if isinstance(field, (str, bytes)):
        return field
    if isinstance(field, (int, float)):
        return str(field)
    raise TypeError(f"str, bytes, int or float expected, not {type(field).__name__}")
