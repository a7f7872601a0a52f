"""Hashes, lists, sorted sets and sets: one command each, beside our own get."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from benchmarks.contenders import CACHEX
from benchmarks.figures import Outcome, at_least, rates
from benchmarks.payload import KEY, VALUE
from benchmarks.rows.operations import batch_of
from benchmarks.rows.registry import loop_row, row
from benchmarks.rows.tasks import at_once
from benchmarks.samples import interleave, interleave_on_loop

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from benchmarks.bench import Bench, Loop

__all__: list[str] = []

_MEMBER = "Ada Lovelace"


class _Call(NamedTuple):
    """A method and what it gets."""

    method: str
    args: tuple[object, ...]


_CALLS = (
    _Call("hget", ("bench:hash", "field")),
    _Call("lpush", ("bench:list", VALUE)),
    _Call("zadd", ("bench:zset", {_MEMBER: 1815})),
    _Call("sismember", ("bench:set", _MEMBER)),
)


def _prepare(bench: Bench) -> None:
    """Store what the calls read. Only django-cachex has these methods: nobody else is measured."""
    cache: Any = bench.caches[CACHEX.name]
    cache.delete_many(["bench:hash", "bench:list", "bench:zset", "bench:set"])
    cache.hset("bench:hash", "field", VALUE)
    cache.zadd("bench:zset", {_MEMBER: 1815})
    cache.sadd("bench:set", _MEMBER)
    if cache.hget("bench:hash", "field") != VALUE or not cache.sismember("bench:set", _MEMBER):
        raise RuntimeError("what is stored in structures does not come back: their figures would mean nothing")


@row("structures")
def structures(bench: Bench) -> Outcome:
    """Sync hget, lpush, zadd, sismember."""
    _prepare(bench)
    cache: Any = bench.caches[CACHEX.name]
    batches = {"get": batch_of(cache, "get", KEY)}
    batches |= {call.method: batch_of(cache, call.method, *call.args) for call in _CALLS}
    found = interleave(batches, bench.pace)
    figures = tuple(
        at_least(0.9, found[call.method].rate_over(found["get"]), f"get's rate: {call.method}") for call in _CALLS
    )
    cache.delete("bench:list")
    return Outcome("structures", "sync hget, lpush, zadd, sismember", None, figures, rates(found))


@loop_row("structures_x50")
def structures_x50(bench: Bench, loop: Loop) -> Outcome:
    """50 ahgets, alpushes, azadds, asismembers at once."""
    _prepare(bench)
    cache: Any = bench.caches[CACHEX.name]
    batches: dict[str, Callable[[int], Awaitable[None]]] = {"aget": at_once(50, cache.aget, KEY)}
    batches |= {f"a{call.method}": at_once(50, getattr(cache, f"a{call.method}"), *call.args) for call in _CALLS}
    with loop.runner() as runner:
        found = runner.run(interleave_on_loop(batches, bench.pace, step=50))
    figures = tuple(
        at_least(0.9, found[f"a{call.method}"].rate_over(found["aget"]), f"aget's rate: a{call.method}")
        for call in _CALLS
    )
    cache.delete("bench:list")
    return Outcome("structures_x50", "ahget, alpush, azadd, asismember x50", loop.name, figures, rates(found))
