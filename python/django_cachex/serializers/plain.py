"""What fast encoders do not know, as Django's own JSON encoder writes it."""

from __future__ import annotations

import datetime as dt
import decimal
from typing import Any

from django.utils.duration import duration_iso_string
from django.utils.functional import Promise

__all__ = ["plain"]


def plain(value: Any) -> str:
    """Return *value* as text.

    Raises:
        TypeError: there is no text for it.
    """
    if isinstance(value, (decimal.Decimal, Promise)):
        return str(value)
    if isinstance(value, dt.timedelta):
        return duration_iso_string(value)
    raise TypeError(type(value).__qualname__)
