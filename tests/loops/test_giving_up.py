"""Giving a connection up by hand, at any moment."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from tests.loops.connections import connected

if TYPE_CHECKING:
    from collections.abc import Callable

    from django_cachex.cache import RedisCache
    from tests.faults.proxy import Proxy
    from tests.servers import Server


def _handle(cache: RedisCache) -> Any:
    return cache._cache._get_async_connection_pool(write=True)


def test_while_it_is_being_made(
    start_server: Callable[..., Server],
    start_proxy: Callable[[Server], Proxy],
    make_cache: Callable[..., RedisCache],
) -> None:
    server = start_server()
    proxy = start_proxy(server)
    cache = make_cache(proxy.url)
    proxy.delay(0.05, 0.1)

    async def work() -> None:
        for number in range(20):
            calls = [asyncio.create_task(cache.aget(f"a{number}-{each}", each)) for each in range(5)]
            await asyncio.sleep(0.02)
            await _handle(cache).disconnect()
            calls += [asyncio.create_task(cache.aget(f"b{number}-{each}", each)) for each in range(5)]
            async with asyncio.timeout(10):
                found = await asyncio.gather(*calls, return_exceptions=True)
            # Whoever was waiting tried again on the next connection, or was told.
            assert all(isinstance(each, ConnectionError) or each == n % 5 for n, each in enumerate(found)), found
            await _handle(cache).disconnect()

    asyncio.run(work())
    assert connected(server) <= 2


def test_while_replies_are_owed(
    start_server: Callable[..., Server],
    start_proxy: Callable[[Server], Proxy],
    make_cache: Callable[..., RedisCache],
) -> None:
    server = start_server()
    proxy = start_proxy(server)
    cache = make_cache(proxy.url)

    async def work() -> None:
        await cache.aget("k")
        proxy.delay(0.02, 0.03)
        for number in range(20):
            calls = [asyncio.create_task(cache.aget(f"a{number}-{each}", each)) for each in range(5)]
            await asyncio.sleep(0.01)
            await _handle(cache).disconnect()
            async with asyncio.timeout(10):
                found = await asyncio.gather(*calls)
            assert found == list(range(5))

    asyncio.run(work())
    assert connected(server) <= 2
