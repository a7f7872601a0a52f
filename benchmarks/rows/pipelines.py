"""A hundred commands in one pipeline."""

from __future__ import annotations

from itertools import repeat
from typing import TYPE_CHECKING, Any

from benchmarks.contenders import CACHEX
from benchmarks.figures import Outcome, at_least, at_most, observed, rates
from benchmarks.floors import PING_PONG, PingPong
from benchmarks.payload import SWARM, VALUE
from benchmarks.rows.registry import loop_row, row
from benchmarks.samples import interleave, interleave_on_loop
from benchmarks.taps import recorded

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from benchmarks.bench import Bench, Loop

__all__: list[str] = []

_SIZE = 100
_KEYS = list(SWARM)[: _SIZE // 2]
_ONE_BY_ONE = "one by one"
_PIPELINE = "pipeline"
_TRANSACTION = "pipeline, transaction"


def _queue(pipeline: Any) -> None:
    """Queue fifty sets and fifty gets."""
    for key in _KEYS:
        pipeline.set(key, VALUE, None)
        pipeline.get(key)


def _executed(cache: Any, *, transaction: bool = False) -> list[Any]:
    with cache.pipeline(transaction=transaction) as pipeline:
        _queue(pipeline)
        results: list[Any] = pipeline.execute()
    return results


def _check(results: list[Any]) -> None:
    if results != [True, VALUE] * len(_KEYS):
        raise RuntimeError("the pipeline does not return what was stored: its figures would mean nothing")


@row("pipeline_100")
def pipeline_100(bench: Bench) -> Outcome:
    """A pipeline of 100 commands."""
    cache = bench.caches[CACHEX.name]
    _check(_executed(cache))

    def one_by_one(operations: int) -> None:
        for _ in repeat(None, operations // _SIZE):
            for key in _KEYS:
                cache.set(key, VALUE, None)
                cache.get(key)

    def pipelined(*, transaction: bool) -> Callable[[int], None]:
        def batch(operations: int) -> None:
            for _ in repeat(None, operations // _SIZE):
                _executed(cache, transaction=transaction)

        return batch

    exchanges = recorded(CACHEX, bench.server.port, _executed)
    raw = PingPong(bench.server.port, CACHEX.db, exchanges)
    batches: dict[str, Callable[[int], None]] = {
        PING_PONG: lambda operations: raw.batch(operations // _SIZE),
        _PIPELINE: pipelined(transaction=False),
        _TRANSACTION: pipelined(transaction=True),
        _ONE_BY_ONE: one_by_one,
    }
    found = interleave(batches, bench.pace, step=_SIZE)
    raw.close()
    ours = found[_PIPELINE]
    figures = (
        at_least(20, ours.rate_over(found[_ONE_BY_ONE]), "the rate of the same commands one by one"),
        at_most(
            1.3, 1 / ours.rate_over(found[PING_PONG]), "the time of a raw socket that writes the same bytes at once"
        ),
        at_most(1, len(exchanges), "round trips", ""),
        observed(1 / found[_TRANSACTION].rate_over(found[PING_PONG]), "the same, with transaction=True"),
    )
    return Outcome("pipeline_100", "sync pipeline of 100 commands", None, figures, rates(found), "command")


@loop_row("apipeline_100")
def apipeline_100(bench: Bench, loop: Loop) -> Outcome:
    """An async pipeline of 100 commands."""
    cache: Any = bench.caches[CACHEX.name]

    async def one_by_one(operations: int) -> None:
        for _ in repeat(None, operations // _SIZE):
            for key in _KEYS:
                await cache.aset(key, VALUE, None)
                await cache.aget(key)

    async def pipelined(operations: int) -> None:
        for _ in repeat(None, operations // _SIZE):
            async with cache.apipeline(transaction=False) as pipeline:
                _queue(pipeline)
                await pipeline.execute()

    batches: dict[str, Callable[[int], Awaitable[None]]] = {_PIPELINE: pipelined, _ONE_BY_ONE: one_by_one}
    with loop.runner() as runner:
        found = runner.run(interleave_on_loop(batches, bench.pace, step=_SIZE))
    speed = found[_PIPELINE].rate_over(found[_ONE_BY_ONE])
    figures = (at_least(20, speed, "the rate of the same commands one by one"),)
    return Outcome("apipeline_100", "apipeline of 100 commands", loop.name, figures, rates(found), "command")
