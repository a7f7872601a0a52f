"""A task that wants to run every millisecond: how late it gets because of what else the loop has to do."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from benchmarks.figures import Outcome, at_most, observed
from benchmarks.floors import no_io
from benchmarks.payload import KEY, VALUE
from benchmarks.rows.registry import loop_row

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from benchmarks.bench import Bench, Loop

    type Work = Callable[[], Coroutine[object, object, None]]

__all__: list[str] = []

_BEAT = 0.001
_ROUNDS = 20
_MOST_MS = 20


async def _lateness(work: Awaitable[None]) -> float:
    """Return the worst lateness of the heartbeat, in ms, while `work` is done."""
    clock = asyncio.get_running_loop().time
    worst = 0.0

    async def beat() -> None:
        nonlocal worst
        while True:
            due = clock() + _BEAT
            await asyncio.sleep(_BEAT)
            worst = max(worst, clock() - due)

    heart = asyncio.ensure_future(beat())
    await asyncio.sleep(_BEAT * 5)
    await work
    await asyncio.sleep(_BEAT * 2)  # a beat that is overdue when the work ends is still counted
    heart.cancel()
    with suppress(asyncio.CancelledError):
        await heart
    return worst * 1000


async def _compare(work: Work, without: Work, rounds: int) -> tuple[float, float]:
    """Return the worst lateness of any round with `work`, and with the same shape `without` us, interleaved."""
    worst = worst_without = 0.0
    for _ in range(rounds):
        worst = max(worst, await _lateness(work()))
        worst_without = max(worst_without, await _lateness(without()))
    return worst, worst_without


def _outcome(loop: Loop, row_name: str, title: str, pair: tuple[float, float]) -> Outcome:
    worst, without = pair
    figures = (
        at_most(_MOST_MS, max(0.0, worst - without), "worst lateness beyond that without us", "ms"),
        observed(worst, "worst lateness with us", "ms"),
        observed(without, "worst lateness without us", "ms"),
    )
    return Outcome(row_name, f"1 ms heartbeat during {title}", loop.name, figures)


def _many(operation: Callable[[], Awaitable[object]], concurrency: int) -> Work:
    async def work() -> None:
        for _ in range(2000 // concurrency):
            await asyncio.gather(*[operation() for _ in range(concurrency)])

    return work


def _during_operations(bench: Bench, loop: Loop, concurrency: int) -> Outcome:
    async def measure() -> tuple[float, float]:
        await bench.cache.aget(KEY)
        ours = _many(lambda: bench.cache.aget(KEY), concurrency)
        return await _compare(ours, _many(no_io(), concurrency), bench.times(_ROUNDS))

    with loop.runner() as runner:
        pair = runner.run(measure())
    return _outcome(loop, f"heartbeat_x{concurrency}", f"aget x{concurrency}", pair)


@loop_row("heartbeat_x50")
def heartbeat_x50(bench: Bench, loop: Loop) -> Outcome:
    """Heartbeat during 50 agets at once."""
    return _during_operations(bench, loop, 50)


@loop_row("heartbeat_x500")
def heartbeat_x500(bench: Bench, loop: Loop) -> Outcome:
    """Heartbeat during 500 agets at once."""
    return _during_operations(bench, loop, 500)


@loop_row("heartbeat_connect")
def heartbeat_connect(bench: Bench, loop: Loop) -> Outcome:
    """Heartbeat during the first connect, name lookup included."""

    async def connect() -> None:
        await bench.subject.new(bench.server.port, bench.spare_db(), host="localhost").aget(KEY)

    async def wait() -> None:
        await asyncio.sleep(0.005)

    with loop.runner() as runner:
        pair = runner.run(_compare(connect, wait, bench.times(_ROUNDS)))
    return _outcome(loop, "heartbeat_connect", "the first connect", pair)


@loop_row("heartbeat_reconnect")
def heartbeat_reconnect(bench: Bench, loop: Loop) -> Outcome:
    """Heartbeat while the server closes our connections under load."""
    db, tries, errors = bench.spare_db(), 0, 0
    cache = bench.subject.new(bench.server.port, db)
    cache.set(KEY, VALUE, timeout=None)

    async def one() -> None:
        nonlocal tries, errors
        tries += 1
        try:
            await cache.aget(KEY)
        except Exception:  # noqa: BLE001  (every contender raises its own)
            errors += 1

    async def measure() -> tuple[float, float]:
        async def killing(operation: Callable[[], Awaitable[object]]) -> None:
            traffic = _many(operation, 50)
            await traffic()
            with bench.server.admin() as admin:
                await asyncio.gather(asyncio.to_thread(admin.kill, db), traffic())
            await traffic()

        idle = no_io()
        return await _compare(lambda: killing(one), lambda: killing(idle), bench.times(_ROUNDS // 2))

    with loop.runner() as runner:
        pair = runner.run(measure())
    outcome = _outcome(loop, "heartbeat_reconnect", "reconnects (CLIENT KILL)", pair)
    told = observed(errors, f"errors in {tries} agets", "")
    return Outcome(outcome.row, outcome.title, outcome.loop, (*outcome.figures, told))
