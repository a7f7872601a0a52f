"""Row 4: servers that introduce themselves slowly."""

from __future__ import annotations

import asyncio
import random
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from django_cachex.exceptions import CacheTimeoutError
from tests.faults.figures import size
from tests.faults.outcomes import SLACK, attempt

if TYPE_CHECKING:
    from collections.abc import Callable

    from django_cachex.cache import RedisCache
    from tests.caller import Caller
    from tests.faults.proxy import Proxy
    from tests.servers import Server

_EVERYTHING: dict[str, Any] = {"db": 3, "client_name": "somebody"}


def _disconnect(call: Caller, cache: RedisCache) -> None:
    async def on_the_loop() -> None:
        await cache._cache._get_async_connection_pool(write=True).disconnect()

    if call.is_async:
        call.run(on_the_loop())
    else:
        cache._cache._get_connection_pool(write=True).disconnect()


# With 3, HELLO carries the password; otherwise AUTH does.
@pytest.mark.parametrize("protocol", [2, 3])
def test_no_reply_is_taken_for_another(
    protocol: int,
    call: Caller,
    start_server: Callable[..., Server],
    start_proxy: Callable[[Server], Proxy],
    make_cache: Callable[..., RedisCache],
    figure: Callable[[str], None],
) -> None:
    proxy = start_proxy(start_server(password="a password"))
    cache = make_cache(proxy.url, OPTIONS={**_EVERYTHING, "protocol": protocol})
    call(cache.set, "k", "v")
    connects = size(150, 2_500)
    before = len(proxy.accepted())
    for number in range(connects):
        if number % 2:
            proxy.throttle(random.randint(1, 40), 0.0005)
        else:
            proxy.delay(0, 0.01)
        _disconnect(call, cache)
        assert call(cache.get, "k") == "v"
        assert call(cache.get, f"none{number}", number) == number
    made = len(proxy.accepted()) - before
    figure(f"row 4: {made} slow handshakes, 0 replies shifted (RESP{protocol})")
    assert made >= connects


@pytest.mark.parametrize("step", ["HELLO", "AUTH", "SELECT", "SETNAME", "SETINFO"])
def test_one_that_takes_too_long(
    step: str,
    call: Caller,
    start_server: Callable[..., Server],
    start_proxy: Callable[[Server], Proxy],
    make_cache: Callable[..., RedisCache],
) -> None:
    server = start_server(password="a password")
    proxy = start_proxy(server)
    options = {**_EVERYTHING, "protocol": 3 if step == "HELLO" else 2, "socket_connect_timeout": 0.2}
    cache = make_cache(proxy.url, OPTIONS=options)
    proxy.delay(0.3, 0.3, trigger=step.encode())
    late = attempt(call, cache.get, "k")
    assert isinstance(late.error, CacheTimeoutError)
    assert late.seconds < 0.2 * 2 + SLACK
    proxy.heal()
    # What came too late is nobody's.
    time.sleep(0.4)
    assert call(cache.get, "k", "none") == "none"
    assert len(server.clients()) == 1


def test_one_that_outlasts_the_call_is_kept(
    call_on_any_loop: Caller,
    server: Server,
    start_proxy: Callable[[Server], Proxy],
    make_cache: Callable[..., RedisCache],
) -> None:
    """The caller gives up before the connection is there; it is the next caller's then."""
    call = call_on_any_loop
    proxy = start_proxy(server)
    cache = make_cache(proxy.url, OPTIONS={"operation_timeout": 0.2, "socket_connect_timeout": 5})
    proxy.delay(0.5, 0.5, trigger=b"SETINFO")
    late = attempt(call, cache.get, "k")
    assert isinstance(late.error, CacheTimeoutError)
    # A loop that stands still receives nothing.
    call.run(asyncio.sleep(1)) if call.is_async else time.sleep(1)
    call(cache.set, "k", "v")
    assert call(cache.get, "k") == "v"
    assert len(proxy.accepted()) == 1


def test_many_at_once(
    start_server: Callable[..., Server],
    start_proxy: Callable[[Server], Proxy],
    make_cache: Callable[..., RedisCache],
    figure: Callable[[str], None],
) -> None:
    proxy = start_proxy(start_server(password="a password"))
    cache = make_cache(proxy.url, OPTIONS={**_EVERYTHING, "protocol": 3})
    calls = size(50, 500)

    def run(thread: int) -> int:
        wrong = 0
        for number in range(calls):
            wrong += cache.get(f"{thread}-{number}", number) != number
            cache._cache._get_connection_pool(write=True).disconnect()
        return wrong

    proxy.delay(0, 0.01)
    before = len(proxy.accepted())
    with ThreadPoolExecutor(16) as pool:
        wrong = sum(pool.map(run, range(16)))
    figure(f"row 4: {len(proxy.accepted()) - before} slow handshakes in 16 threads, {wrong} wrong")
    assert wrong == 0
