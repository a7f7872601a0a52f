"""A new event loop for every operation: `asyncio.run` again and again."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from benchmarks.figures import Outcome, Rate, at_most
from benchmarks.payload import KEY, VALUE
from benchmarks.rows.registry import loop_row

if TYPE_CHECKING:
    from django.core.cache.backends.base import BaseCache

    from benchmarks.bench import Bench, Loop
    from benchmarks.figures import Figure

__all__: list[str] = []

_RUNS = 1000
_CANCEL_EVERY = 10


async def _cancelled(cache: BaseCache) -> None:
    call = asyncio.ensure_future(cache.aget(KEY))
    await asyncio.sleep(0)  # the command leaves; the run ends before its reply is here
    call.cancel()


def _repeat(bench: Bench, loop: Loop, name: str, *, cancelling: bool) -> tuple[Rate, int, int]:
    """Do the runs; return their rate, the connections the server saw opened for them, the wrong values among them."""
    db = bench.spare_db()
    contender = next(contender for contender in bench.contenders if contender.name == name)
    cache = contender.new(bench.server.port, db)
    runs, wrong = bench.times(_RUNS), 0
    with bench.server.admin() as admin:
        opened = admin.opened()
        cache.set(KEY, VALUE, timeout=None)
        cpu, start = time.process_time(), time.perf_counter()
        for number in range(runs):
            if cancelling and number % _CANCEL_EVERY == 0:
                asyncio.run(_cancelled(cache), loop_factory=loop.factory)
            else:
                wrong += asyncio.run(cache.aget(KEY), loop_factory=loop.factory) != VALUE
        seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
        opened = admin.opened() - opened
    return Rate(runs / seconds, cpu / runs * 1e6, remark=f"connections opened: {opened}"), opened, wrong


def _outcome(bench: Bench, loop: Loop, row_name: str, title: str, *, cancelling: bool) -> Outcome:
    shown: dict[str, Rate] = {}
    figures: list[Figure] = []
    for contender in bench.contenders:
        shown[contender.name], opened, wrong = _repeat(bench, loop, contender.name, cancelling=cancelling)
        if contender is bench.subject:
            most = 2 + (bench.times(_RUNS) // _CANCEL_EVERY if cancelling else 0)
            figures = [
                at_most(most, opened, "connections opened for all runs", ""),
                at_most(0, wrong, "wrong values", ""),
            ]
    return Outcome(row_name, f"{bench.times(_RUNS)} x {title}", loop.name, tuple(figures), shown, "run")


@loop_row("runs")
def runs(bench: Bench, loop: Loop) -> Outcome:
    """Many asyncio.run, one aget each."""
    return _outcome(bench, loop, "runs", "asyncio.run(one aget)", cancelling=False)


@loop_row("cancelled_runs")
def cancelled_runs(bench: Bench, loop: Loop) -> Outcome:
    """Many asyncio.run, one in ten ending with a cancelled call."""
    title = f"asyncio.run, one in {_CANCEL_EVERY} ending with a cancelled aget"
    return _outcome(bench, loop, "cancelled_runs", title, cancelling=True)
