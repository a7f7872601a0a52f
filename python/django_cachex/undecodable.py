"""Stored bytes that nothing can read, where ``on_undecodable`` makes them count as missing."""

from __future__ import annotations

import logging
import time

__all__ = ["report", "total"]

logger = logging.getLogger("django_cachex")

# A poisoned cache is read by every request: one line in so many seconds says as much as all of them.
_INTERVAL = 10.0

_total = 0
_reported = -_INTERVAL


def report(error: Exception) -> None:
    """Count a value that was treated as missing, and say so in the log now and then."""
    global _total, _reported  # noqa: PLW0603 - one count per process
    _total += 1
    now = time.monotonic()
    if now - _reported >= _INTERVAL:
        _reported = now
        logger.warning("Stored bytes cannot be read and count as missing (%d so far): %s", _total, error)


def total() -> int:
    """Return how many values of this process have counted as missing."""
    return _total
