"""Waiting for what happens a moment later."""

from __future__ import annotations

import gc
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.servers import Server

__all__ = ["connected", "eventually"]


def eventually(happened: Callable[[], bool], *, seconds: float = 2.0) -> bool:
    """Return whether something comes true within `seconds`."""
    deadline = time.monotonic() + seconds
    while not happened():
        if time.monotonic() > deadline:
            return False
        gc.collect()
        time.sleep(0.01)
    return True


def connected(server: Server) -> int:
    """Return how many connections a server sees, the tests' own ones left out."""
    return len(server.clients())
