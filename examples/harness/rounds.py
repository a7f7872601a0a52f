"""The measured part of the demo: the same requests to both bookshops, in interleaved rounds."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING

from examples.bookshop.catalogue import BOOKS, SHELVES
from examples.bookshop.databases import DATABASE_NUMBERS
from examples.bookshop.tally import PAGES
from examples.harness.visitor import VisitError, Visitor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from examples.bookshop.readings import ServerReadings
    from examples.harness.shops import ShopProcess
    from examples.harness.visitor import Answer

__all__ = ["Plan", "Sample", "paths", "play", "stroll"]

#: What every page of the shop has in it; an answer without it is an error, whatever its status.
MARK = b"Bookshop</a>"


@dataclass(frozen=True)
class Plan:
    """How much to do: ``requests`` per page, backend and round over ``visitors`` connections at once."""

    rounds: int = 3
    requests: int = 120
    visitors: int = 16
    seconds: float = 40.0


@dataclass
class Sample:
    """What was seen of one page on one backend, all rounds together.

    Attributes:
        latencies: of the answered requests, in seconds.
        errors: requests that were not answered as they should be.
        hits: keys found, as the server counts.
        misses: keys not found.
        busy: seconds that passed.
        worked: seconds of processor time that the bookshop used.
        open_most: connections open at one time, at most.
        used_most: connections used in one round, at most.
        opened: connections newly made.
    """

    latencies: list[float] = field(default_factory=list)
    errors: int = 0
    hits: int = 0
    misses: int = 0
    busy: float = 0.0
    worked: float = 0.0
    open_most: int = 0
    used_most: int = 0
    opened: int = 0

    @property
    def requests(self) -> int:
        """The number of requests made."""
        return len(self.latencies) + self.errors


def paths(page: str, count: int, seed: int) -> list[str]:
    """Return ``count`` addresses of ``page``: popular books more often, and the same list for the same ``seed``."""
    chance = random.Random(f"{page} {seed}")
    if page == "shelf":
        return [f"/shelves/{chance.choice(SHELVES)}/" for _ in range(count)]
    prefix = {"book": "books"}.get(page, page)
    return [f"/{prefix}/{int(len(BOOKS) * chance.random() ** 2)}/" for _ in range(count)]


def _good(answer: Answer) -> bool:
    return answer.status == 200 and MARK in answer.body


async def _visit(visitor: Visitor, todo: Iterator[str], sample: Sample) -> None:
    for path in todo:
        started = time.perf_counter()
        try:
            answer = await visitor.get(path)
        except (OSError, VisitError):
            # The connection is in an unknown state: this visitor goes home, the others take over what is left.
            sample.errors += 1
            return
        if _good(answer):
            sample.latencies.append(time.perf_counter() - started)
        else:
            sample.errors += 1


async def _measure(
    shop: ShopProcess, requests: list[str], visitors: int, readings: ServerReadings, into: Sample
) -> None:
    todo = iter(requests)
    async with contextlib.AsyncExitStack() as stack:
        crowd = [await stack.enter_async_context(Visitor.at(shop.address)) for _ in range(visitors)]
        before = await readings.reading()
        sent = await readings.commands(DATABASE_NUMBERS[shop.backend])
        async with readings.peak(DATABASE_NUMBERS[shop.backend]) as most:
            started, worked = time.perf_counter(), shop.cpu_seconds()
            await asyncio.gather(*(_visit(visitor, todo, into) for visitor in crowd))
            into.busy += time.perf_counter() - started
            into.worked += shop.cpu_seconds() - worked
    after = await readings.reading()
    into.errors += sum(1 for _ in todo)
    into.hits += after.hits - before.hits
    into.misses += after.misses - before.misses
    into.opened += after.opened - before.opened
    sent_since = await readings.commands(DATABASE_NUMBERS[shop.backend])
    kept_busy = sum(1 for connection, count in sent_since.items() if count > sent.get(connection, count))
    into.used_most = max(into.used_most, kept_busy + after.opened - before.opened)
    into.open_most = max(into.open_most, most[0])


async def play(
    shops: list[ShopProcess], readings: ServerReadings, server: str, plan: Plan, say: Callable[[str], None]
) -> tuple[dict[str, dict[str, Sample]], int]:
    """Drive all pages of all shops as planned; return the samples by page and backend, and the rounds completed.

    The order of the backends alternates, so that neither is always the one that finds the machine warm. Rounds that
    would not fit into ``plan.seconds`` are left out.
    """
    for shop in shops:
        for page in PAGES:
            await _measure(shop, paths(page, plan.visitors, -1), plan.visitors, readings, Sample())
        await readings.empty(DATABASE_NUMBERS[shop.backend], server)
    samples = {page: {shop.backend: Sample() for shop in shops} for page in PAGES}
    started = time.monotonic()
    for turn in range(plan.rounds):
        spent = time.monotonic() - started
        if turn and spent + spent / turn > plan.seconds:
            return samples, turn
        say(f"round {turn + 1} of {plan.rounds} ...")
        for page in PAGES:
            for shop in shops if turn % 2 == 0 else shops[::-1]:
                requests = paths(page, plan.requests, turn)
                await _measure(shop, requests, plan.visitors, readings, samples[page][shop.backend])
    return samples, plan.rounds


async def stroll(shops: list[ShopProcess], pause: float = 0.25) -> None:
    """Let one visitor per shop look at a page every ``pause`` seconds, until cancelled: life for the home page."""

    async def walk(shop: ShopProcess) -> None:
        seed = 0
        while True:
            seed += 1
            try:
                async with Visitor.at(shop.address) as visitor:
                    # One page of each kind in turn, so that all of them have numbers soon.
                    for path in chain.from_iterable(zip(*(paths(page, 4, seed) for page in PAGES), strict=True)):
                        await visitor.get(path)
                        await asyncio.sleep(pause)
            except (OSError, VisitError):
                await asyncio.sleep(1)

    await asyncio.gather(*(walk(shop) for shop in shops))
