"""One thread, one operation after the other."""

from __future__ import annotations

from itertools import repeat
from typing import TYPE_CHECKING

from benchmarks.contenders import DJANGO
from benchmarks.figures import Outcome, at_least, at_most, observed, rates
from benchmarks.floors import PING_PONG, PingPong
from benchmarks.payload import BATCH, COUNTER, KEY, VALUE
from benchmarks.rows.registry import row
from benchmarks.samples import interleave
from benchmarks.taps import recorded

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.core.cache.backends.base import BaseCache

    from benchmarks.bench import Bench

__all__ = ["against_ping_pong", "batch_of"]


def batch_of(cache: BaseCache, method: str, *args: object) -> Callable[[int], None]:
    """Return a batch that calls `cache.method(*args)` again and again."""
    call = getattr(cache, method)

    def batch(operations: int) -> None:
        for _ in repeat(None, operations):
            call(*args)

    return batch


def against_ping_pong(
    bench: Bench, row_name: str, method: str, *args: object, floor: float, cost: float | None, django: float | None
) -> Outcome:
    """Measure one sync operation against a raw socket that moves the same bytes.

    `floor` is the least share of the raw socket's rate, `cost` the most CPU as a multiple of the raw socket's,
    `django` the least multiple of the rate of Django's own backend; None where there is no target.
    """
    bench.fill()
    exchanges = recorded(bench.subject, bench.server.port, lambda cache: getattr(cache, method)(*args))
    raw = PingPong(bench.server.port, bench.subject.db, exchanges)
    batches: dict[str, Callable[[int], None]] = {PING_PONG: raw.batch}
    batches |= {name: batch_of(cache, method, *args) for name, cache in bench.caches.items()}
    found = interleave(batches, bench.pace)
    raw.close()
    ours = found[bench.subject.name]
    cpu, speed = ours.cost_over(found[PING_PONG]), ours.rate_over(found[DJANGO.name])
    figures = [
        at_least(floor, ours.rate_over(found[PING_PONG]), "the rate of a raw socket ping-pong"),
        observed(cpu, "its CPU per operation") if cost is None else at_most(cost, cpu, "its CPU per operation"),
        observed(speed, "Django's rate") if django is None else at_least(django, speed, "Django's rate"),
    ]
    trips = len(exchanges)
    title = f"sync {row_name}" if trips == 1 else f"sync {row_name} ({trips} round trips)"
    return Outcome(row_name, title, None, tuple(figures), rates(found))


@row("get")
def get(bench: Bench) -> Outcome:
    """Sync get."""
    return against_ping_pong(bench, "get", "get", KEY, floor=0.9, cost=1.3, django=2.0)


@row("set")
def set_(bench: Bench) -> Outcome:
    """Sync set."""
    return against_ping_pong(bench, "set", "set", KEY, VALUE, floor=0.9, cost=1.3, django=2.0)


@row("incr")
def incr(bench: Bench) -> Outcome:
    """Sync incr."""
    return against_ping_pong(bench, "incr", "incr", COUNTER, floor=0.9, cost=1.3, django=2.0)


@row("get_many")
def get_many(bench: Bench) -> Outcome:
    """Sync get_many of 10 keys."""
    return against_ping_pong(bench, "get_many(10)", "get_many", list(BATCH), floor=0.75, cost=None, django=1.8)


@row("set_many")
def set_many(bench: Bench) -> Outcome:
    """Sync set_many of 10 keys."""
    return against_ping_pong(bench, "set_many(10)", "set_many", BATCH, floor=0.75, cost=None, django=1.8)
