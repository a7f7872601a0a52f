"""What is stored and fetched: the same keys and values for everyone."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from django.core.cache.backends.base import BaseCache

__all__ = ["BATCH", "COUNTER", "GIANT", "GIANT_KEY", "KEY", "SWARM", "VALUE", "check", "fill"]

KEY = "profile:4711"
# About 150 bytes once pickled: the size of most things that are cached for being asked often.
VALUE = {
    "id": 4711,
    "name": "Ada Lovelace",
    "email": "ada@example.org",
    "groups": ["staff", "editors"],
    "theme": "dark",
    "active": True,
    "visits": 1815,
}
COUNTER = "visits"
# Wide enough that the reply's length stays the same for the whole run.
_COUNTER_START = 1_000_000_000

BATCH = {f"profile:{number}": VALUE for number in range(10)}
SWARM = {f"profile:{number}": VALUE for number in range(1000)}

GIANT_KEY = "export"
# Random, so that no serializer or compressor gets away with moving less.
GIANT = random.Random(4711).randbytes(1 << 20)


def fill(cache: BaseCache) -> None:
    """Store everything that the rows read."""
    cache.set_many({**SWARM, KEY: VALUE, GIANT_KEY: GIANT}, timeout=None)
    cache.set(COUNTER, _COUNTER_START, timeout=None)


def check(cache: BaseCache, name: str) -> None:
    """Raise `RuntimeError` unless the backend called `name` gives back what was stored."""
    right = (
        cache.get(KEY) == VALUE
        and cache.get(GIANT_KEY) == GIANT
        and cache.get_many(BATCH) == BATCH
        and cache.get_many(SWARM) == SWARM
        and cache.get(COUNTER) >= _COUNTER_START
    )
    if not right:
        raise RuntimeError(f"{name} does not return what was stored: its figures would mean nothing")
