"""What came of a call, and how long it took."""

from __future__ import annotations

import gc
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.caller import Caller

__all__ = ["SLACK", "Outcome", "attempt", "eventually", "until_it_works"]

#: Seconds that a busy machine may add to a time limit: more than any hiccup, less than the next limit up.
SLACK = 2.0


@dataclass(frozen=True)
class Outcome:
    """What came of a call.

    Attributes:
        value: What it returned.
        error: What it raised; None: it returned.
        seconds: How long it took.
    """

    value: Any
    error: Exception | None
    seconds: float


def attempt(call: Caller, method: Callable[..., Any], *args: Any) -> Outcome:
    """Make a call that may fail."""
    start = time.perf_counter()
    value, error = None, None
    try:
        value = call(method, *args)
    except Exception as raised:  # noqa: BLE001 - whatever it is, the scenario judges it
        error = raised
    return Outcome(value, error, time.perf_counter() - start)


def until_it_works(call: Caller, method: Callable[..., Any], *args: Any, seconds: float = 10.0) -> float:
    """Call again and again until a call returns; return how many seconds that took.

    Raises:
        Exception: What the last call raised, after `seconds`.
    """
    start = time.perf_counter()
    while True:
        outcome = attempt(call, method, *args)
        took = time.perf_counter() - start
        if outcome.error is None:
            return took
        if took > seconds:
            raise outcome.error
        time.sleep(0.01)


def eventually(happened: Callable[[], bool], *, seconds: float = 10.0, collecting: bool = False) -> bool:
    """Return whether something comes true within `seconds`; with `collecting`, garbage is collected meanwhile."""
    deadline = time.monotonic() + seconds
    while not happened():
        if time.monotonic() > deadline:
            return False
        if collecting:
            gc.collect()
        time.sleep(0.01)
    return True
