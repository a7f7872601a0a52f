"""Several loops and threads at once."""

from __future__ import annotations

import asyncio
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import uvloop

from tests.faults.figures import size
from tests.faults.outcomes import eventually
from tests.loops.connections import connected

if TYPE_CHECKING:
    from collections.abc import Callable

    from django_cachex.cache import RedisCache
    from tests.servers import Server


def test_loops_in_threads(
    start_server: Callable[..., Server], make_cache: Callable[..., RedisCache], figure: Callable[[str], None]
) -> None:
    server = start_server()
    cache = make_cache(server.url)
    threads, runs = 8, size(20, 200)
    seen: list[int] = []

    async def work(thread: int) -> None:
        for number in range(5):
            key = f"{thread}-{number}"
            await cache.aset(key, key)
            assert await asyncio.gather(*(cache.aget(key) for _ in range(20))) == [key] * 20
        seen.append(connected(server))

    def run(thread: int) -> None:
        for number in range(runs):
            factory = uvloop.new_event_loop if (thread + number) % 2 else asyncio.new_event_loop
            asyncio.run(work(thread), loop_factory=factory)

    before = server.opened()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(run, range(threads)))
    # What `seen` asked for went over the tests' one connection.
    opened = server.opened() - before
    figure(f"row 23: {threads} threads x {runs} loops, {opened} connections opened, {max(seen)} at once")
    assert max(seen) <= threads
    assert opened <= threads


def test_64_threads(
    start_server: Callable[..., Server], make_cache: Callable[..., RedisCache], figure: Callable[[str], None]
) -> None:
    server = start_server()
    cache = make_cache(server.url)
    threads, calls = 64, size(300, 3_000)
    together = threading.Barrier(threads, timeout=30)

    def run(thread: int) -> int:
        together.wait()
        wrong = 0
        for number in range(calls):
            key = f"{thread}-{number % 7}"
            if number < 7 or random.random() < 0.2:
                cache.set(key, key)
            wrong += cache.get(key) != key
        return wrong

    with ThreadPoolExecutor(threads) as pool:
        wrong = sum(pool.map(run, range(threads)))
    count = connected(server)
    figure(f"row 23: {threads} threads, {threads * calls} reads, {wrong} wrong, {count} connections")
    assert wrong == 0
    assert count <= threads


def test_threads_share_as_many_connections_as_they_may(
    start_server: Callable[..., Server], make_cache: Callable[..., RedisCache]
) -> None:
    server = start_server()
    options = {"max_connections": 4, "timeout": 10, "pool_class": "redis.BlockingConnectionPool"}
    cache = make_cache(server.url, OPTIONS=options)
    seen: list[int] = []

    def run(thread: int) -> None:
        for number in range(100):
            assert cache.get(f"{thread}-{number}", number) == number
        seen.append(connected(server))

    with ThreadPoolExecutor(32) as pool:
        list(pool.map(run, range(32)))
    assert max(seen) <= 4


def test_loops_and_threads_hand_connections_to_each_other(
    start_server: Callable[..., Server], make_cache: Callable[..., RedisCache]
) -> None:
    server = start_server()
    cache = make_cache(server.url)
    over = threading.Event()

    def sync() -> None:
        while not over.is_set():
            assert cache.get("k", "none") == "none"

    def loops() -> None:
        for number in range(100):
            assert asyncio.run(cache.aget("k", number)) == number

    with ThreadPoolExecutor(8) as pool:
        callers = [pool.submit(sync) for _ in range(4)]
        runners = [pool.submit(loops) for _ in range(4)]
        for runner in runners:
            runner.result()
        over.set()
        for caller in callers:
            caller.result()
    assert eventually(lambda: connected(server) <= 8, collecting=True)
