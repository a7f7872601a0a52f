"""On an event loop: one operation after the other, and many at once, one task for each."""

from __future__ import annotations

import asyncio
from itertools import repeat
from typing import TYPE_CHECKING

from benchmarks.contenders import DJANGO, VCACHE
from benchmarks.figures import Outcome, at_least, observed, rates
from benchmarks.floors import NO_IO, no_io
from benchmarks.payload import COUNTER, KEY, VALUE
from benchmarks.rows.registry import loop_row
from benchmarks.samples import interleave_on_loop

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from benchmarks.bench import Bench, Loop
    from benchmarks.contenders import Contender

    type Batch = Callable[[int], Awaitable[None]]

__all__ = ["at_once"]


def _one_by_one(call: Callable[..., Awaitable[object]], *args: object) -> Batch:
    async def batch(operations: int) -> None:
        for _ in repeat(None, operations):
            await call(*args)

    return batch


def at_once(concurrency: int, call: Callable[..., Awaitable[object]], *args: object) -> Batch:
    """Return a batch that awaits `call(*args)` in so many tasks at once, again and again."""

    async def batch(operations: int) -> None:
        for _ in repeat(None, operations // concurrency):
            await asyncio.gather(*[call(*args) for _ in range(concurrency)])

    return batch


@loop_row("aget")
def aget(bench: Bench, loop: Loop) -> Outcome:
    """Aget alone."""
    sync = "our sync get"

    async def sync_batch(operations: int) -> None:
        get = bench.cache.get
        for _ in repeat(None, operations):
            get(KEY)

    batches: dict[str, Batch] = {sync: sync_batch}
    batches |= {name: _one_by_one(cache.aget, KEY) for name, cache in bench.caches.items()}
    with loop.runner() as runner:
        found = runner.run(interleave_on_loop(batches, bench.pace))
    ours = found[bench.subject.name]
    figures = (
        at_least(0.75, ours.rate_over(found[sync]), "the rate of our own sync get"),
        at_least(2.7, ours.rate_over(found[DJANGO.name]), "Django's rate"),
    )
    return Outcome("aget", "aget alone", loop.name, figures, rates(found))


def _own_object(bench: Bench, contender: Contender) -> Callable[[], Awaitable[object]]:
    """Return an aget on a backend object of its own, which is what Django's cache handler gives to every task."""
    backend, location = contender.factory(), contender.location(bench.server.port)

    async def operation() -> object:
        return await backend(location, {}).aget(KEY)

    return operation


def _against_no_io(
    bench: Bench, loop: Loop, concurrency: int, method: str, *args: object, django: float | None
) -> Outcome:
    """Measure `concurrency` tasks at once, one operation each, against the same tasks without any I/O.

    `django` is the least multiple of the rate of Django's own backend, None where there is no target.
    """

    async def measure() -> Outcome:
        batches = {NO_IO: at_once(concurrency, no_io())}
        batches |= {name: at_once(concurrency, getattr(cache, method), *args) for name, cache in bench.caches.items()}
        found = await interleave_on_loop(batches, bench.pace, step=concurrency)
        ours = found[bench.subject.name]
        speed, text = ours.rate_over(found[DJANGO.name]), "Django's rate"
        figures = (
            at_least(0.6, ours.rate_over(found[NO_IO]), "the rate of tasks without any I/O"),
            at_least(2.0, ours.rate_over(found[VCACHE.name]), "django-vcache's rate"),
            observed(speed, text) if django is None else at_least(django, speed, text),
        )
        name = f"{method} x{concurrency}"
        return Outcome(name.replace(" ", "_"), name, loop.name, figures, rates(found))

    with loop.runner() as runner:
        return runner.run(measure())


def _own_objects(bench: Bench, loop: Loop, concurrency: int, django: float) -> Outcome:
    """Measure `concurrency` agets at once, each task with its own backend object, against Django's backend.

    One object shared by all tasks flatters Django's backend: it keeps one connection and one thread. An application
    meets what is measured here.
    """
    batches = {one.name: at_once(concurrency, _own_object(bench, one)) for one in (bench.subject, DJANGO)}
    bench.fill()
    with loop.runner() as runner:
        found = runner.run(interleave_on_loop(batches, bench.pace, step=concurrency))
    speed = found[bench.subject.name].rate_over(found[DJANGO.name])
    figures = (at_least(django, speed, "Django's rate"),)
    title = f"aget x{concurrency}, an object per task"
    return Outcome(f"aget_x{concurrency}_objects", title, loop.name, figures, rates(found))


@loop_row("aget_x50")
def aget_x50(bench: Bench, loop: Loop) -> Outcome:
    """50 agets at once."""
    return _against_no_io(bench, loop, 50, "aget", KEY, django=35)


@loop_row("aset_x50")
def aset_x50(bench: Bench, loop: Loop) -> Outcome:
    """50 asets at once."""
    return _against_no_io(bench, loop, 50, "aset", KEY, VALUE, django=35)


@loop_row("aincr_x50")
def aincr_x50(bench: Bench, loop: Loop) -> Outcome:
    """50 aincrs at once."""
    return _against_no_io(bench, loop, 50, "aincr", COUNTER, django=35)


@loop_row("aget_x500")
def aget_x500(bench: Bench, loop: Loop) -> Outcome:
    """500 agets at once."""
    return _against_no_io(bench, loop, 500, "aget", KEY, django=None)


@loop_row("aget_x50_objects")
def aget_x50_objects(bench: Bench, loop: Loop) -> Outcome:
    """50 agets at once, an object per task."""
    return _own_objects(bench, loop, 50, django=35)


@loop_row("aget_x500_objects")
def aget_x500_objects(bench: Bench, loop: Loop) -> Outcome:
    """500 agets at once, an object per task."""
    return _own_objects(bench, loop, 500, django=140)
