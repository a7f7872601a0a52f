"""Loops that come and go: `asyncio.run` for every call, as scripts, tests and `async_to_sync` do."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import weakref
from typing import TYPE_CHECKING

import pytest
import uvloop
from asgiref.sync import async_to_sync

from tests.faults.figures import size
from tests.faults.outcomes import eventually
from tests.loops.connections import connected

if TYPE_CHECKING:
    from collections.abc import Callable

    from django_cachex.cache import RedisCache
    from tests.faults.proxy import Proxy
    from tests.servers import Server

_RUNS = size(1_000, 10_000)


@pytest.mark.parametrize("factory", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_one_call_per_loop(
    factory: Callable[[], asyncio.AbstractEventLoop],
    start_server: Callable[..., Server],
    make_cache: Callable[..., RedisCache],
    figure: Callable[[str], None],
) -> None:
    server = start_server()
    cache = make_cache(server.url)
    before = server.opened()
    for number in range(_RUNS):
        assert asyncio.run(cache.aget("k", number), loop_factory=factory) == number
    opened = server.opened() - before
    figure(f"row 23: {_RUNS} x asyncio.run, {opened} connections opened")
    assert opened <= 2


def test_loops_alternate_with_each_other_and_with_sync_calls(
    start_server: Callable[..., Server], make_cache: Callable[..., RedisCache], figure: Callable[[str], None]
) -> None:
    server = start_server()
    cache = make_cache(server.url)
    before = server.opened()
    factories = [asyncio.new_event_loop, uvloop.new_event_loop]

    async def several(number: int) -> None:
        await cache.aset("k", number)
        assert await asyncio.gather(*(cache.aget("k") for _ in range(20))) == [number] * 20

    for number in range(_RUNS // 2):
        asyncio.run(several(number), loop_factory=factories[number % 2])
        assert cache.get("k") == number
    opened = server.opened() - before
    figure(f"row 23: {_RUNS // 2} loops, asyncio and uvloop and sync calls in turn, {opened} connections opened")
    assert opened <= 2


def test_one_run_in_ten_ends_with_a_cancelled_call(
    start_server: Callable[..., Server],
    start_proxy: Callable[[Server], Proxy],
    make_cache: Callable[..., RedisCache],
    figure: Callable[[str], None],
) -> None:
    server = start_server()
    proxy = start_proxy(server)
    cache = make_cache(proxy.url)
    proxy.delay(0, 0.003)
    before = server.opened()

    async def cancelled(number: int) -> None:
        task = asyncio.create_task(cache.aget("k", number))
        await asyncio.sleep(0)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    ended = 0
    for number in range(_RUNS):
        if number % 10 == 9:
            ended += 1
            asyncio.run(cancelled(number))
        else:
            assert asyncio.run(cache.aget("k", number)) == number
    opened = server.opened() - before
    figure(f"row 23: {_RUNS} runs, {ended} ended with a cancelled call, {opened} connections opened")
    assert opened <= 2 + ended
    assert eventually(lambda: connected(server) <= 2, collecting=True)


def test_runs_that_end_with_a_call_that_timed_out(
    start_server: Callable[..., Server],
    start_proxy: Callable[[Server], Proxy],
    make_cache: Callable[..., RedisCache],
    figure: Callable[[str], None],
) -> None:
    server = start_server()
    proxy = start_proxy(server)
    cache = make_cache(proxy.url, OPTIONS={"socket_timeout": 0.05})
    before = server.opened()
    timed_out = 0
    for number in range(40):
        if number % 4:
            assert asyncio.run(cache.aget(f"k{number}", number)) == number
            continue
        proxy.delay(0.2, 0.2, trigger=b"\r\nGET\r\n")
        with pytest.raises(TimeoutError):
            asyncio.run(cache.aget(f"k{number}", number))
        timed_out += 1
        proxy.heal()
    opened = server.opened() - before
    figure(f"row 23: 40 runs, {timed_out} ended with a call that timed out, {opened} connections opened")
    assert opened <= 2 + timed_out
    assert eventually(lambda: connected(server) <= 2, collecting=True)


@pytest.mark.parametrize("factory", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_a_loop_closed_with_calls_pending(
    factory: Callable[[], asyncio.AbstractEventLoop],
    start_server: Callable[..., Server],
    make_cache: Callable[..., RedisCache],
) -> None:
    server = start_server()
    cache = make_cache(server.url)
    cache.set("k", "v")
    for _ in range(10):
        loop = factory()
        loop.run_until_complete(cache.aget("k"))
        # Nobody awaits these: they are sent at best, and the loop is gone before their replies.
        tasks = [loop.create_task(cache.aget("k")) for _ in range(10)]
        loop.call_soon(loop.stop)
        loop.run_forever()
        for task in tasks:
            task._log_destroy_pending = False  # type: ignore[attr-defined] # it is the point
        loop.close()
        gone = weakref.ref(loop)
        del loop, tasks, task
        assert cache.get("k") == "v"
        assert eventually(lambda: gone() is None, collecting=True)  # noqa: B023 - called at once
    assert eventually(lambda: connected(server) <= 2, collecting=True)


def test_async_to_sync_reuses_connections(
    start_server: Callable[..., Server], make_cache: Callable[..., RedisCache], figure: Callable[[str], None]
) -> None:
    server = start_server()
    cache = make_cache(server.url)
    before = server.opened()
    runs = _RUNS // 2
    for number in range(runs):
        async_to_sync(cache.aset)("k", number)
        assert async_to_sync(cache.aget)("k") == number
    opened = server.opened() - before
    figure(f"row 23: {2 * runs} x async_to_sync, {opened} connections opened")
    assert opened <= 2


@pytest.mark.parametrize("factory", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_nothing_keeps_a_closed_loop(
    factory: Callable[[], asyncio.AbstractEventLoop],
    server: Server,
    make_cache: Callable[..., RedisCache],
) -> None:
    cache = make_cache(server.url)
    for _ in range(3):
        loop = factory()
        loop.run_until_complete(cache.aset("k", "v"))
        loop.run_until_complete(cache.aget("k"))
        loop.close()
        gone = weakref.ref(loop)
        del loop
        gc.collect()
        assert gone() is None
