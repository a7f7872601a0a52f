"""Values of one megabyte."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.payload import GIANT, GIANT_KEY
from benchmarks.rows.operations import against_ping_pong
from benchmarks.rows.registry import row

if TYPE_CHECKING:
    from benchmarks.bench import Bench
    from benchmarks.figures import Outcome

__all__: list[str] = []


@row("get_1mb")
def get_1mb(bench: Bench) -> Outcome:
    """Sync get of 1 MB."""
    return against_ping_pong(bench, "get of 1 MB", "get", GIANT_KEY, floor=0.8, cost=None, django=None)


@row("set_1mb")
def set_1mb(bench: Bench) -> Outcome:
    """Sync set of 1 MB."""
    return against_ping_pong(bench, "set of 1 MB", "set", GIANT_KEY, GIANT, floor=0.8, cost=None, django=None)
