"""Row 2: replies that come when nobody waits for them any more."""

from __future__ import annotations

import asyncio
import random
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
import uvloop

from django_cachex.exceptions import CacheTimeoutError
from tests.faults.figures import size

if TYPE_CHECKING:
    from collections.abc import Callable

    from django_cachex.cache import RedisCache
    from tests.faults.proxy import Proxy
    from tests.servers import Server

_KEYS = 200
_TIMEOUT = 0.04


def _filled(cache: RedisCache) -> RedisCache:
    cache.set_many({f"k{number}": number for number in range(_KEYS)}, None)
    return cache


@pytest.mark.parametrize("factory", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
# Whether a call gives up alone, or the connection with it.
@pytest.mark.parametrize("limit", ["operation_timeout", "socket_timeout"])
def test_on_a_loop(
    limit: str,
    factory: Callable[[], asyncio.AbstractEventLoop],
    server: Server,
    start_proxy: Callable[[Server], Proxy],
    make_cache: Callable[..., RedisCache],
    figure: Callable[[str], None],
) -> None:
    proxy = start_proxy(server)
    _filled(make_cache(proxy.url))
    cache = make_cache(proxy.url, OPTIONS={limit: _TIMEOUT})
    calls = size(10_000, 50_000)
    late = wrong = made = 0

    async def worker() -> None:
        nonlocal late, wrong, made
        while made < calls:
            made += 1
            number = random.randrange(_KEYS)
            try:
                found = await cache.aget(f"k{number}")
            except CacheTimeoutError:
                late += 1
            else:
                wrong += found != number

    async def work() -> None:
        await cache.aget("k0")
        proxy.delay(0, 2 * _TIMEOUT)
        async with asyncio.timeout(60):
            await asyncio.gather(*(worker() for _ in range(200)))

    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(work())
    figure(f"row 2: {made} awaits, {late} late, {wrong} wrong ({limit})")
    assert wrong == 0
    assert late > 0


def test_in_threads(
    server: Server,
    start_proxy: Callable[[Server], Proxy],
    make_cache: Callable[..., RedisCache],
    figure: Callable[[str], None],
) -> None:
    proxy = start_proxy(server)
    _filled(make_cache(proxy.url))
    cache = make_cache(proxy.url, OPTIONS={"socket_timeout": _TIMEOUT, "operation_timeout": 3})
    threads, calls = 32, size(60, 1_600)

    def run(_: int) -> tuple[int, int]:
        late = wrong = 0
        for _ in range(calls):
            number = random.randrange(_KEYS)
            try:
                wrong += cache.get(f"k{number}") != number
            except CacheTimeoutError:
                late += 1
        return late, wrong

    # Not the handshakes: only one of them is made at a time while the server is suspect.
    proxy.delay(0, 2 * _TIMEOUT, trigger=b"\r\nGET\r\n")
    with ThreadPoolExecutor(threads) as pool:
        counts = list(pool.map(run, range(threads)))
    late, wrong = (sum(column) for column in zip(*counts, strict=True))
    figure(f"row 2: {threads * calls} calls in {threads} threads, {late} late, {wrong} wrong")
    assert wrong == 0
    assert late > 0
