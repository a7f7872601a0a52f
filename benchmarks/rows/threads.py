"""Eight threads that share one backend object."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from threading import Barrier
from typing import TYPE_CHECKING

from benchmarks.contenders import DJANGO, VCACHE
from benchmarks.figures import Outcome, at_least, observed, rates
from benchmarks.floors import PING_PONG, PingPong
from benchmarks.payload import KEY
from benchmarks.rows.operations import batch_of
from benchmarks.rows.registry import row
from benchmarks.samples import interleave
from benchmarks.taps import recorded

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.bench import Bench

__all__ = ["THREADS", "together"]

THREADS = 8


def together(pool: ThreadPoolExecutor, batches: list[Callable[[int], None]], operations: int) -> None:
    """Split the operations over one batch per thread; the barrier gives each thread exactly one."""
    barrier = Barrier(len(batches))

    def share(batch: Callable[[int], None]) -> None:
        barrier.wait()
        batch(operations // len(batches))

    for _ in pool.map(share, batches):
        pass


@row("threads")
def threads(bench: Bench) -> Outcome:
    """Sync get, 8 threads on one backend."""
    bench.fill()
    exchanges = recorded(bench.subject, bench.server.port, lambda cache: cache.get(KEY))
    sockets = [PingPong(bench.server.port, bench.subject.db, exchanges) for _ in range(THREADS)]
    with ThreadPoolExecutor(THREADS) as pool:
        batches = {PING_PONG: partial(together, pool, [raw.batch for raw in sockets])}
        for name, cache in bench.caches.items():
            batches[name] = partial(together, pool, [batch_of(cache, "get", KEY)] * THREADS)
        found = interleave(batches, bench.pace, step=THREADS)
    for raw in sockets:
        with closing(raw):
            pass
    ours = found[bench.subject.name]
    figures = (
        at_least(1.5, ours.rate_over(found[PING_PONG]), "the rate of 8 raw sockets in 8 threads"),
        at_least(1.8, ours.rate_over(found[VCACHE.name]), "django-vcache's rate"),
        observed(ours.rate_over(found[DJANGO.name]), "Django's rate"),
    )
    return Outcome("threads", "sync get, 8 threads", None, figures, rates(found))
