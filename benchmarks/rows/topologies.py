"""A cluster and a Sentinel set against one server, all with our own backend."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import repeat
from typing import TYPE_CHECKING

from benchmarks.figures import Outcome, at_least, at_most, observed, rates
from benchmarks.payload import KEY, SWARM, VALUE
from benchmarks.rows.operations import batch_of
from benchmarks.rows.registry import loop_row, row
from benchmarks.rows.threads import THREADS, together
from benchmarks.samples import interleave, interleave_on_loop
from benchmarks.topologies import CLUSTER, MASTER, ONE_SERVER, SENTINEL, caches_on_all

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from django.core.cache.backends.base import BaseCache

    from benchmarks.bench import Bench, Loop
    from benchmarks.figures import Figure
    from benchmarks.samples import Series

__all__: list[str] = []

_AT_LEAST = 0.8
_MANY = list(SWARM)[:100]
_TASKS = 50


def _figures(found: Mapping[str, Series]) -> tuple[Figure, ...]:
    """Hold both against one server alone; a master with replicas, which has more to do, is told beside it."""
    return (
        at_least(_AT_LEAST, found[CLUSTER].rate_over(found[ONE_SERVER]), f"on a cluster, the rate of {ONE_SERVER}"),
        at_least(_AT_LEAST, found[SENTINEL].rate_over(found[ONE_SERVER]), f"with Sentinel, the rate of {ONE_SERVER}"),
        observed(found[CLUSTER].rate_over(found[MASTER]), f"on a cluster, the rate of {MASTER}"),
        observed(found[SENTINEL].rate_over(found[MASTER]), f"with Sentinel, the rate of {MASTER}"),
    )


def _one_by_one(bench: Bench, row_name: str, method: str, *args: object) -> Outcome:
    with caches_on_all(bench) as caches:
        found = interleave({name: batch_of(cache, method, *args) for name, cache in caches.items()}, bench.pace)
    return Outcome(row_name, f"sync {method}, several servers", None, _figures(found), rates(found))


@row("topology_get")
def get(bench: Bench) -> Outcome:
    """Sync get, several servers."""
    return _one_by_one(bench, "topology_get", "get", KEY)


@row("topology_set")
def set_(bench: Bench) -> Outcome:
    """Sync set, several servers."""
    return _one_by_one(bench, "topology_set", "set", KEY, VALUE)


@row("topology_threads")
def threads(bench: Bench) -> Outcome:
    """Sync get, 8 threads on one backend, several servers."""
    keys = list(SWARM)[:THREADS]
    with caches_on_all(bench) as caches, ThreadPoolExecutor(THREADS) as pool:
        batches = {
            name: partial(together, pool, [batch_of(cache, "get", key) for key in keys])
            for name, cache in caches.items()
        }
        found = interleave(batches, bench.pace, step=THREADS)
    return Outcome("topology_threads", "sync get, 8 threads, several servers", None, _figures(found), rates(found))


def _at_once(cache: BaseCache) -> Callable[[int], Awaitable[None]]:
    """Return a batch of agets, so many at once and each of another key, so that all servers have a part in it."""
    aget, keys = cache.aget, list(SWARM)[:_TASKS]

    async def batch(operations: int) -> None:
        for _ in repeat(None, operations // _TASKS):
            await asyncio.gather(*[aget(key) for key in keys])

    return batch


@loop_row("topology_aget_x50")
def aget_x50(bench: Bench, loop: Loop) -> Outcome:
    """50 agets at once, several servers."""
    with caches_on_all(bench) as caches, loop.runner() as runner:
        batches = {name: _at_once(cache) for name, cache in caches.items()}
        found = runner.run(interleave_on_loop(batches, bench.pace, step=_TASKS))
    return Outcome("topology_aget_x50", "aget x50, several servers", loop.name, _figures(found), rates(found))


def _time(found: Mapping[str, Series], name: str) -> float:
    return 1 / found[name].rate_over(found[ONE_SERVER])


@row("topology_get_many")
def get_many(bench: Bench) -> Outcome:
    """Sync get_many of 100 keys, several servers."""
    with caches_on_all(bench) as caches:
        found = interleave({name: batch_of(cache, "get_many", _MANY) for name, cache in caches.items()}, bench.pace)
    figures = (
        at_most(2, _time(found, CLUSTER), "over three primaries, the time on one server"),
        observed(_time(found, SENTINEL), "with Sentinel, the time on one server"),
    )
    title = "sync get_many(100), several servers"
    return Outcome("topology_get_many", title, None, figures, rates(found), "call")


@loop_row("topology_aget_many")
def aget_many(bench: Bench, loop: Loop) -> Outcome:
    """Aget_many of 100 keys, several servers."""

    def calling(cache: BaseCache) -> Callable[[int], Awaitable[None]]:
        async def batch(operations: int) -> None:
            for _ in repeat(None, operations):
                await cache.aget_many(_MANY)

        return batch

    with caches_on_all(bench) as caches, loop.runner() as runner:
        batches = {name: calling(cache) for name, cache in caches.items()}
        found = runner.run(interleave_on_loop(batches, bench.pace))
    figures = (
        at_most(2, _time(found, CLUSTER), "over three primaries, the time on one server"),
        observed(_time(found, SENTINEL), "with Sentinel, the time on one server"),
    )
    title = "aget_many(100), several servers"
    return Outcome("topology_aget_many", title, loop.name, figures, rates(found), "call")
